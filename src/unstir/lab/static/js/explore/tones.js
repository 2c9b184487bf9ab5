/** Values on a grid as tones of one colour. */

/** @typedef {import("../types.js").NumberArray} NumberArray */
/** @typedef {[number, number, number]} Colour red, green and blue in 0…1 */

const BANDS = 14;
const FINER = 4; // pixels a cell, so that the edges of bands are smooth

/**
 * A log density: its root as opacity, so that tails are seen and peaks do not hide them.
 *
 * @param {NumberArray} cells rows from below
 * @param {Colour} colour
 * @param {number} most opacity
 * @returns {OffscreenCanvas}
 */
export function densityTones({ data, shape: [rows, columns] }, colour, most) {
  let high = -Infinity;
  for (const value of data) if (value > high) high = value;
  return paint(columns, rows, colour, (x, y) => Math.exp(0.45 * (data[y * columns + x] - high)) * most);
}

/**
 * A potential in bands, of which each covers as much of the window as the next.
 *
 * @param {NumberArray} cells rows from below
 * @param {Colour} colour
 * @param {number} most opacity
 * @returns {OffscreenCanvas}
 */
export function potentialTones({ data, shape: [rows, columns] }, colour, most) {
  const sorted = Float32Array.from(data).sort();
  const edges = Array.from({ length: BANDS - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BANDS)]);
  const at = (/** @type {number} */ x, /** @type {number} */ y) =>
    data[Math.min(rows - 1, Math.max(0, y)) * columns + Math.min(columns - 1, Math.max(0, x))];
  return paint(columns * FINER, rows * FINER, colour, (px, py) => {
    const [u, v] = [(px + 0.5) / FINER - 0.5, (py + 0.5) / FINER - 0.5];
    const [x, y] = [Math.floor(u), Math.floor(v)];
    const [a, b] = [u - x, v - y];
    const value = (at(x, y) * (1 - a) + at(x + 1, y) * a) * (1 - b) + (at(x, y + 1) * (1 - a) + at(x + 1, y + 1) * a) * b;
    let band = 0;
    while (band < edges.length && value >= edges[band]) band++;
    return ((band + (band % 2) * 0.6) / BANDS) * most;
  });
}

/**
 * @param {number} width
 * @param {number} height
 * @param {Colour} colour
 * @param {(x: number, y: number) => number} opacity y upwards
 */
function paint(width, height, colour, opacity) {
  const canvas = new OffscreenCanvas(width, height);
  const brush = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = brush.createImageData(width, height);
  const [r, g, b] = colour.map((x) => Math.round(x * 255));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      pixels.data[i] = r;
      pixels.data[i + 1] = g;
      pixels.data[i + 2] = b;
      pixels.data[i + 3] = Math.round(opacity(x, height - 1 - y) * 255);
    }
  }
  brush.putImageData(pixels, 0, 0);
  return canvas;
}
