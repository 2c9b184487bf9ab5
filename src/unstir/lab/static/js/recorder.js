/** What is seen, saved: one picture, or a film of one pass there and back. */

import { brush, h } from "./dom.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {() => HTMLCanvasElement[][]} Pictures */

const GAP = 16;
const GIF_FRAMES = 36;
const GIF_SIDE = 360; // pixels of a panel in a GIF
const VIDEO_SECONDS = 8;

/**
 * All panels side by side on one canvas.
 *
 * @param {Context} context
 * @param {HTMLCanvasElement[][]} panels layers of each, from below
 * @param {HTMLCanvasElement} canvas
 * @param {number} side CSS pixels of a panel, 0 for as large as they are
 */
export function compose({ palette }, panels, canvas, side) {
  const columns = panels.length > 2 ? 2 : panels.length;
  const rows = Math.ceil(panels.length / columns);
  const box = panels[0][0].parentElement?.getBoundingClientRect() ?? { width: 1, height: 1 };
  const width = side || box.width;
  const height = Math.round((width * box.height) / box.width);
  const total = [columns * width + (columns + 1) * GAP, rows * height + (rows + 1) * GAP];
  if (side) {
    canvas.width = total[0];
    canvas.height = total[1];
  }
  const pen = side ? /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")) : brush(canvas, total[0], total[1]);
  pen.fillStyle = palette.colours.paper;
  pen.fillRect(0, 0, total[0], total[1]);
  panels.forEach((layers, i) => {
    const x = GAP + (i % columns) * (width + GAP);
    const y = GAP + Math.floor(i / columns) * (height + GAP);
    pen.fillStyle = palette.colours.plate;
    pen.beginPath();
    pen.roundRect(x, y, width, height, 12);
    pen.fill();
    for (const layer of layers) pen.drawImage(layer, x, y, width, height);
  });
}

/**
 * Saves one PNG.
 *
 * @param {Context} context
 * @param {HTMLCanvasElement[][]} panels
 */
export function savePicture(context, panels) {
  const canvas = h("canvas");
  compose(context, panels, canvas, 0);
  canvas.toBlob((blob) => blob && save(blob, "unstir.png"));
}

/**
 * Saves one pass to the prior and back.
 *
 * @param {Context} context
 * @param {Pictures} pictures
 * @param {"gif"|"video"} kind
 * @param {(share: number) => void} progress
 * @returns {Promise<void>}
 * @throws {Error} where the browser cannot record, or the library refuses
 */
export async function recordFilm(context, pictures, kind, progress) {
  const { player } = context;
  const before = player.position;
  player.pause();
  try {
    await (kind === "gif" ? gif : video)(context, pictures, progress);
  } finally {
    player.seek(before);
  }
}

/**
 * @param {Context} context
 * @param {Pictures} pictures
 * @param {(share: number) => void} progress
 */
async function gif(context, pictures, progress) {
  const canvas = h("canvas");
  /** @type {string[]} */
  const frames = [];
  for (let i = 0; i < GIF_FRAMES; i++) {
    context.player.seek(along(i / GIF_FRAMES));
    await painted();
    compose(context, pictures(), canvas, GIF_SIDE);
    frames.push(canvas.toDataURL("image/png").split(",")[1]);
    progress(i / GIF_FRAMES);
  }
  /** @type {Uint8Array} */
  const bytes = await new Promise((resolve, reject) => {
    context.link.request("gif", "gif", { frames, milliseconds: 80 },
      ({ arrays }) => resolve(/** @type {Uint8Array} */ (arrays.gif.data)), (message) => reject(new Error(message)));
  });
  save(new Blob([new Uint8Array(bytes)], { type: "image/gif" }), "unstir.gif");
}

/**
 * @param {Context} context
 * @param {Pictures} pictures
 * @param {(share: number) => void} progress
 */
async function video(context, pictures, progress) {
  const type = ["video/mp4", "video/webm;codecs=vp9", "video/webm"].find((one) =>
    typeof MediaRecorder === "function" && MediaRecorder.isTypeSupported(one));
  if (!type) throw new Error("This browser cannot record video; save a GIF.");
  const canvas = h("canvas");
  compose(context, pictures(), canvas, 0);
  const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: type, videoBitsPerSecond: 6e6 });
  /** @type {Blob[]} */
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
  recorder.start();
  const start = performance.now();
  for (let share = 0; share < 1; share = (performance.now() - start) / 1000 / VIDEO_SECONDS) {
    context.player.seek(along(share));
    await painted();
    compose(context, pictures(), canvas, 0);
    progress(share);
  }
  recorder.stop();
  await stopped;
  save(new Blob(parts, { type }), type.startsWith("video/mp4") ? "unstir.mp4" : "unstir.webm");
}

/**
 * A position there and back, with a rest at both ends.
 *
 * @param {number} share of the film
 */
function along(share) {
  const way = 1 - Math.abs(2 * share - 1);
  return Math.min(1, Math.max(0, way * 1.16 - 0.08));
}

function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
