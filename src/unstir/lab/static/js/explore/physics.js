/** The physics: the whole family in its groups, and the parameters of the one that is chosen. */

import { choice } from "../chips.js";
import { fill, h } from "../dom.js";
import { families, parameterLabel, parseProcess, processLabel, writeProcess } from "../names.js";
import { slider } from "../slider.js";
import { SolverChooser } from "./solver.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").State} State */
/** @typedef {import("../types.js").ProcessInfo} ProcessInfo */
/** @typedef {import("../types.js").Parameter} Parameter */

/** A parameter's first value here, where the command line's would show little in the plane. */
const FIRST = /** @type {Record<string, Record<string, number>>} */ ({ poisson: { D: 1 } });

/** Parameters that few would move: they are folded away. */
const REST = new Set(["sigma_min", "sigma_max", "box", "cells", "t_max", "births", "tau", "M", "factor", "hole"]);

export class PhysicsChooser {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    const { store, catalog } = context;
    this.groups = families(catalog.processes).map(([family, processes]) => {
      const own = choice(family,
        processes.map(({ name, summary }) => ({ value: name, text: processLabel(name), title: summary })),
        (name) => this.pick("process", name));
      return { own, root: h("div", { class: "family" }, h("span", { class: "quiet" }, family), own.root) };
    });
    this.solver = new SolverChooser(context);
    this.first = new Parameters(context, "process", this.solver.root);
    this.second = new Parameters(context, "compare", null);
    this.other = h("select", { class: "select", "aria-label": "Compare with",
      onchange: () => this.pick("compare", this.other.value) });
    fill(this.other, h("option", { value: "" }, "Compare with…"),
      ...catalog.processes.map(({ name }) => h("option", { value: name }, processLabel(name))));
    this.root = h("section", { class: "block" }, h("h2", { class: "eyebrow" }, "Physics"),
      h("div", { class: "families" }, ...this.groups.map(({ root }) => root)),
      this.first.root, this.other, this.second.root);
  }

  /**
   * @param {"process"|"compare"} key
   * @param {string} name
   */
  pick(key, name) {
    const { store, catalog } = this.context;
    const info = catalog.processes.find((one) => one.name === name);
    /** @type {Partial<State>} */
    const patch = { [key]: name && writeProcess(name, FIRST[name] ?? {}) };
    if (key === "process") Object.assign(patch, { solver: "", steps: 0, follow: "" });
    const images = "images" in store.get().data;
    if (info && !info.generates2d && !images) patch.data = { images: "digits" };
    if (info && !info.images && images) patch.data = { preset: "swissroll" };
    store.set(patch);
  }

  /**
   * @param {State} state
   * @param {Set<string>} changed
   */
  update(state, changed) {
    if (!["first", "process", "compare", "solver", "steps"].some((key) => changed.has(key))) return;
    const { name } = parseProcess(state.process);
    for (const { own } of this.groups) own.set(name);
    this.other.value = parseProcess(state.compare).name;
    this.first.show(state.process);
    this.solver.show(state);
    this.second.show(state.compare);
  }
}

/** The sentence and the sliders of one physics. */
class Parameters {
  /**
   * @param {Context} context
   * @param {"process"|"compare"} key
   * @param {HTMLElement|null} beside what stands beside the folded ones
   */
  constructor(context, key, beside) {
    this.context = context;
    this.beside = beside;
    this.key = key;
    this.root = h("div", { class: "parameters", hidden: true });
    this.name = "";
    /** @type {Map<string, (value: string|number) => void>} */
    this.setters = new Map();
  }

  /** @param {string} text */
  show(text) {
    const { name, values } = parseProcess(text);
    const info = this.context.catalog.processes.find((one) => one.name === name);
    this.root.hidden = !info;
    if (!info) {
      this.name = "";
      return;
    }
    if (name !== this.name) this.build(info);
    this.name = name;
    for (const parameter of info.parameters) {
      this.setters.get(parameter.name)?.(values[parameter.name] ?? parameter.default);
    }
  }

  /** @param {ProcessInfo} info */
  build(info) {
    this.setters.clear();
    const lead = info.parameters.filter(({ name }) => !REST.has(name));
    const rest = info.parameters.filter(({ name }) => REST.has(name));
    fill(this.root,
      h("p", { class: "prose" }, info.summary),
      ...lead.map((one) => this.control(one)),
      h("div", { class: "folded" },
        rest.length > 0 && h("details", {}, h("summary", { class: "quiet" }, "More"),
          h("div", { class: "parameters" }, ...rest.map((one) => this.control(one)))),
        this.beside));
  }

  /** @param {Parameter} parameter */
  control(parameter) {
    const { name, kind, low = 0, high = 1, log, choices = [] } = parameter;
    const [symbol, words] = parameterLabel(name);
    if (kind === "choice" && choices.length > 4) {
      const select = h("select", { class: "select", "aria-label": words, onchange: () => this.change(name, select.value) },
        ...choices.map((one) => h("option", { value: String(one) }, String(one).replaceAll("_", " "))));
      const verdict = h("p", { class: "quiet" });
      this.setters.set(name, (value) => {
        select.value = String(value);
        const row = this.context.catalog.rows.find((one) => one.name === value);
        fill(verdict, row && h("span", { class: "prose" }, row.equation), row && h("br"),
          row && (row.generates ? "It can generate." : `It cannot generate: ${row.reason ?? row.fails}`));
      });
      return h("div", { class: "parameters" }, select, verdict);
    }
    if (kind === "choice") {
      const own = choice(words, choices.map((one) => ({ value: String(one), text: String(one) })),
        (value) => this.change(name, value), "segments");
      this.setters.set(name, (value) => own.set(String(value)));
      return h("div", { class: "line" }, h("span", {}, words), own.root);
    }
    const own = slider({ label: [symbol && h("span", { class: "symbol" }, symbol), symbol ? ` ${words}` : words], low, high,
      value: Number(parameter.default), log, whole: parameter.whole, onChange: (value) => this.change(name, value) });
    this.setters.set(name, (value) => own.set(value === "inf" ? high : Number(value)));
    return own.root;
  }

  /**
   * @param {string} parameter
   * @param {string|number} value
   */
  change(parameter, value) {
    const { store } = this.context;
    const { name, values } = parseProcess(store.get()[this.key]);
    store.set({ [this.key]: writeProcess(name, { ...values, [parameter]: value }) });
  }
}
