/** The entropy of a physics on data: it rises forward and falls backward, along one curve. */

import { fill, h } from "../dom.js";
import { DataChooser } from "../explore/data.js";
import { PhysicsChooser } from "../explore/physics.js";
import { processTitle } from "../names.js";
import { setTrack } from "../timeline.js";
import { Trouble } from "../trouble.js";
import { register } from "../views.js";
import { MovedFigure, following } from "./figure.js";
import { axes, curve, dots, words } from "./plot.js";
import { among } from "./plate.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {{data: import("../types.js").DataSpec, process: string, seed: number}} Options */

/** @extends {MovedFigure<Options>} */
export class EntropyFigure extends MovedFigure {
  /**
   * @param {Context} context
   * @param {string} slot
   * @param {import("./figure.js").Hooks} [hooks]
   */
  constructor(context, slot, hooks) {
    super(context, slot, "entropy", "The entropy over time", hooks);
  }

  /** @param {string} message */
  fail(message) {
    this.frame = null;
    this.plate.redraw();
    super.fail(message);
  }

  /** Bits at a position by the exact curve, else by the forward draws. @param {number} position */
  bitsAt(position) {
    if (!this.frame) return NaN;
    const { exact, forward } = this.frame.arrays;
    const values = (exact ?? forward).data;
    const { frame, next, share } = among(position, values.length);
    return values[frame] * (1 - share) + values[next] * share;
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height @param {Frame} frame */
  show(pen, width, height, frame) {
    const { palette } = this.context;
    const { exact, error, forward, backward } = frame.arrays;
    const count = forward.data.length;
    const place = (/** @type {number} */ n) => Array.from({ length: n }, (_, i) => i / (n - 1));
    const all = [...forward.data, ...backward.data, ...(exact?.data ?? [])].filter(Number.isFinite);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const room = 0.06 * (high - low) + 0.2;
    const box = axes(pen, width, height, { x: [0, 1], y: [low - room, high + room], xTicks: [0, 1],
      xText: (v) => (v ? "prior" : "data"), xLabel: "time on the physics' own clock", yLabel: "entropy, bits" }, palette);
    if (exact) {
      const xs = place(exact.data.length);
      pen.beginPath();
      xs.forEach((x, i) => pen.lineTo(box.x(x), box.y(exact.data[i] + 2 * error.data[i])));
      [...xs].reverse().forEach((x, i) => {
        const k = xs.length - 1 - i;
        pen.lineTo(box.x(x), box.y(exact.data[k] - 2 * error.data[k]));
      });
      pen.fillStyle = palette.rgba("ink", 0.09);
      pen.fill();
      curve(pen, box, xs, exact.data, { colour: palette.rgba("ink", 0.75), width: 1.5 });
    }
    const past = (/** @type {ArrayLike<number>} */ values, /** @type {boolean} */ rising) => Array.from(values, (value, i) => {
      const at = i / (values.length - 1);
      return (rising ? at <= this.position + 1e-6 : at >= this.position - 1e-6) ? value : NaN;
    });
    const rising = this.direction > 0;
    const faint = { forward: palette.rgba("warm", 0.28), backward: palette.rgba("cool", 0.28) };
    dots(pen, box, place(count), forward.data, { colour: faint.forward, radius: 2.6 });
    dots(pen, box, place(backward.data.length), backward.data, { colour: faint.backward, radius: 2.6 });
    if (rising) dots(pen, box, place(count), past(forward.data, true), { colour: palette.colours.warm, radius: 4 });
    else dots(pen, box, place(backward.data.length), past(backward.data, false), { colour: palette.colours.cool, radius: 4 });
    const now = this.bitsAt(this.position);
    const [x, y] = [box.x(this.position), box.y(now)];
    pen.strokeStyle = palette.rgba("ink", 0.3);
    pen.setLineDash([2, 4]);
    pen.beginPath();
    pen.moveTo(x, box.bottom);
    pen.lineTo(x, y);
    pen.stroke();
    pen.setLineDash([]);
    dots(pen, box, [this.position], [now], { colour: palette.colours[rising ? "warm" : "cool"], radius: 6, hollow: palette.colours.plate });
    const right = this.position < 0.8;
    words(pen, `${now.toFixed(2).replace("-", "−")} bits`, x + (right ? 12 : -12), y + (right ? 16 : -14), { colour: palette.colours.ink, align: right ? "left" : "right", font: "600 14px system-ui, sans-serif" });
    this.plate.say(`Entropy of ${processTitle(this.options?.process ?? "")}: from ${low.toFixed(1)} bits at the data to ${high.toFixed(1)} at the prior; here ${now.toFixed(1)}`);
  }
}

register({
  name: "entropy",
  title: "Entropy",
  player: true,
  fits: (state) => !("images" in state.data),
  mount: (root, context) => {
    const { store, player } = context;
    const trouble = new Trouble();
    const figure = new EntropyFigure(context, "entropy", { onError: (message) => {
      trouble.say(message);
      setTrack([], (position) => (Number.isFinite(figure.bitsAt(position)) ? `${figure.bitsAt(position).toFixed(1)} bits` : `${Math.round(100 * position)} %`));
    } });
    const data = new DataChooser(context, () => store.set({ scene: "explore" }));
    const physics = new PhysicsChooser(context);
    fill(root, h("div", { class: "explore topic" },
      h("aside", { class: "margin", "aria-label": "Data and physics" },
        h("section", { class: "block" }, h("h2", {}, "The second law, both ways"),
          h("p", { class: "prose" }, "Forward, entropy rises. Backward, the field undoes what time has done, and entropy falls along the very same curve. Nothing is broken: the field knows the data, and pays for each bit with what it knows.")),
        data.root, physics.root,
        h("p", { class: "quiet" }, "Line: −E log₂ p of the exact mixture, with two standard errors. Dots: from particles alone, by the distances to their neighbours, which see nothing finer than particles lie apart.")),
      h("section", { class: "figure", "aria-label": "Figure" }, trouble.root, figure.root)));
    /** @param {import("../types.js").State} state @param {Set<string>} changed */
    const update = (state, changed) => {
      data.update(state, changed);
      physics.update(state, changed);
      figure.set({ data: state.data, process: state.process, seed: state.seed });
    };
    update(store.get(), new Set(["first"]));
    return following(player, [figure], update);
  },
});
