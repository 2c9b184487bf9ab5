/** Train a small network on one's own points, and watch its field come to the exact one. */

import { fill, h } from "../dom.js";
import { DataChooser } from "../explore/data.js";
import { PhysicsChooser } from "../explore/physics.js";
import { processTitle } from "../names.js";
import { slider } from "../slider.js";
import { register } from "../views.js";
import { axes, curve, dots, words } from "./plot.js";
import { Plate } from "./plate.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */

const SLOT = "train";

class Training {
  /** @param {Context} context @param {() => void} onChange */
  constructor(context, onChange) {
    this.context = context;
    this.onChange = onChange;
    /** @type {Frame|null} */
    this.frame = null;
    /** @type {Frame|null} the first answer, of a network that knows nothing */
    this.first = null;
    /** @type {number[]} */
    this.loss = [];
    /** @type {[number, number][]} step and error */
    this.errors = [];
    /** @type {Float32Array} */
    this.items = new Float32Array();
    this.running = false;
    this.stop = () => {};
    const { palette } = context;
    this.plates = {
      samples: new Plate(palette, "Samples of the network over the data", (...given) => this.paintSamples(...given)),
      levels: new Plate(palette, "The field's error at each noise", (...given) => this.paintLevels(...given)),
      errors: new Plate(palette, "The field's error over the steps", (...given) => this.paintErrors(...given)),
      loss: new Plate(palette, "The loss over the steps", (...given) => this.paintLoss(...given)),
    };
    this.root = h("div", { class: "quarters" }, ...Object.values(this.plates).map(({ root }) => root));
  }

  /** @param {Record<string, unknown>} args */
  start(args) {
    this.stop();
    this.first = null;
    this.frame = null;
    this.loss = [];
    this.errors = [];
    this.running = true;
    this.plates.samples.wait(true);
    const cancel = this.context.link.request(SLOT, "train", args, (frame) => {
      this.first ??= frame;
      if (frame.arrays.items) this.items = /** @type {Float32Array} */ (frame.arrays.items.data);
      this.frame = frame;
      this.loss.push(...frame.arrays.loss.data);
      this.errors.push([frame.header.step, frame.header.rms]);
      if (frame.header.done) this.ended();
      this.draw();
      this.onChange();
    }, (message) => {
      this.ended();
      this.context.notice(message, "error");
      this.onChange();
    });
    this.stop = () => {
      cancel();
      this.ended();
      this.onChange();
    };
    this.onChange();
  }

  ended() {
    this.running = false;
    this.plates.samples.wait(false);
  }

  draw() {
    for (const plate of Object.values(this.plates)) plate.redraw();
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintSamples(pen, width, height) {
    const { palette } = this.context;
    const { items } = this;
    let reach = 0.5;
    for (const value of items) reach = Math.max(reach, Math.abs(value));
    const unit = Math.min(width, height) / 2 / (1.25 * reach);
    const dot = (/** @type {ArrayLike<number>} */ points, /** @type {string} */ colour, /** @type {number} */ radius) => {
      pen.fillStyle = colour;
      for (let i = 0; i + 1 < points.length; i += 2) {
        pen.beginPath();
        pen.arc(width / 2 + points[i] * unit, height / 2 - points[i + 1] * unit, radius, 0, 2 * Math.PI);
        pen.fill();
      }
    };
    dot(items, palette.rgba("ink", 0.16), 2);
    if (this.frame) dot(this.frame.arrays.samples.data, palette.rgba("cool", 0.85), 2.6);
    words(pen, "data", 16, 20, { colour: palette.colours.soft });
    if (this.frame) words(pen, "samples of the network", 52, 20, { colour: palette.colours.cool, room: width - 60 });
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintLevels(pen, width, height) {
    const { palette } = this.context;
    const label = { xLabel: "noise over signal", yLabel: "error of the field, in deviations of the data" };
    if (!this.frame || !this.first) {
      axes(pen, width, height, { x: [0.03, 5], y: [0, 0.5], logX: true, ...label }, palette);
      return;
    }
    const { levels, error } = this.frame.arrays;
    const start = this.first.arrays.error;
    const box = axes(pen, width, height, { x: [levels.data[0], levels.data[levels.data.length - 1]], y: [0, Math.max(...start.data, ...error.data) * 1.1],
      logX: true, xTicks: [0.1, 1], ...label }, palette);
    curve(pen, box, levels.data, start.data, { colour: palette.rgba("soft", 0.8), width: 1.2, dash: [4, 4] });
    curve(pen, box, levels.data, error.data, { colour: palette.colours.cool, width: 2.2 });
    dots(pen, box, levels.data, error.data, { colour: palette.colours.cool, radius: 2.6 });
    words(pen, "before training", box.right - 4, box.top + 4, { colour: palette.colours.soft, align: "right" });
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintErrors(pen, width, height) {
    const { palette } = this.context;
    const steps = this.frame?.header.steps ?? 1000;
    const most = Math.max(0.02, ...this.errors.map(([, rms]) => rms)) * 1.12;
    const box = axes(pen, width, height, { x: [0, steps], y: [0, most], xLabel: "steps", yLabel: "error of the field, all noises together" }, palette);
    const [xs, ys] = [this.errors.map(([step]) => step), this.errors.map(([, rms]) => rms)];
    curve(pen, box, xs, ys, { colour: palette.colours.cool, width: 2.2 });
    if (ys.length) {
      const [x, y] = [xs[xs.length - 1], ys[ys.length - 1]];
      dots(pen, box, [x], [y], { colour: palette.colours.cool, radius: 4.5, hollow: palette.colours.plate });
      words(pen, y.toFixed(3), Math.min(box.x(x) + 10, box.right - 40), box.y(y) - 14, { colour: palette.colours.ink, font: "600 13px system-ui, sans-serif" });
      this.plates.errors.say(`After ${x} of ${steps} steps the field is off by ${y.toFixed(3)} deviations of the data`);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintLoss(pen, width, height) {
    const { palette } = this.context;
    const steps = this.frame?.header.steps ?? 1000;
    const calm = smooth(this.loss, Math.max(1, Math.round(steps / 60)));
    const [low, high] = this.loss.length ? [Math.min(...calm) * 0.8, Math.max(...calm.slice(0, 400), ...calm) * 1.25] : [0.1, 1];
    const box = axes(pen, width, height, { x: [0, steps], y: [low, high], logY: true, yTicks: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2].filter((v) => v >= low && v <= high),
      xLabel: "steps", yLabel: "loss" }, palette);
    const xs = this.loss.map((_, i) => i + 1);
    curve(pen, box, xs, this.loss, { colour: palette.rgba("warm", 0.28), width: 1 });
    curve(pen, box, xs, calm, { colour: palette.colours.warm, width: 2 });
  }

  pictures() {
    const { samples, levels, errors, loss } = this.plates;
    return [[samples.canvas], [levels.canvas], [errors.canvas], [loss.canvas]];
  }

  destroy() {
    this.stop();
    for (const plate of Object.values(this.plates)) plate.destroy();
  }
}

/**
 * Means over the last few.
 *
 * @param {number[]} values
 * @param {number} over
 */
function smooth(values, over) {
  let sum = 0;
  return values.map((value, i) => {
    sum += value - (i >= over ? values[i - over] : 0);
    return sum / Math.min(i + 1, over);
  });
}

register({
  name: "train",
  title: "Train",
  player: false,
  fits: (state) => !("images" in state.data) && !document.querySelector('meta[name="unstir-runs"]'),
  mount: (root, context) => {
    const { store } = context;
    const said = h("p", { class: "quiet", role: "status" });
    const go = h("button", { class: "button first", type: "button" });
    const use = h("button", { class: "button", type: "button", hidden: true,
      onclick: () => store.set({ scene: "explore", field: `neural:${SLOT}` }) }, "See it in Explore");
    const training = new Training(context, () => tell());
    const data = new DataChooser(context, () => store.set({ scene: "explore" }));
    const physics = new PhysicsChooser(context);
    const put = (/** @type {string} */ key) => (/** @type {number} */ value) => store.setExtra({ [key]: String(value) });
    const steps = slider({ label: ["steps"], low: 100, high: 10000, log: true, whole: true, value: 2000, onChange: put("train") });
    const width = slider({ label: ["width of the network"], low: 8, high: 256, log: true, whole: true, value: 64, onChange: put("width") });
    const whole = (/** @type {string|undefined} */ text, /** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ usual) => {
      const value = Math.round(Number(text ?? NaN));
      return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : usual;
    };
    const numbers = () => {
      const { extra } = store.get();
      return { steps: whole(extra.train, 100, 10000, 2000), width: whole(extra.width, 8, 256, 64) };
    };
    const tell = () => {
      fill(go, training.running ? "Stop" : training.frame ? "Train anew" : "Train");
      const header = training.frame?.header;
      use.hidden = !header || header.step === 0;
      said.textContent = header
        ? `${processTitle(header.process)}: ${header.step} of ${header.steps} steps, ${header.parameters.toLocaleString("en")} weights.`
        : training.running ? "The exact field is made ready…" : "";
    };
    go.addEventListener("click", () => {
      if (training.running) training.stop();
      else training.start({ data: store.get().data, process: store.get().process, seed: store.get().seed, ...numbers() });
    });
    fill(root, h("div", { class: "explore topic" },
      h("aside", { class: "margin", "aria-label": "Data, physics and network" },
        h("section", { class: "block" }, h("h2", {}, "Train a network, live"),
          h("p", { class: "prose" }, "A small network learns the best guess of the data at every noise. For so few points the exact guess is known, and so you see how far it still is."),
          h("div", { class: "row" }, go, use), said, steps.root, width.root),
        data.root, physics.root),
      h("section", { class: "figure", "aria-label": "Figure" }, training.root)));
    let of = "";
    /** @param {import("../types.js").State} state @param {Set<string>} changed */
    const update = (state, changed) => {
      data.update(state, changed);
      physics.update(state, changed);
      const { steps: count, width: wide } = numbers();
      steps.set(count);
      width.set(wide);
      const now = JSON.stringify([state.data, state.process]);
      if (of && of !== now && training.running) training.stop();
      of = now;
    };
    update(store.get(), new Set(["first"]));
    tell();
    return { update, pictures: () => training.pictures(), destroy: () => training.destroy() };
  },
});
