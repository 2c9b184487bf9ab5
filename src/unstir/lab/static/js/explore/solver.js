/** How the way back is walked: which solver, in how many steps. */

import { fill, h } from "../dom.js";
import { parseProcess } from "../names.js";
import { slider } from "../slider.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").State} State */

const MOST = 100;
const USUAL = 40;

export class SolverChooser {
  /** @param {Context} context */
  constructor({ store, catalog }) {
    this.catalog = catalog;
    this.select = h("select", { class: "select", "aria-label": "Solver",
      onchange: () => store.set({ solver: this.select.value, steps: this.select.value ? store.get().steps || USUAL : 0 }) });
    this.steps = slider({ label: ["Steps"], low: 1, high: MOST, value: USUAL, log: true, whole: true,
      onChange: (steps) => store.set({ steps }) });
    this.root = h("details", { class: "solver" }, h("summary", { class: "quiet" }, "The way back"),
      h("div", { class: "parameters" }, this.select, this.steps.root));
    this.name = "";
  }

  /** @param {State} state */
  show(state) {
    const { name } = parseProcess(state.process);
    const solvers = this.catalog.processes.find((one) => one.name === name)?.solvers ?? [];
    this.root.hidden = !solvers.length;
    if (name !== this.name) {
      fill(this.select, h("option", { value: "" }, "A step a frame"),
        ...solvers.map((solver) => h("option", { value: solver }, solver.replaceAll("_", " "))));
    }
    this.name = name;
    this.select.value = state.solver;
    this.steps.root.hidden = !state.solver;
    this.steps.set(state.steps || USUAL);
    if (state.solver) this.root.open = true;
  }
}
