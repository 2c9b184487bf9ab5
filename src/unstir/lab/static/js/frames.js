/**
 * The binary frames of the library's answers, little endian:
 *
 *     "UNS1", u32 length of the header, header (JSON, padded with spaces to a multiple of 8), arrays
 *
 * each array at a multiple of 8, counted from the end of the header.
 */

/** @typedef {import("./types.js").Frame} Frame */

const KINDS = { f4: Float32Array, u1: Uint8Array, u2: Uint16Array, i4: Int32Array };
const MAGIC = 0x31534e55; // "UNS1"
const decoder = new TextDecoder();

/**
 * One frame, and where the next would begin.
 *
 * @param {ArrayBuffer} buffer
 * @param {number} [start] a multiple of 8
 * @returns {{frame: Frame, end: number}}
 */
export function decode(buffer, start = 0) {
  const view = new DataView(buffer);
  if (buffer.byteLength < start + 8 || view.getUint32(start, true) !== MAGIC) {
    throw new Error("not a frame of unstir's");
  }
  const body = start + 8 + view.getUint32(start + 4, true);
  const header = JSON.parse(decoder.decode(new Uint8Array(buffer, start + 8, body - start - 8)));
  /** @type {Frame["arrays"]} */
  const arrays = {};
  let end = body;
  for (const { name, dtype, shape, offset } of header.arrays ?? []) {
    const Kind = KINDS[/** @type {keyof typeof KINDS} */ (dtype)];
    if (!Kind) throw new Error(`array ${name}: unknown kind ${dtype}`);
    const count = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    arrays[name] = { data: new Kind(buffer, body + offset, count), shape };
    end = Math.max(end, body + offset + count * Kind.BYTES_PER_ELEMENT);
  }
  return { frame: { header, arrays }, end: Math.ceil(end / 8) * 8 };
}

/**
 * All frames of a file.
 *
 * @param {ArrayBuffer} buffer
 * @returns {Frame[]}
 */
export function decodeAll(buffer) {
  const frames = [];
  for (let start = 0; start < buffer.byteLength; ) {
    const { frame, end } = decode(buffer, start);
    frames.push(frame);
    start = end;
  }
  return frames;
}
