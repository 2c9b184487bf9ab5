/** Pictures that people bring: made small here, so that they fit into a message and a link. */

const SIDE = 96; // pixels of the longer side

/**
 * A small greyscale PNG of a picture.
 *
 * @param {Blob} file
 * @returns {Promise<string>} base64
 * @throws {Error} a file that the browser cannot show
 */
export async function shrink(file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Error("This picture cannot be read; give a PNG, JPEG, GIF or WebP.");
  }
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const [r, g, b] = pixels.data.subarray(i, i + 3);
    const grey = Math.round((0.3 * r + 0.59 * g + 0.11 * b) / 17) * 17; // sixteen greys: a short link
    pixels.data.set([grey, grey, grey], i);
  }
  pen.putImageData(pixels, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
}
