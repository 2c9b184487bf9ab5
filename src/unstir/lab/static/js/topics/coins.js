/** Coins by the thousand: rows of them, tossed anew one after another, and how many heads each row shows. */

import { fill, h } from "../dom.js";
import { slider } from "../slider.js";
import { setTrack } from "../timeline.js";
import { register } from "../views.js";
import { following } from "./figure.js";
import { axes, curve, words } from "./plot.js";
import { Plate, among, blended, row } from "./plate.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {{coins: number, rows: number, peaks: [number, number][], seed: number}} Options */

/** @type {Options} */
export const USUAL = { coins: 64, rows: 3000, peaks: [[6, 0.6], [54, 0.4]], seed: 0 };

export class CoinsFigure {
  /**
   * @param {Context} context
   * @param {string} slot
   * @param {"forward"|"backward"} direction
   * @param {() => void} [onAnswer]
   */
  constructor(context, slot, direction, onAnswer) {
    this.context = context;
    this.onAnswer = onAnswer;
    this.slot = slot;
    this.direction = direction;
    this.colour = direction === "forward" ? "warm" : "cool";
    this.position = 0;
    /** @type {Options|null} */
    this.options = null;
    /** @type {Frame|null} */
    this.frame = null;
    this.rows = new Plate(context.palette, "Rows of coins", (...given) => this.paintRows(...given));
    this.bell = new Plate(context.palette, "How many rows show how many heads", (...given) => this.paintBell(...given));
    this.said = h("span", { class: "time" });
    const forward = direction === "forward";
    this.root = h("figure", { class: `panel tall ${direction}` },
      h("figcaption", {}, h("strong", {}, forward ? "Forward" : "Backward"),
        h("span", { class: "way" }, forward ? "tossed anew" : "turned back"), this.said),
      h("div", { class: "stack" }, this.rows.root, this.bell.root));
  }

  /** @param {Options} options */
  set(options) {
    if (JSON.stringify(options) === JSON.stringify(this.options)) return;
    this.options = options;
    this.rows.wait(true);
    this.context.link.request(this.slot, "coins", { ...options, direction: this.direction }, (frame) => {
      this.frame = frame;
      if (frame.header.done) this.rows.wait(false);
      this.onAnswer?.();
      this.draw(this.position);
    });
  }

  /** Where in the walk the position lies, data being 0. @param {number} position */
  at(position) {
    const count = this.frame?.arrays.times.shape[0] ?? 1;
    return among(this.direction === "forward" ? position : 1 - position, count);
  }

  /** Bits at a position. @param {number} position */
  bitsAt(position) {
    return this.frame ? blended(this.frame.arrays.entropy, this.at(position))[0] : 0;
  }

  /** @param {number} position */
  draw(position) {
    this.position = position;
    if (this.frame) this.said.textContent = `${this.bitsAt(position).toFixed(1)} of ${this.frame.header.coins} bits`;
    this.rows.redraw();
    this.bell.redraw();
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintRows(pen, width, height) {
    if (!this.frame) return;
    const { palette } = this.context;
    const { rows } = this.frame.arrays;
    const [, shown, coins] = rows.shape;
    const { frame, next, share } = this.at(this.position);
    const [now, then] = [row(rows, frame), row(rows, next)];
    const step = Math.min((width - 24) / coins, (height - 20) / Math.min(shown, 12));
    const lines = Math.min(shown, Math.floor((height - 16) / step));
    const radius = step * 0.38;
    const [x0, y0] = [(width - step * coins) / 2 + step / 2, (height - step * lines) / 2 + step / 2];
    for (let i = 0; i < lines; i++) {
      for (let j = 0; j < coins; j++) {
        const [a, b] = [now[i * coins + j], then[i * coins + j]];
        // A coin that turns is seen from the side on its way.
        const face = a === b ? 1 : Math.max(0.12, Math.abs(1 - 2 * share));
        const heads = share < 0.5 ? a : b;
        pen.beginPath();
        pen.ellipse(x0 + j * step, y0 + i * step, radius * face, radius, 0, 0, 2 * Math.PI);
        if (heads) {
          pen.fillStyle = palette.colours[this.colour];
          pen.fill();
        } else {
          pen.strokeStyle = palette.rgba("ink", 0.28);
          pen.lineWidth = 1;
          pen.stroke();
        }
      }
    }
    this.rows.say(`${lines} rows of ${coins} coins of which ${Math.round((100 * sum(now.subarray(0, lines * coins))) / (lines * coins))} % show heads`);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintBell(pen, width, height) {
    if (!this.frame) return;
    const { palette } = this.context;
    const { counts, law, bell } = this.frame.arrays;
    const coins = counts.shape[1] - 1;
    const at = this.at(this.position);
    const share = Float32Array.from(blended(counts, at), (value) => value / this.frame?.header.rows);
    const exact = blended(law, at);
    const most = Math.max(...exact, ...share, ...bell.data) * 1.1;
    const number = Array.from({ length: coins + 1 }, (_, i) => i);
    const box = axes(pen, width, height, { x: [-1, coins + 1], y: [0, most], yTicks: [], xTicks: [0, coins / 4, coins / 2, (3 * coins) / 4, coins].map(Math.round),
      xLabel: "heads in a row", yLabel: "share of the rows", grid: false }, palette);
    const thick = ((box.right - box.left) / (coins + 2)) * 0.8;
    pen.fillStyle = palette.rgba(this.colour, 0.75);
    for (const i of number) pen.fillRect(box.x(i) - thick / 2, box.y(share[i]), thick, box.bottom - box.y(share[i]));
    curve(pen, box, number, bell.data, { colour: palette.rgba("ink", 0.45), width: 1.2, dash: [3, 4] });
    curve(pen, box, number, exact, { colour: palette.colours.ink, width: 1.6 });
    const top = Math.max(box.top + 8, box.y(bell.data[Math.round(coins / 2)]) - 10);
    words(pen, "fair coins", box.x(coins / 2), top, { colour: palette.colours.soft, align: "center" });
    const apart = blended(this.frame.arrays.distance, at)[0];
    this.bell.say(`Histogram of heads in ${this.frame.header.rows} rows; it differs from the exact law by ${(100 * apart).toFixed(1)} %`);
  }

  pictures() {
    return [[this.rows.canvas], [this.bell.canvas]];
  }

  destroy() {
    this.rows.destroy();
    this.bell.destroy();
  }
}

/** @param {ArrayLike<number>} values */
function sum(values) {
  return Array.from(values).reduce((a, b) => a + b, 0);
}

/**
 * @param {string|undefined} text
 * @param {number} low
 * @param {number} high
 * @param {number} usual
 */
function whole(text, low, high, usual) {
  const value = Math.round(Number(text ?? NaN));
  return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : usual;
}

register({
  name: "coins",
  title: "Coins",
  player: true,
  mount: (root, context) => {
    const { store, player } = context;
    const forward = new CoinsFigure(context, "coins", "forward", () => track());
    const backward = new CoinsFigure(context, "coins-2", "backward");
    const put = (/** @type {string} */ key) => (/** @type {number} */ value) => store.setExtra({ [key]: String(value) });
    const sliders = {
      coins: slider({ label: ["coins in a row"], low: 16, high: 128, whole: true, value: 64, onChange: put("coins") }),
      rows: slider({ label: ["rows"], low: 100, high: 5000, log: true, whole: true, value: 3000, onChange: put("rows") }),
      few: slider({ label: ["heads of some"], low: 0, high: 100, whole: true, value: 9, show: (v) => `${v} %`, onChange: put("few") }),
      many: slider({ label: ["heads of the others"], low: 0, high: 100, whole: true, value: 84, show: (v) => `${v} %`, onChange: put("many") }),
      share: slider({ label: ["share of the first"], low: 1, high: 99, whole: true, value: 60, show: (v) => `${v} %`, onChange: put("share") }),
    };
    fill(root, h("div", { class: "explore topic" },
      h("aside", { class: "margin", "aria-label": "Coins" },
        h("section", { class: "block" }, h("h2", {}, "Toss thousands of coins"),
          h("p", { class: "prose" }, "Each row begins with few heads or with many. As time goes by more and more coins are tossed again, and whatever the rows were, they end as the bell of fair coins. Backward, each coin turns as the exact odds of the first rows tell it to."),
          sliders.coins.root, sliders.rows.root),
        h("section", { class: "block" }, h("h3", {}, "The rows at first"), sliders.few.root, sliders.many.root, sliders.share.root),
        h("p", { class: "quiet" }, "Bars: the rows that were tossed. Line: the exact law, two binomials a peak. Dashes: the bell. The bits are the entropy of a row, exactly.")),
      h("section", { class: "figure", "aria-label": "Figure" }, h("div", { class: "stage" }, forward.root, backward.root))));
    const track = () => {
      const coins = forward.frame?.header.coins ?? 1;
      const heights = Array.from({ length: 41 }, (_, i) => forward.bitsAt(i / 40) / coins);
      setTrack(heights, (position) => `${Math.round(position * 100)} % tossed, ${forward.bitsAt(position).toFixed(1)} bits a row`);
    };
    const update = () => {
      const { extra, seed } = store.get();
      const coins = whole(extra.coins, 16, 128, 64);
      const rows = whole(extra.rows, 100, 5000, 3000);
      const few = whole(extra.few, 0, 100, 9);
      const many = whole(extra.many, 0, 100, 84);
      const share = whole(extra.share, 1, 99, 60);
      for (const [name, value] of Object.entries({ coins, rows, few, many, share })) {
        sliders[/** @type {keyof typeof sliders} */ (name)].set(value);
      }
      /** @type {[number, number][]} */
      const peaks = [[Math.round((few / 100) * coins), share / 100], [Math.round((many / 100) * coins), 1 - share / 100]];
      forward.set({ coins, rows, peaks, seed });
      backward.set({ coins, rows, peaks, seed });
    };
    update();
    return following(player, [forward, backward], update);
  },
});
