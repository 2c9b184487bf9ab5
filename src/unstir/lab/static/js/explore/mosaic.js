/** Images side by side: states of heat, blurring, coins and bridges. */

/** @typedef {import("./path.js").Path} Path */

const ROOM = 0.92; // of the plate that images fill

/**
 * Draws the images of one moment, mixed of two frames.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Path} path
 * @param {number} position
 * @param {number} width of the canvas, CSS pixels
 * @param {number} height
 * @param {[number, number, number]} hidden colour of a masked coin, 0…1
 */
export function drawMosaic(pen, path, position, width, height, hidden) {
  const images = path.images;
  if (!images) return;
  const [, count, tall, wide, depth = 1] = images.shape;
  const { columns, rows, cell } = layout(count, width / wide, height / tall);
  const gap = Math.max(2, Math.round(cell * 0.5));
  const [w, t] = [cell * wide, cell * tall];
  const left = (width - columns * w) / 2;
  const top = (height - rows * t) / 2;
  const { frame, share } = path.locate(position);
  const next = Math.min(frame + 1, path.frames - 1);
  const size = tall * wide * depth;
  const small = new OffscreenCanvas(wide, tall);
  const brush = /** @type {OffscreenCanvasRenderingContext2D} */ (small.getContext("2d"));
  const pixels = brush.createImageData(wide, tall);
  pen.imageSmoothingEnabled = false;
  for (let i = 0; i < count; i++) {
    const [here, there] = [frame * path.width + i * size, next * path.width + i * size];
    for (let p = 0; p < tall * wide; p++) {
      for (let c = 0; c < 3; c++) {
        const at = p * depth + (depth > 1 ? c : 0);
        const a = path.body[here + at];
        const masked = path.mask?.[(share < 0.5 ? frame : next) * count * tall * wide + i * tall * wide + p];
        pixels.data[4 * p + c] = masked ? hidden[c] * 255 : a + (path.body[there + at] - a) * share;
      }
      pixels.data[4 * p + 3] = 255;
    }
    brush.putImageData(pixels, 0, 0);
    pen.drawImage(small, left + (i % columns) * w + gap / 2, top + Math.floor(i / columns) * t + gap / 2, w - gap, t - gap);
  }
}

/**
 * The rows and columns that show images largest, without a row that is not full where the count allows.
 *
 * @param {number} count
 * @param {number} width of the canvas, in images' pixels
 * @param {number} height
 */
function layout(count, width, height) {
  let best = { columns: 1, rows: count, cell: 0 };
  for (let columns = 1; columns <= count; columns++) {
    if (count % columns && count > 3) continue;
    const rows = Math.ceil(count / columns);
    const cell = Math.floor(Math.min(width / columns, height / rows) * ROOM * 2) / 2;
    if (cell > best.cell) best = { columns, rows, cell };
  }
  return best;
}
