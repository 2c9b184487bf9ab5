/** Figures that chapters have of their own: assumed images, particles, tails of noise, equations. */

import { h } from "../dom.js";
import { Panel } from "../explore/panel.js";
import { Path } from "../explore/path.js";
import { processTitle } from "../names.js";
import { Figure } from "../topics/figure.js";
import { axes, curve, short, words } from "../topics/plot.js";
import { Plate } from "../topics/plate.js";
import { mosaic } from "./mosaic.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").NumberArray} NumberArray */

/** Real digits on the left, and on the right images of an assumed law. */
export class AssumeFigure extends Figure {
  /** @param {Context} context @param {string} slot @param {() => void} [onAnswer] */
  constructor(context, slot, onAnswer) {
    super(context, slot, "Digits, real and assumed", { onAnswer });
    this.axes = 0;
  }

  /** @param {number} [count] of axes */
  ask(count = this.axes) {
    this.axes = count;
    this.context.link.request(this.slot, "assume", { axes: count, n: 25 }, (frame) => this.take(frame));
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height @param {Frame} frame */
  show(pen, width, height, frame) {
    const { palette } = this.context;
    const { real, images } = frame.arrays;
    const side = Math.min((width - 60) / 2, height - 56);
    for (const [array, left, text] of /** @type {[NumberArray, number, string][]} */ ([
      [real, width / 2 - side - 14, "real digits"],
      [images, width / 2 + 14, this.axes ? `an ellipsoid with ${this.axes} axes` : "each pixel by itself"],
    ])) {
      mosaic(pen, array, left, 38, side);
      words(pen, text, left + side / 2, 22, { colour: palette.colours.soft, align: "center", font: "13px system-ui, sans-serif" });
    }
    this.plate.say(`Real digits, and images of a Gaussian law that knows ${this.axes} axes`);
  }
}

/** Particles or images of one physics in one direction. */
export class PathFigure {
  /**
   * @param {Context} context
   * @param {string} slot
   * @param {{data: import("../types.js").DataSpec, process: string, direction: "forward"|"backward", n: number, lines?: boolean}} args
   */
  constructor(context, slot, { lines = false, ...args }) {
    this.context = context;
    this.slot = slot;
    /** @type {Record<string, unknown>} */
    this.args = { frames: 48, seed: 0, field: "exact", ...args };
    this.lines = lines;
    this.position = 0;
    this.panel = new Panel(args.direction, context, () => {});
    this.panel.describe(processTitle(args.process));
    if (lines) this.panel.layers = ["lines"];
    this.root = this.panel.root;
  }

  /** @param {Record<string, unknown>} [change] */
  ask(change = {}) {
    this.args = { ...this.args, ...change };
    this.panel.wait(true);
    this.context.link.request(this.slot, "path", this.args, (frame) => {
      const path = new Path(frame);
      if (frame.header.done) this.panel.wait(false);
      this.panel.show(path, path);
      this.panel.draw(this.position);
    });
    if (!this.lines) return;
    const { data, process } = this.args;
    this.context.link.request(`${this.slot}-l`, "field", { data, process, time: null, half: 1, arrows: 2, cells: 4, lines: 48 }, (frame) => {
      this.panel.lines = frame;
      this.panel.draw(this.position);
    }, () => {});
  }

  /** @param {number} position */
  draw(position) {
    this.position = position;
    this.panel.draw(position);
  }

  destroy() {
    this.panel.destroy();
  }
}

/** How far noise reaches: the share of particles beyond each distance, beside Gauss's. */
export class TailsFigure extends Figure {
  /** @param {Context} context @param {string} slot @param {() => void} [onAnswer] */
  constructor(context, slot, onAnswer) {
    super(context, slot, "How far the noise reaches", { onAnswer });
    this.process = "poisson:D=1";
  }

  /** @param {string} [process] */
  ask(process = this.process) {
    this.process = process;
    this.context.link.request(this.slot, "tails", { process }, (frame) => this.take(frame));
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height @param {Frame} frame */
  show(pen, width, height, frame) {
    const { palette } = this.context;
    const { r, own, gauss } = frame.arrays;
    const { at, share, normal } = frame.header;
    const box = axes(pen, width, height, { x: [0.4, 300], y: [1e-6, 2], logX: true, logY: true, xTicks: [1, 4, 10, 100],
      yTicks: [1, 1e-2, 1e-4, 1e-6], xLabel: "distance, in widths", yLabel: "share of the particles beyond", grid: true }, palette);
    pen.strokeStyle = palette.rgba("ink", 0.25);
    pen.setLineDash([2, 4]);
    pen.beginPath();
    pen.moveTo(box.x(at), box.bottom);
    pen.lineTo(box.x(at), box.top);
    pen.stroke();
    pen.setLineDash([]);
    curve(pen, box, r.data, gauss.data, { colour: palette.rgba("ink", 0.5), width: 1.4, dash: [4, 4] });
    curve(pen, box, r.data, own.data, { colour: palette.colours.warm, width: 2.2 });
    words(pen, "Gauss", box.x(3.4), box.y(3e-5), { colour: palette.colours.soft, align: "right" });
    this.plate.say(`Beyond four widths: ${short(100 * share)} % of the particles, ${short(100 * normal)} % under Gauss`);
  }
}

/** Two figures side by side. */
export class Together {
  /** @param {(import("./live.js").Drawn)[]} parts @param {string} [kind] */
  constructor(parts, kind = "beside") {
    this.parts = parts;
    this.root = h("div", { class: kind }, ...parts.map(({ root }) => root));
  }

  ask() {
    for (const part of this.parts) part.ask?.();
  }

  /** @param {number} position @param {1|-1} direction */
  draw(position, direction) {
    for (const part of this.parts) part.draw?.(position, direction);
  }

  destroy() {
    for (const part of this.parts) part.destroy();
  }
}

/**
 * An equation with its indices set low.
 *
 * @param {string} text
 */
function typeset(text) {
  return text.replace(/_(t+)/g, (_, index) => "ₜ".repeat(index.length)).replaceAll("k0", "k₀");
}

/** A density under one equation, and how fast its ripples fade. */
export class EquationFigure {
  /** @param {Context} context @param {string} slot @param {() => void} [onAnswer] */
  constructor(context, slot, onAnswer) {
    this.context = context;
    this.slot = slot;
    this.onAnswer = onAnswer;
    this.process = "pde:row=heat";
    /** @type {Frame|null} */
    this.frame = null;
    this.density = new Plate(context.palette, "A density over time", (...given) => this.paintDensity(...given));
    this.fading = new Plate(context.palette, "How fast ripples fade", (...given) => this.paintFading(...given));
    this.root = h("div", { class: "beside" }, this.density.root, this.fading.root);
  }

  /** @param {string} [process] */
  ask(process = this.process) {
    this.process = process;
    this.context.link.request(this.slot, "equation", { process }, (frame) => {
      this.frame = frame;
      this.density.redraw();
      this.fading.redraw();
      this.onAnswer?.();
    });
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintDensity(pen, width, height) {
    if (!this.frame) return;
    const { palette } = this.context;
    const { shade } = this.frame.arrays;
    const [times, cells] = shade.shape;
    const image = new ImageData(times, cells);
    const [plate, warm, cool] = [palette.rgb("plate"), palette.rgb("warm"), palette.rgb("cool")];
    for (let t = 0; t < times; t++) {
      for (let i = 0; i < cells; i++) {
        const value = shade.data[t * cells + i];
        const depth = Math.abs(value) ** 0.7 * 0.95;
        const to = value >= 0 ? warm : cool;
        const at = 4 * ((cells - 1 - i) * times + t);
        for (let c = 0; c < 3; c++) image.data[at + c] = 255 * (plate[c] + (to[c] - plate[c]) * depth);
        image.data[at + 3] = 255;
      }
    }
    const small = new OffscreenCanvas(times, cells);
    /** @type {OffscreenCanvasRenderingContext2D} */ (small.getContext("2d")).putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(small, 14, 32, width - 28, height - 62);
    words(pen, "a density on a line, time to the right", 14, 16, { colour: palette.colours.soft });
    words(pen, typeset(this.frame.header.equation), width / 2, height - 15, { colour: palette.colours.ink, align: "center", font: "15px Georgia, serif" });
    this.density.say(`A density under ${this.frame.header.equation}. ${this.frame.header.reason}`);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintFading(pen, width, height) {
    if (!this.frame) return;
    const { palette } = this.context;
    const { k, gap } = this.frame.arrays;
    const { generates, fails } = this.frame.header;
    const lowest = Math.max(-12, Math.min(-2, ...gap.data));
    const box = axes(pen, width, height, { x: [0, k.data[k.data.length - 1]], y: [lowest, Math.max(0.5, 0.12 * -lowest, ...gap.data)],
      xLabel: "k, ripples to a length", yLabel: "Im ω(k) − Im ω(0): below 0 they fade" }, palette);
    pen.strokeStyle = palette.rgba("ink", 0.4);
    pen.beginPath();
    pen.moveTo(box.left, box.y(0));
    pen.lineTo(box.right, box.y(0));
    pen.stroke();
    curve(pen, box, k.data, gap.data, { colour: palette.colours.warm, width: 2.2 });
    const text = generates ? "generates" : fails === "C1" ? "cannot: negative density" : "cannot: ripples stay";
    words(pen, text, box.left + 10, box.bottom - 18, { colour: palette.colours[generates ? "warm" : "cool"], font: "600 15px system-ui, sans-serif" });
    this.fading.say(text);
  }

  destroy() {
    this.density.destroy();
    this.fading.destroy();
  }
}
