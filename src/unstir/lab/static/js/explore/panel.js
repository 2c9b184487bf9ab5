/** One plate of the figure: particles or images of one physics in one direction, with what lies over them. */

import { brush, h } from "../dom.js";
import { number } from "../names.js";
import { drawArrows, drawDensity, drawItems, drawLines, drawPotential, drawTrail } from "./fieldlayer.js";
import { drawMosaic } from "./mosaic.js";
import { FlatParticles } from "./flat.js";
import { Particles } from "./particles.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("./path.js").Path} Path */

const WORDS = {
  forward: { title: "Forward", way: "data → prior", colour: "warm", sign: /** @type {const} */ (1) },
  backward: { title: "Backward", way: "prior → data", colour: "cool", sign: /** @type {const} */ (-1) },
};

export class Panel {
  /**
   * @param {"forward"|"backward"} direction
   * @param {Context} context
   * @param {(index: number) => void} onPick
   */
  constructor(direction, context, onPick) {
    this.direction = direction;
    this.context = context;
    this.words = WORDS[direction];
    this.under = h("canvas", { class: "layer", "aria-hidden": "true" });
    this.middle = h("canvas", { class: "layer", role: "img" });
    this.over = h("canvas", { class: "layer", "aria-hidden": "true" });
    this.describe("particles");
    this.time = h("span", { class: "time" });
    this.title = h("span", { class: "of" });
    this.stage = h("div", { class: "plate" }, this.under, this.middle, this.over);
    this.root = h("figure", { class: `panel ${direction}` },
      h("figcaption", {}, h("strong", {}, this.words.title), h("span", { class: "way" }, this.words.way), this.title, this.time),
      this.stage);
    /** @type {Path|null} */
    this.path = null;
    /** @type {Path|null} whose clock and window are the figure's */
    this.master = null;
    /** @type {Frame|null} */
    this.field = null;
    /** @type {Frame|null} */
    this.lines = null;
    this.follow = -1;
    /** @type {string[]} */
    this.layers = [];
    this.width = 0;
    this.height = 0;
    this.position = 0;
    /** Half of the window while points are drawn, 0 for the path's own. */
    this.half = 0;
    this.said = "";
    this.drawnUnder = false;
    this.drawnOver = false;
    this.particles = particlesOn(this.middle);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
    this.stage.addEventListener("click", (event) => this.pick(event, onPick));
  }

  /** @param {string} what is seen, for readers of the screen */
  describe(what) {
    this.middle.setAttribute("aria-label", `${this.words.title}, ${this.words.way}: ${what}`);
  }

  resize() {
    const { width, height } = this.stage.getBoundingClientRect();
    if (!width || (width === this.width && height === this.height)) return;
    [this.width, this.height] = [width, height];
    this.draw(this.position);
  }

  /**
   * @param {Path} path
   * @param {Path} master
   */
  show(path, master) {
    const hadImages = this.path?.images;
    [this.path, this.master] = [path, master];
    if (!path.images) this.particles.load(path.states, path.count, path.frames, hues(path));
    else if (!hadImages) this.particles.load(new Float32Array(2), 0, 1, new Float32Array(1));
    this.root.dataset.ready = "";
    this.draw(this.position);
    const mark = `shown-${this.direction}`; // for whoever measures: benchmarks/lab_page.py
    performance.clearMarks(mark);
    performance.mark(mark);
  }

  /** @param {Path} master whose clock and window are the figure's from now on */
  keepTime(master) {
    this.master = master;
    this.draw(this.position);
  }

  /** @param {boolean} busy whether an answer is waited for */
  wait(busy) {
    this.root.toggleAttribute("data-busy", busy);
  }

  /** @param {number} position */
  draw(position) {
    this.position = position;
    const { path, master } = this;
    if (!path || !master || !this.width) return;
    const said = `t = ${number(master.timeAt(position))}`;
    if (said !== this.said) {
      this.said = said;
      this.time.textContent = said;
    }
    if (path.images) this.drawImages(path, position);
    else this.drawPoints(path, master, position);
  }

  /**
   * @param {Path} path
   * @param {number} position
   */
  drawImages(path, position) {
    const { width, height } = this;
    drawMosaic(brush(this.under, width, height), path, position, width, height, this.context.palette.rgb(this.words.colour));
    this.drawnUnder = true;
    if (this.drawnOver) brush(this.over, width, height);
    this.drawnOver = false;
    this.drawParticles(path, path, position);
  }

  /**
   * @param {Path} path
   * @param {Path} master
   * @param {number} position
   */
  drawPoints(path, master, position) {
    this.drawParticles(path, master, position);
    const { width, height, layers, words, context: { palette } } = this;
    const window = { width, height, half: this.half || master.halfAt(position) };
    const under = this.field && (layers.includes("density") || layers.includes("potential"));
    if (under || this.drawnUnder) {
      const pen = brush(this.under, width, height);
      const [colour, most] = [palette.rgb(words.colour), palette.dark ? 0.5 : 0.42];
      if (this.field && layers.includes("density")) drawDensity(pen, window, this.field, colour, most);
      if (this.field && layers.includes("potential")) drawPotential(pen, window, this.field, colour, most);
    }
    this.drawnUnder = Boolean(under);
    const over = (layers.includes("arrows") && this.field) || (layers.includes("lines") && this.lines) ||
      (layers.includes("items") && path.items) || this.follow >= 0;
    if (over || this.drawnOver) {
      const pen = brush(this.over, width, height);
      if (layers.includes("lines") && this.lines) drawLines(pen, window, this.lines, palette.rgba("ink", 0.32));
      if (layers.includes("items") && path.items) drawItems(pen, window, path.items, palette.rgba("ink", 0.55));
      if (layers.includes("arrows") && this.field) drawArrows(pen, window, this.field, palette.rgba("ink", 0.6), words.sign);
      if (this.follow >= 0 && this.follow < path.count) {
        drawTrail(pen, window, path, this.follow, position, words.sign, palette.colours.ink, palette.colours.plate);
      }
    }
    this.drawnOver = Boolean(over);
  }

  /**
   * @param {Path} path
   * @param {Path} master
   * @param {number} position
   */
  drawParticles(path, master, position) {
    const { palette } = this.context;
    const { frame, share } = path.locate(position);
    const next = Math.min(frame + 1, path.frames - 1);
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const coarse = path.header.done === false;
    const few = coarse ? 1.5 : Math.max(1, Math.min(3.2, Math.sqrt(1400 / Math.max(1, path.count))));
    const room = Math.max(0.8, Math.min(3, Math.min(this.width, this.height) / 480));
    const size = 3.6 * few * room * ratio;
    const { colour } = this.words;
    /** @type {[number, number]} */
    const half = path.images ? [1, 1] : [this.half || master.halfAt(path.positions[frame]), this.half || master.halfAt(path.positions[next])];
    this.particles.draw({ frame, share, half, size, glow: palette.dark, alpha: palette.dark ? 0.5 : 0.62,
      first: palette.rgb(colour), second: palette.rgb(`${colour}-2`),
      width: Math.round(this.width * ratio), height: Math.round(this.height * ratio) });
  }

  /**
   * Finds the particle under the pointer.
   *
   * @param {MouseEvent} event
   * @param {(index: number) => void} onPick
   */
  pick(event, onPick) {
    const { path, master } = this;
    if (!path || !master || path.images) return;
    const box = this.stage.getBoundingClientRect();
    const unit = Math.min(box.width, box.height) / 2;
    const x = (event.clientX - box.left - box.width / 2) / unit;
    const y = (box.height / 2 - (event.clientY - box.top)) / unit;
    const { frame, share } = path.locate(this.position);
    const next = Math.min(frame + 1, path.frames - 1);
    const [here, there] = [master.halfAt(path.positions[frame]), master.halfAt(path.positions[next])];
    let [best, least] = [-1, (24 / unit) ** 2];
    for (let i = 0; i < path.count; i++) {
      const [a, b] = [path.at(i, frame), path.at(i, next)];
      const dx = (a[0] / here) * (1 - share) + (b[0] / there) * share - x;
      const dy = (a[1] / here) * (1 - share) + (b[1] / there) * share - y;
      if (dx * dx + dy * dy < least) [best, least] = [i, dx * dx + dy * dy];
    }
    onPick(best);
  }

  /** @returns {HTMLCanvasElement[]} from below */
  layersOf() {
    return [this.under, this.middle, this.over];
  }

  destroy() {
    this.observer.disconnect();
    this.particles.destroy();
  }
}

/**
 * A tone for each particle, by the side of the data that it belongs to: mixing is seen as mixing.
 *
 * @param {Path} path
 * @returns {Float32Array}
 */
function hues(path) {
  const tones = new Float32Array(path.count);
  let reach = 1e-9;
  for (let i = 0; i < path.count; i++) reach = Math.max(reach, Math.hypot(...path.at(i, 0)));
  for (let i = 0; i < path.count; i++) {
    const [x, y] = path.at(i, 0);
    tones[i] = Math.min(1, Math.max(0, 0.5 + (0.6 * (x + y)) / reach));
  }
  return tones;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Particles|FlatParticles}
 */
function particlesOn(canvas) {
  try {
    return new Particles(canvas);
  } catch {
    return new FlatParticles(canvas);
  }
}
