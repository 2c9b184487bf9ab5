/** Plots on a canvas: axes with few quiet ticks, curves, bands and dots. */

/** @typedef {import("../palette.js").Palette} Palette */
/**
 * @typedef {object} Frame
 * @property {[number, number]} x range
 * @property {[number, number]} y range
 * @property {boolean} [logX] whether x goes by factors
 * @property {boolean} [logY]
 * @property {string} [xLabel]
 * @property {string} [yLabel]
 * @property {number[]} [xTicks] in place of found ones; empty for none
 * @property {number[]} [yTicks]
 * @property {(value: number) => string} [xText] what a tick is called
 * @property {(value: number) => string} [yText]
 * @property {boolean} [grid] a line at each tick of y
 */
/** @typedef {{left: number, right: number, top: number, bottom: number, x: (v: number) => number, y: (v: number) => number}} Axes */

const FONT = "12px system-ui, sans-serif";

/**
 * Round numbers in a range, about so many.
 *
 * @param {number} low
 * @param {number} high
 * @param {number} count
 * @returns {number[]}
 */
export function nice(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((one) => one >= raw) ?? raw;
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(Number((k * step).toPrecision(10)));
  return ticks;
}

/**
 * Powers of ten in a range.
 *
 * @param {number} low
 * @param {number} high
 * @returns {number[]}
 */
export function decades(low, high) {
  const ticks = [];
  for (let k = Math.ceil(Math.log10(low) - 1e-9); 10 ** k <= high * (1 + 1e-9); k++) ticks.push(10 ** k);
  return ticks;
}

/**
 * A number as short as it goes, with a true minus.
 *
 * @param {number} value
 */
export function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e4 || size < 1e-3)) {
    const power = Math.floor(Math.log10(size));
    const head = Number((value / 10 ** power).toPrecision(2));
    const raised = [...String(power)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)] ?? "⁻").join("");
    return head === 1 ? `10${raised}` : `${String(head).replace("-", "−")}·10${raised}`;
  }
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

/**
 * Draws axes and gives where values lie.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {number} width
 * @param {number} height
 * @param {Frame} frame
 * @param {Palette} palette
 * @returns {Axes}
 */
export function axes(pen, width, height, frame, palette) {
  const { x: [x0, x1], y: [y0, y1], logX = false, logY = false } = frame;
  const xTicks = frame.xTicks ?? (logX ? decades(x0, x1) : nice(x0, x1, Math.max(2, width / 110)));
  const yTicks = frame.yTicks ?? (logY ? decades(y0, y1) : nice(y0, y1, Math.max(2, height / 64)));
  const xText = frame.xText ?? short;
  const yText = frame.yText ?? short;
  pen.font = FONT;
  const wide = yTicks.length ? Math.max(...yTicks.map((tick) => pen.measureText(yText(tick)).width)) : 0;
  const left = 14 + (yTicks.length ? wide + 6 : 0);
  const top = frame.yLabel ? 32 : 14;
  const bottom = height - (frame.xLabel ? 40 : xTicks.length ? 26 : 12);
  const right = width - 16;
  const scale = (/** @type {boolean} */ log, /** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ from, /** @type {number} */ to) =>
    (/** @type {number} */ v) => {
      const share = log ? Math.log(Math.max(v, 1e-300) / a) / Math.log(b / a) : (v - a) / (b - a);
      return from + share * (to - from);
    };
  const x = scale(logX, x0, x1, left, right);
  const y = scale(logY, y0, y1, bottom, top);
  pen.fillStyle = palette.colours.soft;
  pen.strokeStyle = palette.colours.line;
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const tick of yTicks) {
    pen.fillText(yText(tick), left - 6, y(tick));
    if (frame.grid === false) continue;
    pen.beginPath();
    pen.moveTo(left, Math.round(y(tick)) + 0.5);
    pen.lineTo(right, Math.round(y(tick)) + 0.5);
    pen.stroke();
  }
  pen.textBaseline = "top";
  for (const tick of xTicks) {
    const at = x(tick);
    pen.textAlign = at > right - 12 ? "right" : at < left + 8 ? "left" : "center";
    pen.fillText(xText(tick), at, bottom + 7);
    pen.beginPath();
    pen.moveTo(Math.round(at) + 0.5, bottom);
    pen.lineTo(Math.round(at) + 0.5, bottom + 4);
    pen.stroke();
  }
  if (frame.xLabel) {
    pen.textAlign = "center";
    pen.fillText(frame.xLabel, (left + right) / 2, bottom + 23);
  }
  if (frame.yLabel) {
    pen.textAlign = "left";
    pen.fillText(fitted(pen, frame.yLabel, width - 24), 14, 10);
  }
  return { left, right, top, bottom, x, y };
}

/**
 * A curve through points, broken where they are not finite.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Axes} at
 * @param {ArrayLike<number>} xs
 * @param {ArrayLike<number>} ys
 * @param {{colour: string, width?: number, dash?: number[]}} look
 */
export function curve(pen, at, xs, ys, { colour, width = 1.6, dash = [] }) {
  pen.save();
  pen.beginPath();
  pen.rect(at.left - 1, at.top - 6, at.right - at.left + 2, at.bottom - at.top + 7);
  pen.clip();
  pen.beginPath();
  let drawing = false;
  for (let i = 0; i < xs.length; i++) {
    if (!Number.isFinite(ys[i])) {
      drawing = false;
      continue;
    }
    const [x, y] = [at.x(xs[i]), Math.max(-1e4, Math.min(1e4, at.y(ys[i])))];
    if (drawing) pen.lineTo(x, y);
    else pen.moveTo(x, y);
    drawing = true;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.setLineDash(dash);
  pen.stroke();
  pen.restore();
}

/**
 * Dots.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Axes} at
 * @param {ArrayLike<number>} xs
 * @param {ArrayLike<number>} ys
 * @param {{colour: string, radius?: number, hollow?: string}} look
 */
export function dots(pen, at, xs, ys, { colour, radius = 3.2, hollow }) {
  for (let i = 0; i < xs.length; i++) {
    const y = at.y(ys[i]);
    if (!Number.isFinite(y) || y > at.bottom + radius || y < at.top - 8) continue;
    pen.beginPath();
    pen.arc(at.x(xs[i]), y, radius, 0, 2 * Math.PI);
    if (hollow) {
      pen.fillStyle = hollow;
      pen.fill();
      pen.strokeStyle = colour;
      pen.lineWidth = 1.6;
      pen.stroke();
    } else {
      pen.fillStyle = colour;
      pen.fill();
    }
  }
}

/**
 * Words as far as there is room for them, up to a comma, a colon or a space.
 *
 * @param {CanvasRenderingContext2D} pen with the font that they are drawn in
 * @param {string} text
 * @param {number} room
 */
export function fitted(pen, text, room) {
  let said = text;
  while (pen.measureText(said).width > room) {
    const cut = Math.max(said.lastIndexOf(","), said.lastIndexOf(":"), said.lastIndexOf(";"));
    const at = cut > 0 ? cut : said.lastIndexOf(" ");
    if (at <= 0) return "";
    said = said.slice(0, at);
  }
  return said;
}

/**
 * A line of words in the plot, over whatever is there.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {{colour: string, align?: CanvasTextAlign, font?: string, room?: number}} look
 */
export function words(pen, text, x, y, { colour, align = "left", font = FONT, room = Infinity }) {
  pen.font = font;
  pen.fillStyle = colour;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.fillText(fitted(pen, text, room), x, y);
}
