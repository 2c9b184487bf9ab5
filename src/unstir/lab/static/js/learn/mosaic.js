/** Images in a square, side by side. */

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../types.js").NumberArray} images `(n, height, width)`, or with 3 colours last
 * @param {number} left
 * @param {number} top
 * @param {number} side
 */
export function mosaic(pen, images, left, top, side) {
  const [count, tall, wide, depth = 1] = images.shape;
  const columns = Math.ceil(Math.sqrt(count));
  const cell = side / columns;
  const size = tall * wide * depth;
  const [w, t] = wide > tall ? [cell, (cell * tall) / wide] : [(cell * wide) / tall, cell];
  const small = new OffscreenCanvas(wide, tall);
  const brush = /** @type {OffscreenCanvasRenderingContext2D} */ (small.getContext("2d"));
  const pixels = brush.createImageData(wide, tall);
  const room = count > 1 ? 0.92 : 1;
  pen.imageSmoothingEnabled = false;
  for (let i = 0; i < count; i++) {
    for (let p = 0; p < tall * wide; p++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * p + c] = images.data[i * size + p * depth + (depth > 1 ? c : 0)];
      pixels.data[4 * p + 3] = 255;
    }
    brush.putImageData(pixels, 0, 0);
    pen.drawImage(small, left + (i % columns) * cell, top + Math.floor(i / columns) * cell, w * room, t * room);
  }
}
