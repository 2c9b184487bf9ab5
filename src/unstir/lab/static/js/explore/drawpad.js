/** Drawing points with mouse, finger, pen or keys, over the forward plate, while the other shows what they do. */

import { rounded } from "../address.js";
import { brush, h } from "../dom.js";
import { icon } from "../icons.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("./panel.js").Panel} Panel */

/** Half of the pad's window, model units. */
export const HALF = 2.1;
const GAP = 0.05; // between points of a stroke
const TOLD = 150; // milliseconds between tellings while a stroke is drawn
const MOST = 2000;
const STEP = 0.1; // of the keys' cross

export class DrawPad {
  /**
   * @param {Context} context
   * @param {() => Panel} panel to draw over
   * @param {() => void} onClose
   */
  constructor(context, panel, onClose) {
    this.context = context;
    this.panel = panel;
    this.onClose = onClose;
    /** @type {number[][][]} */
    this.strokes = [];
    this.cross = [0, 0];
    this.keyed = false;
    this.timer = 0;
    this.canvas = h("canvas", { class: "layer pad-canvas", tabindex: "0", role: "application",
      "aria-label": "Drawing pad. Arrow keys move the cross, Enter sets a point." });
    this.hint = h("p", { class: "pad-hint prose" }, "Draw with mouse, finger or pen. One point is enough: an electron.");
    this.root = h("div", { class: "pad" }, this.canvas, this.hint, h("div", { class: "pad-tools" },
      h("button", { class: "button icon", type: "button", "aria-label": "Undo", onclick: () => this.undo() }, icon("undo")),
      h("button", { class: "button", type: "button", onclick: () => this.clear() }, "Clear"),
      h("button", { class: "button first", type: "button", onclick: () => this.close() }, "Done")));
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("click", (event) => event.stopPropagation());
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
    this.observer = new ResizeObserver(() => this.draw());
  }

  open() {
    const { store, player } = this.context;
    if (this.root.isConnected) return;
    const { data } = store.get();
    this.strokes = "points" in data ? [data.points] : [];
    player.seek(0);
    this.panel().stage.append(this.root);
    this.observer.observe(this.root);
    this.canvas.focus({ preventScroll: true });
    this.draw();
  }

  close() {
    if (!this.root.isConnected) return;
    this.observer.disconnect();
    this.root.remove();
    this.onClose();
    if (this.strokes.length) this.context.player.play();
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button !== 0) return;
    this.keyed = false;
    this.canvas.setPointerCapture(event.pointerId);
    this.strokes.push([]);
    this.add(...this.placeOf(event));
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (!(event.buttons & 1) || !this.canvas.hasPointerCapture(event.pointerId)) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const stroke = this.strokes[this.strokes.length - 1];
      const [x, y] = this.placeOf(one);
      const [px, py] = stroke[stroke.length - 1] ?? [x, y];
      const far = Math.hypot(x - px, y - py);
      for (let k = 1; k * GAP <= far; k++) this.add(px + ((x - px) * k * GAP) / far, py + ((y - py) * k * GAP) / far);
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (by) {
      this.cross = this.cross.map((x, i) => Math.min(2, Math.max(-2, x + by[i] * STEP)));
    } else if (event.key === "Enter" || event.key === " ") {
      this.strokes.push([]);
      this.add(this.cross[0], this.cross[1]);
    } else if (event.key === "Backspace") {
      this.undo();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.keyed = true;
    this.draw();
  }

  /**
   * @param {PointerEvent} event
   * @returns {[number, number]}
   */
  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const unit = Math.min(box.width, box.height) / 2 / HALF;
    return [(event.clientX - box.left - box.width / 2) / unit, (box.top + box.height / 2 - event.clientY) / unit];
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  add(x, y) {
    if (Math.abs(x) > 2 || Math.abs(y) > 2 || this.points().length >= MOST) return;
    this.strokes[this.strokes.length - 1].push([x, y]);
    this.draw();
    this.timer ||= setTimeout(() => this.tell(), TOLD);
  }

  undo() {
    while (this.strokes.length && !this.strokes[this.strokes.length - 1].length) this.strokes.pop();
    this.strokes.pop();
    this.draw();
    this.tell();
  }

  clear() {
    this.strokes = [];
    this.draw();
    this.canvas.focus();
  }

  points() {
    return this.strokes.flat();
  }

  /** Hands the points on. */
  tell() {
    clearTimeout(this.timer);
    this.timer = 0;
    const points = rounded(this.points());
    if (points.length) this.context.store.set({ data: { points }, follow: "" });
  }

  draw() {
    const { width, height } = this.root.getBoundingClientRect();
    if (!width) return;
    const { palette } = this.context;
    const pen = brush(this.canvas, width, height);
    const unit = Math.min(width, height) / 2 / HALF;
    const points = this.points();
    const radius = points.length > 200 ? 2 : points.length > 20 ? 2.8 : 4.5;
    pen.fillStyle = palette.colours.warm;
    pen.beginPath();
    for (const [x, y] of points) {
      const [px, py] = [width / 2 + x * unit, height / 2 - y * unit];
      pen.moveTo(px + radius, py);
      pen.arc(px, py, radius, 0, 7);
    }
    pen.fill();
    if (this.keyed) {
      const [px, py] = [width / 2 + this.cross[0] * unit, height / 2 - this.cross[1] * unit];
      pen.strokeStyle = palette.colours.ink;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(px - 10, py);
      pen.lineTo(px + 10, py);
      pen.moveTo(px, py - 10);
      pen.lineTo(px, py + 10);
      pen.stroke();
    }
    this.hint.hidden = points.length > 0;
  }
}
