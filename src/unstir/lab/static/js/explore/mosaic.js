/** Images side by side: states of heat, blurring, coins and bridges. */

/** @typedef {import("./path.js").Path} Path */

/**
 * Draws the images of one moment, mixed of two frames.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {Path} path
 * @param {number} position
 * @param {number} width of the canvas, CSS pixels
 * @param {number} height
 */
export function drawMosaic(pen, path, position, width, height) {
  const images = path.images;
  if (!images) return;
  const [, count, tall, wide, depth = 1] = images.shape;
  const columns = Math.ceil(Math.sqrt((count * width * tall) / (height * wide)) - 1e-9) || 1;
  const rows = Math.ceil(count / columns);
  const room = 0.92;
  const cell = Math.floor(Math.min((width * room) / columns / wide, (height * room) / rows / tall) * 2) / 2;
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
        pixels.data[4 * p + c] = a + (path.body[there + at] - a) * share;
      }
      pixels.data[4 * p + 3] = 255;
    }
    brush.putImageData(pixels, 0, 0);
    pen.drawImage(small, left + (i % columns) * w + gap / 2, top + Math.floor(i / columns) * t + gap / 2, w - gap, t - gap);
  }
}
