/** The field over the particles: density as colour, arrows, flow lines, the data, and one particle's way. */

import { densityTones, potentialTones } from "./tones.js";

/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("./path.js").Path} Path */
/** @typedef {import("./tones.js").Colour} Colour */

/**
 * A window on the plane: model units to CSS pixels, y upwards.
 *
 * @typedef {object} Window
 * @property {number} width
 * @property {number} height
 * @property {number} half
 */

/**
 * @param {Window} window
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]}
 */
export function place({ width, height, half }, x, y) {
  const unit = Math.min(width, height) / 2 / half;
  return [width / 2 + x * unit, height / 2 - y * unit];
}

/**
 * The density as the tone of a colour.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Window} window
 * @param {Frame} field
 * @param {Colour} colour
 * @param {number} most opacity
 */
export function drawDensity(pen, window, field, colour, most) {
  const { density } = field.arrays;
  if (density) drawCells(pen, window, field, density, (cells) => densityTones(cells, colour, most), `${colour}${most}`);
}

/**
 * The potential in bands, whose edges are equipotentials.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Window} window
 * @param {Frame} field
 * @param {Colour} colour
 * @param {number} most opacity
 */
export function drawPotential(pen, window, field, colour, most) {
  const { potential } = field.arrays;
  if (potential) drawCells(pen, window, field, potential, (cells) => potentialTones(cells, colour, most), `${colour}${most}`);
}

/** @type {WeakMap<import("../types.js").NumberArray, Map<string, OffscreenCanvas>>} */
const painted = new WeakMap();

/**
 * Cells over the window that they were asked for; they are coloured once.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Window} window
 * @param {Frame} field
 * @param {import("../types.js").NumberArray} cells
 * @param {(cells: import("../types.js").NumberArray) => OffscreenCanvas} colour
 * @param {string} key of the colouring
 */
function drawCells(pen, window, field, cells, colour, key) {
  const known = painted.get(cells) ?? new Map();
  painted.set(cells, known);
  if (!known.has(key)) known.set(key, colour(cells));
  const { half } = field.header;
  const [left, top] = place(window, -half, half);
  const [right, bottom] = place(window, half, -half);
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(/** @type {OffscreenCanvas} */ (known.get(key)), left, top, right - left, bottom - top);
}

/**
 * Arrows of the flow, longer where it is faster, but not by as much.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Window} window
 * @param {Frame} field
 * @param {string} colour
 * @param {1|-1} direction of time
 */
export function drawArrows(pen, window, field, colour, direction) {
  const { arrows } = field.arrays;
  if (!arrows) return;
  const values = arrows.data;
  const count = arrows.shape[0];
  let most = 0;
  for (let i = 0; i < count; i++) most = Math.max(most, Math.hypot(values[4 * i + 2], values[4 * i + 3]));
  if (!most) return;
  const unit = Math.min(window.width, window.height) / 2 / window.half;
  const reach = ((2 * field.header.half * unit) / Math.sqrt(count)) * 0.86;
  pen.beginPath();
  for (let i = 0; i < count; i++) {
    const [x, y] = place(window, values[4 * i], values[4 * i + 1]);
    const speed = Math.hypot(values[4 * i + 2], values[4 * i + 3]);
    if (!speed) continue;
    const length = reach * (0.25 + 0.75 * (speed / most) ** 0.45);
    const [dx, dy] = [(direction * values[4 * i + 2]) / speed, (-direction * values[4 * i + 3]) / speed];
    const [tx, ty] = [x + (dx * length) / 2, y + (dy * length) / 2];
    const head = Math.min(5, length * 0.35);
    pen.moveTo(x - (dx * length) / 2, y - (dy * length) / 2);
    pen.lineTo(tx, ty);
    pen.moveTo(tx - head * (dx - 0.5 * dy), ty - head * (dy + 0.5 * dx));
    pen.lineTo(tx, ty);
    pen.lineTo(tx - head * (dx + 0.5 * dy), ty - head * (dy - 0.5 * dx));
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 1.1;
  pen.lineCap = "round";
  pen.lineJoin = "round";
  pen.stroke();
}

/**
 * Lines of the exact flow.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Window} window
 * @param {Frame} field
 * @param {string} colour
 */
export function drawLines(pen, window, field, colour) {
  const { lines } = field.arrays;
  if (!lines) return;
  const [count, steps] = lines.shape;
  pen.beginPath();
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < steps; k++) {
      const at = 2 * (i * steps + k);
      const [x, y] = place(window, lines.data[at], lines.data[at + 1]);
      if (k) pen.lineTo(x, y);
      else pen.moveTo(x, y);
    }
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 0.9;
  pen.lineJoin = "round";
  pen.stroke();
}

/**
 * The data as small rings.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Window} window
 * @param {Float32Array} items
 * @param {string} colour
 */
export function drawItems(pen, window, items, colour) {
  const radius = items.length > 400 ? 1 : 2.6;
  pen.fillStyle = colour;
  pen.beginPath();
  for (let i = 0; i < items.length; i += 2) {
    const [x, y] = place(window, items[i], items[i + 1]);
    pen.moveTo(x + radius, y);
    pen.arc(x, y, radius, 0, 7);
  }
  pen.fill();
}

/**
 * One particle's way up to now, and where it is.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Window} window
 * @param {Path} path
 * @param {number} index
 * @param {number} position
 * @param {1|-1} direction
 * @param {string} colour
 * @param {string} ink
 */
export function drawTrail(pen, window, path, index, position, direction, colour, ink) {
  const { frame, share } = path.locate(position);
  const next = Math.min(frame + 1, path.frames - 1);
  const [a, b] = [path.at(index, frame), path.at(index, next)];
  const [half, wider] = [path.halfAt(path.positions[frame]), path.halfAt(path.positions[next])];
  const now = /** @type {[number, number]} */ (
    [0, 1].map((k) => ((a[k] / half) * (1 - share) + (b[k] / wider) * share) * window.half));
  const passed = [];
  if (direction > 0) for (let i = 0; i <= frame; i++) passed.push(path.at(index, i));
  else for (let i = path.frames - 1; i > frame; i--) passed.push(path.at(index, i));
  pen.beginPath();
  [...passed, now].forEach(([px, py], i) => {
    const [x, y] = place(window, px, py);
    if (i) pen.lineTo(x, y);
    else pen.moveTo(x, y);
  });
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.stroke();
  const [x, y] = place(window, now[0], now[1]);
  pen.beginPath();
  pen.arc(x, y, 6, 0, 7);
  pen.fillStyle = colour;
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = ink;
  pen.stroke();
}
