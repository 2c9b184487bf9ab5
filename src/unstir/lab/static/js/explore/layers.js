/** What is drawn over the particles, how many there are, and whose field leads back. */

import { choice, several } from "../chips.js";
import { h } from "../dom.js";
import { groupOf, parseProcess } from "../names.js";
import { latest } from "../networks.js";
import { slider } from "../slider.js";
import { views } from "../views.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").State} State */

const LAYERS = [
  { value: "arrows", text: "Arrows", title: "Where the flow goes (1)" },
  { value: "lines", text: "Flow lines", title: "Lines of the exact flow (2)" },
  { value: "density", text: "Density", title: "How likely each place is (3)" },
  { value: "potential", text: "Potential", title: "Height in the charges' field" },
  { value: "items", text: "The data", title: "The points themselves (4)" },
];
const FIELDS = [
  { value: "exact", text: "Exact", title: "The field of the data themselves" },
  { value: "local", text: "Local", title: "The field of patches: new images without training" },
  { value: "neural", text: "Neural", title: "The field of a network that was trained here" },
];

export class LayerChooser {
  /** @param {Context} context */
  constructor({ store, catalog }) {
    this.layers = several("Layers", LAYERS, (layers) => store.set({ layers }));
    this.store = store;
    this.fields = choice("Field", FIELDS, (field) => this.pick(field), "segments");
    this.fieldRow = h("div", { class: "line" }, h("span", { class: "quiet" }, "Field"), this.fields.root);
    const most = catalog.limits.particles ?? 5000;
    this.count = slider({ label: ["Particles"], low: 1, high: most, value: store.get().n, log: true, whole: true,
      show: (n) => n.toLocaleString("en"), onChange: (n) => store.set({ n }) });
    this.root = h("section", { class: "block" }, h("h2", { class: "eyebrow" }, "See"), this.layers.root, this.fieldRow, this.count.root);
  }

  /** @param {string} field */
  pick(field) {
    const slot = latest();
    if (field !== "neural") this.store.set({ field });
    else if (slot) this.store.set({ field: `neural:${slot}` });
    else this.store.set({ scene: "train" }); // there one can be made
  }

  /**
   * @param {State} state
   * @param {Set<string>} _changed
   */
  update(state, _changed) {
    const images = "images" in state.data;
    this.layers.set(state.layers);
    this.layers.root.hidden = images;
    const charged = groupOf(parseProcess(state.process).name) === "Charges";
    for (const chip of /** @type {NodeListOf<HTMLElement>} */ (this.layers.root.querySelectorAll("[data-value=potential]"))) {
      chip.hidden = !charged && !state.layers.includes("potential");
    }
    this.count.root.hidden = images;
    const field = state.field.split(":")[0];
    for (const chip of /** @type {NodeListOf<HTMLElement>} */ (this.fields.root.querySelectorAll("button"))) {
      const { value } = chip.dataset;
      chip.hidden = value !== field && ((value === "local" && !images) || (value === "neural" && (images || !canTrain())));
    }
    this.fields.set(field);
  }
}

/** @returns {boolean} whether the page has a place where networks are trained */
function canTrain() {
  return views().some(({ name }) => name === "train");
}
