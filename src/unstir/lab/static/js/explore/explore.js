/** The explorer: choose the data and the physics, see forward and backward side by side. */

import { fill, h } from "../dom.js";
import { processTitle } from "../names.js";
import { Trouble } from "../trouble.js";
import { register } from "../views.js";
import { DataChooser } from "./data.js";
import { DrawPad, HALF } from "./drawpad.js";
import { Experiment } from "./experiment.js";
import { LayerChooser } from "./layers.js";
import { PhysicsChooser } from "./physics.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").State} State */

const PATH_KEYS = ["data", "process", "compare", "n", "seed", "field", "solver", "steps"];

class Explorer {
  /**
   * @param {HTMLElement} root
   * @param {Context} context
   */
  constructor(root, context) {
    this.context = context;
    this.trouble = new Trouble();
    this.stage = h("div", { class: "stage" });
    /** @type {Experiment[]} */
    this.experiments = [];
    this.pad = new DrawPad(context, () => this.experiments[0].panels.forward, () => this.drawn());
    this.choosers = [
      new DataChooser(context, () => this.drawOwn()),
      new PhysicsChooser(context),
      new LayerChooser(context),
    ];
    this.handle = h("button", { class: "handle", type: "button", "aria-label": "Choices", "aria-expanded": "true",
      onclick: () => this.widen(!this.frame.hasAttribute("data-wide")) });
    this.frame = h("div", { class: "explore" },
      h("aside", { class: "margin", "aria-label": "Data and physics" }, ...this.choosers.map((one) => one.root)),
      h("section", { class: "figure", "aria-label": "Figure" }, this.trouble.root, this.stage), this.handle);
    fill(root, this.frame);
    this.arrange();
    this.offs = [
      context.player.subscribe((player) => {
        for (const one of this.experiments) {
          one.draw(player.position);
          one.askField();
        }
      }),
      context.palette.subscribe(() => this.experiments.forEach((one) => one.draw(context.player.position))),
    ];
    this.onKey = (/** @type {Event} */ event) => this.key(/** @type {CustomEvent} */ (event).detail);
    addEventListener("unstir-key", this.onKey);
    this.update(context.store.get(), new Set(["first"]));
    const opened = !location.hash.includes("t=") && !context.player.calm.matches;
    if (opened) this.opening = setTimeout(() => context.player.play(), 900);
  }

  /** Makes as many rows as there are physics to see. */
  arrange() {
    const { compare } = this.context.store.get();
    const wanted = compare ? 2 : 1;
    while (this.experiments.length > wanted) this.experiments.pop()?.destroy();
    while (this.experiments.length < wanted) {
      const second = this.experiments.length === 1;
      this.experiments.push(new Experiment(this.context, {
        suffix: second ? "-2" : "",
        process: second ? (state) => state.compare : (state) => state.process,
        onError: (message) => this.trouble.say(message),
      }));
    }
    this.stage.classList.toggle("two", wanted === 2);
    fill(this.stage, ...this.experiments.flatMap(({ panels }) => [panels.forward.root, panels.backward.root]));
  }

  /**
   * @param {State} state
   * @param {Set<string>} changed
   */
  update(state, changed) {
    for (const chooser of this.choosers) chooser.update(state, changed);
    const first = changed.has("first");
    if (changed.has("compare") && this.experiments.length !== (state.compare ? 2 : 1)) this.arrange();
    for (const one of this.experiments) {
      const panels = Object.values(one.panels);
      for (const panel of panels) {
        panel.layers = state.layers;
        panel.title.textContent = this.experiments.length > 1 ? processTitle(one.process(state)) : "";
        panel.describe(`${"images" in state.data ? "images" : "particles"} under ${processTitle(one.process(state))}`);
      }
      const [letter, index] = state.follow.split(":");
      one.panels.forward.follow = letter === "f" ? Number(index) : -1;
      one.panels.backward.follow = letter === "b" ? Number(index) : -1;
    }
    if (first || PATH_KEYS.some((key) => changed.has(key))) {
      this.trouble.say("");
      for (const one of this.experiments) one.ask();
    } else if (changed.has("layers")) {
      for (const one of this.experiments) {
        one.askLines();
        one.askField();
      }
    }
    this.experiments.forEach((one) => one.draw(this.context.player.position));
  }

  drawOwn() {
    clearTimeout(this.opening);
    this.zoom(HALF);
    this.widen(true);
    this.pad.open();
  }

  drawn() {
    this.zoom(0);
    this.widen(false);
  }

  /** @param {boolean} wide whether the figure has all the room there is on a narrow window */
  widen(wide) {
    this.frame.toggleAttribute("data-wide", wide);
    this.handle.setAttribute("aria-expanded", String(!wide));
  }

  /** @param {number} half of the window, 0 for the path's own */
  zoom(half) {
    for (const { panels } of this.experiments) for (const panel of Object.values(panels)) panel.half = half;
    this.experiments.forEach((one) => one.draw(this.context.player.position));
  }

  /** @param {string} key */
  key(key) {
    const { store } = this.context;
    if (key === "w" || key === "W") this.drawOwn();
    if (key === "c" || key === "C") store.set({ compare: store.get().compare ? "" : store.get().process === "edm" ? "poisson:D=1" : "edm" });
    if (key === "Escape") store.set({ follow: "" });
    if (/^[np]$/i.test(key)) this.next(key.toLowerCase() === "n" ? 1 : -1);
  }

  /** @param {number} by to the next particle to follow */
  next(by) {
    const { store } = this.context;
    const [letter = "f", index = "-1"] = store.get().follow ? store.get().follow.split(":") : [];
    const count = this.experiments[0].paths.forward?.count ?? 1;
    store.set({ follow: `${letter || "f"}:${(Number(index) + by + count) % count}` });
  }

  pictures() {
    const { position } = this.context.player;
    this.experiments.forEach((one) => one.draw(position)); // a WebGL canvas can be read only in the turn it was drawn
    return this.experiments.flatMap(({ panels }) => [panels.forward.layersOf(), panels.backward.layersOf()]);
  }

  destroy() {
    clearTimeout(this.opening);
    this.pad.close();
    removeEventListener("unstir-key", this.onKey);
    for (const off of this.offs) off();
    for (const one of this.experiments) one.destroy();
  }
}

register({
  name: "explore",
  title: "Explore",
  mount: (root, context) => {
    const explorer = new Explorer(root, context);
    return {
      update: (state, changed) => explorer.update(state, changed),
      destroy: () => explorer.destroy(),
      pictures: () => explorer.pictures(),
    };
  },
});
