/** A rod: pour heat on it, see it come to one temperature and its cosine modes fade, and reckon it back. */

import { choice, several } from "../chips.js";
import { fill, h } from "../dom.js";
import { slider } from "../slider.js";
import { setTrack } from "../timeline.js";
import { register } from "../views.js";
import { following } from "./figure.js";
import { axes, short } from "./plot.js";
import { Plate, among, blended, row } from "./plate.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {{profile: number[]|string, error: number, back: boolean}} Options */

const PLACES = 64;
const TOP = 1.5; // of the temperatures drawn
const SHOWN = 16; // modes

/** Profiles that the library knows by name. @type {Record<string, string>} */
const POURED = { pieces: "Pieces", end: "Hot end", spot: "One spot", wave: "Mode 3", comb: "Mode 12" };

export class RodFigure {
  /**
   * @param {Context} context
   * @param {string} slot
   * @param {{onDraw?: (profile: number[]) => void, onAnswer?: () => void, modes?: boolean}} [hooks]
   */
  constructor(context, slot, { onDraw, onAnswer, modes = true } = {}) {
    this.context = context;
    this.onAnswer = onAnswer;
    this.slot = slot;
    this.position = 0;
    /** Where keys pour heat. */
    this.flame = PLACES / 2;
    /** @type {Options} */
    this.options = { profile: "pieces", error: 0.01, back: false };
    /** @type {Frame|null} */
    this.frame = null;
    this.plate = new Plate(context.palette, "The temperature along the rod", (...given) => this.paintRod(...given), "rod");
    this.modes = new Plate(context.palette, "What is left of each cosine mode", (...given) => this.paintModes(...given));
    this.root = h("div", { class: modes ? "pair" : "pair one" }, this.plate.root, modes && this.modes.root);
    if (onDraw) this.pour(onDraw);
  }

  /** @param {Partial<Options>} options */
  set(options) {
    const before = JSON.stringify([this.options.profile, this.options.error]);
    this.options = { ...this.options, ...options };
    if (before !== JSON.stringify([this.options.profile, this.options.error]) || !this.frame) this.reckon();
    else this.draw(this.position);
  }

  reckon() {
    const { profile, error } = this.options;
    this.context.link.request(this.slot, "rod", { profile, error }, (frame) => {
      this.frame = frame;
      this.draw(this.position);
      this.onAnswer?.();
    });
  }

  /** The rod as it was at first. @returns {number[]} */
  get profile() {
    const { profile } = this.options;
    if (typeof profile !== "string") return profile;
    return this.frame ? Array.from(row(this.frame.arrays.temperature, 0)) : new Array(PLACES).fill(0);
  }

  /** How far the past is missed that is reckoned back from a position. @param {number} position */
  lostAt(position) {
    if (!this.frame) return 0;
    const { lost } = this.frame.arrays;
    const { frame, next, share } = among(position, lost.data.length);
    return lost.data[share > 0.5 ? next : frame];
  }

  /** The time at a position, in length² over diffusivity. @param {number} position */
  timeAt(position) {
    if (!this.frame) return 0;
    return blended(this.frame.arrays.time, among(position, this.frame.arrays.time.shape[0]))[0];
  }

  /** @param {number} position */
  draw(position) {
    this.position = position;
    this.plate.redraw();
    this.modes.redraw();
  }

  /** The width of the blur at a position, as a share of the length. @param {number} position */
  widthAt(position) {
    if (!this.frame) return 0;
    return blended(this.frame.arrays.width, among(position, this.frame.arrays.width.shape[0]))[0];
  }

  /** What is left of a mode at a position, 0…1. @param {number} mode @param {number} position */
  leftOf(mode, position) {
    if (!this.frame) return 1;
    return blended(this.frame.arrays.left, among(position, this.frame.arrays.left.shape[0]))[mode];
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintRod(pen, width, height) {
    const { palette } = this.context;
    const { back } = this.options;
    const profile = this.profile;
    const [left, right, top, bottom] = [18, width - 18, 20, height - 62];
    const x = (/** @type {number} */ i) => left + ((i + 0.5) / PLACES) * (right - left);
    const y = (/** @type {number} */ u) => bottom - ((u + TOP) / (2 * TOP)) * (bottom - top);
    const at = among(this.position, this.frame?.arrays.temperature.shape[0] ?? 1);
    const now = this.frame ? blended(this.frame.arrays.temperature, at) : Float32Array.from(profile);
    const mean = profile.reduce((a, b) => a + b, 0) / PLACES;
    const line = (/** @type {ArrayLike<number>} */ values, /** @type {string} */ colour, /** @type {number} */ thick, /** @type {number[]} */ dash = []) => {
      pen.save();
      pen.beginPath();
      pen.rect(left, top - 10, right - left, bottom - top + 20);
      pen.clip();
      pen.beginPath();
      for (let i = 0; i < values.length; i++) pen.lineTo(x(i), y(Math.max(-9, Math.min(9, values[i]))));
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.lineJoin = "round";
      pen.setLineDash(dash);
      pen.stroke();
      pen.restore();
    };
    pen.strokeStyle = palette.colours.line;
    pen.setLineDash([2, 4]);
    pen.beginPath();
    pen.moveTo(left, y(mean));
    pen.lineTo(right, y(mean));
    pen.stroke();
    pen.setLineDash([]);
    line(profile, palette.rgba("soft", 0.7), 1.2, [4, 4]);
    if (back && this.frame) line(row(this.frame.arrays.back, at.share > 0.5 ? at.next : at.frame), palette.colours.cool, 1.4);
    line(now, palette.colours.warm, 2.4);
    for (let i = 0; i < now.length; i++) {
      pen.fillStyle = heat(palette, now[i]);
      pen.fillRect(Math.floor(left + (i / PLACES) * (right - left)), height - 46, Math.ceil((right - left) / PLACES) + 1, 26);
    }
    pen.strokeStyle = palette.rgba("ink", 0.35);
    pen.lineWidth = 1;
    pen.strokeRect(left - 0.5, height - 46.5, right - left + 1, 27);
    if (document.activeElement === this.plate.root) {
      const at = x(this.flame);
      pen.fillStyle = palette.colours.ink;
      pen.beginPath();
      pen.moveTo(at, height - 50);
      pen.lineTo(at - 6, height - 60);
      pen.lineTo(at + 6, height - 60);
      pen.fill();
    }
    const spread = Math.sqrt(now.reduce((a, b) => a + (b - mean) ** 2, 0) / now.length);
    this.plate.say(`The temperature along the rod: it differs from its mean by ${short(spread)}`);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintModes(pen, width, height) {
    const { palette } = this.context;
    if (!this.frame) return;
    const { left, modes } = this.frame.arrays;
    const now = blended(left, among(this.position, left.shape[0]));
    const first = Array.from(modes.data.subarray(0, SHOWN + 1), Math.abs);
    const most = Math.max(...first.slice(1), 1e-6) * 1.08;
    const box = axes(pen, width, height, { x: [0.3, SHOWN + 0.7], y: [0, most], yTicks: [], grid: false, xLabel: "mode",
      yLabel: "how much there is of each cosine mode", xTicks: [1, 4, 8, 12, 16] }, palette);
    const thick = Math.max(3, ((box.right - box.left) / SHOWN) * 0.56);
    for (let k = 1; k <= SHOWN; k++) {
      const at = box.x(k) - thick / 2;
      pen.fillStyle = palette.rgba("ink", 0.1);
      pen.fillRect(at, box.y(first[k]), thick, box.bottom - box.y(first[k]));
      pen.fillStyle = palette.colours.warm;
      const tall = box.bottom - box.y(first[k] * now[k]);
      pen.fillRect(at, box.bottom - tall, thick, tall);
    }
    this.modes.say(`Of the first modes there is left: ${[1, 2, 4, 8].map((k) => `mode ${k} ${Math.round(100 * now[k])} %`).join(", ")}`);
  }

  /** Heat follows the pointer. @param {(profile: number[]) => void} onDraw */
  pour(onDraw) {
    const canvas = this.plate.root;
    canvas.classList.add("drawn-on");
    /** @type {[number, number]|null} */
    let last = null;
    const to = (/** @type {PointerEvent} */ event) => {
      const box = canvas.getBoundingClientRect();
      const place = ((event.clientX - box.left - 18) / (box.width - 36)) * PLACES - 0.5;
      const u = TOP - ((event.clientY - box.top - 20) / (box.height - 82)) * 2 * TOP;
      return /** @type {[number, number]} */ ([Math.max(0, Math.min(PLACES - 1, place)), Math.max(-TOP, Math.min(TOP, u))]);
    };
    const move = (/** @type {PointerEvent} */ event) => {
      if (!last) return;
      const next = to(event);
      const profile = [...this.profile];
      const [a, b] = next[0] < last[0] ? [next, last] : [last, next];
      for (let i = Math.round(a[0]); i <= Math.round(b[0]); i++) {
        const share = b[0] > a[0] ? Math.max(0, Math.min(1, (i - a[0]) / (b[0] - a[0]))) : 1;
        profile[i] = Math.round((a[1] * (1 - share) + b[1] * share) * 40) / 40;
      }
      last = next;
      onDraw(profile);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = to(event);
      move(event);
    });
    canvas.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "rod to be heated: left and right move the flame, up heats, down cools");
    canvas.addEventListener("keydown", (event) => this.burn(event, onDraw));
    for (const change of ["focus", "blur"]) canvas.addEventListener(change, () => this.plate.redraw());
  }

  /** Heat by keys. @param {KeyboardEvent} event @param {(profile: number[]) => void} onDraw */
  burn(event, onDraw) {
    const move = { ArrowLeft: -2, ArrowRight: 2, Home: -PLACES, End: PLACES }[event.key];
    const pour = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
    if (move === undefined && pour === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (move) {
      this.flame = Math.max(0, Math.min(PLACES - 1, this.flame + move));
      this.plate.redraw();
    }
    if (!pour) return;
    onDraw(this.profile.map((u, i) => {
      const near = Math.exp(-(((i - this.flame) / 3) ** 2));
      return Math.round(Math.max(-TOP, Math.min(TOP, u + pour * near)) * 40) / 40;
    }));
  }

  pictures() {
    return [[this.plate.canvas], [this.modes.canvas]];
  }

  destroy() {
    this.plate.destroy();
    this.modes.destroy();
  }
}

/**
 * Cold is cool, hot is warm, and the plate's own colour between.
 *
 * @param {import("../palette.js").Palette} palette
 * @param {number} u
 */
function heat(palette, u) {
  const share = Math.max(-1, Math.min(1, u / 1.1));
  const [from, to] = [palette.rgb("plate"), palette.rgb(share > 0 ? "warm" : "cool")];
  const mixed = from.map((c, i) => Math.round(255 * (c + (to[i] - c) * Math.abs(share) ** 0.8)));
  return `rgb(${mixed.join(" ")})`;
}

/** @param {number[]} profile */
function packed(profile) {
  return btoa(String.fromCharCode(...profile.map((u) => Math.round(u * 40) & 255)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string|undefined} text */
function unpacked(text) {
  if (!text || POURED[text]) return text || "pieces";
  try {
    const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const values = Array.from(bytes, (c) => (c.charCodeAt(0) << 24 >> 24) / 40);
    return values.length === PLACES ? values : "pieces";
  } catch {
    return "pieces";
  }
}

register({
  name: "rod",
  title: "Rod",
  player: true,
  mount: (root, context) => {
    const { store, player } = context;
    const figure = new RodFigure(context, "rod", { onDraw: (profile) => {
      player.seek(0);
      store.setExtra({ rod: packed(profile) });
    } });
    const kinds = choice("Heat poured on the rod", Object.entries(POURED).map(([value, text]) => ({ value, text })),
      (value) => {
        player.seek(0);
        store.setExtra({ rod: value === "pieces" ? null : value });
        setTimeout(() => player.run(1), 350);
      });
    const back = several("Ways back", [{ value: "back", text: "Reckon it back" }], (on) =>
      store.setExtra({ back: on.length ? "1" : null }));
    const error = slider({ label: ["thermometers err by"], low: 1e-6, high: 0.3, log: true, value: 0.01,
      show: short, onChange: (value) => store.setExtra({ err: String(value) }) });
    fill(root, h("div", { class: "explore topic" },
      h("aside", { class: "margin", "aria-label": "Rod" },
        h("section", { class: "block" }, h("h2", {}, "Pour heat on a rod"),
          h("p", { class: "prose" }, "Draw on the rod to heat it here and cool it there, and let time go. Every profile is a sum of cosine modes, and each of them fades at its own rate: twice as fine, four times as fast."),
          kinds.root),
        h("section", { class: "block" }, h("h3", {}, "And back?"),
          h("p", { class: "quiet" }, "Divide each mode by what is left of it, and the past is there again. But thermometers err, and what they err by is divided too: it grows many times over."),
          back.root, error.root)),
      h("section", { class: "figure", "aria-label": "Figure" }, figure.root)));
    const update = () => {
      const { extra } = store.get();
      const given = Number(extra.err ?? 0.01);
      const wrong = Number.isFinite(given) ? Math.min(1, Math.max(1e-6, given)) : 0.01;
      kinds.set(POURED[extra.rod ?? "pieces"] ? extra.rod ?? "pieces" : "");
      back.set(extra.back ? ["back"] : []);
      error.set(wrong);
      error.root.hidden = !extra.back;
      figure.set({ profile: unpacked(extra.rod), error: wrong, back: Boolean(extra.back) });
    };
    update();
    setTrack([], (position) => `blurred over ${short(100 * figure.widthAt(position))} % of the rod`);
    return following(player, [figure], update);
  },
});
