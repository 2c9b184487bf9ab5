/** A plate: a canvas that fills its box, and is painted anew when its size or the page's colours change. */

import { brush, h } from "../dom.js";

/** @typedef {import("../palette.js").Palette} Palette */
/** @typedef {(pen: CanvasRenderingContext2D, width: number, height: number) => void} Paint */

export class Plate {
  /**
   * @param {Palette} palette
   * @param {string} label for those who do not see it
   * @param {Paint} paint
   * @param {string} [kind] classes beside "plate"
   */
  constructor(palette, label, paint, kind = "") {
    this.paint = paint;
    this.width = 0;
    this.height = 0;
    this.canvas = h("canvas", { class: "fill" });
    this.root = h("div", { class: `plate still ${kind}`, role: "img", "aria-label": label }, this.canvas);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
    this.off = palette.subscribe(() => this.redraw());
  }

  resize() {
    const { width, height } = this.root.getBoundingClientRect();
    if (width === this.width && height === this.height) return;
    [this.width, this.height] = [width, height];
    this.redraw();
  }

  redraw() {
    if (!this.width || !this.height) return;
    this.paint(brush(this.canvas, this.width, this.height), this.width, this.height);
  }

  /** @param {string} label for those who do not see it */
  say(label) {
    if (this.root.getAttribute("aria-label") !== label) this.root.setAttribute("aria-label", label);
  }

  /** @param {boolean} busy whether an answer is waited for */
  wait(busy) {
    this.root.toggleAttribute("data-busy", busy);
  }

  destroy() {
    this.observer.disconnect();
    this.off();
  }
}

/**
 * Where a share of the way lies among so many moments.
 *
 * @param {number} position 0…1
 * @param {number} count
 * @returns {{frame: number, next: number, share: number}}
 */
export function among(position, count) {
  const place = Math.min(1, Math.max(0, position)) * (count - 1);
  const frame = Math.min(count - 1, Math.floor(place + 1e-9));
  return { frame, next: Math.min(frame + 1, count - 1), share: Math.max(0, place - frame) };
}

/**
 * Row `index` of an array of an answer.
 *
 * @param {import("../types.js").NumberArray} array
 * @param {number} index
 */
export function row({ data, shape }, index) {
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  return data.subarray(index * size, (index + 1) * size);
}

/**
 * A mean of two rows.
 *
 * @param {import("../types.js").NumberArray} array
 * @param {{frame: number, next: number, share: number}} at
 * @returns {Float32Array}
 */
export function blended(array, { frame, next, share }) {
  const [a, b] = [row(array, frame), row(array, next)];
  return Float32Array.from(a, (value, i) => value * (1 - share) + b[i] * share);
}
