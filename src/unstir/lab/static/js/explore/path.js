/** A path as the library answers it: states, or images, at moments from data to prior, whichever way it was walked. */

/** @typedef {import("../types.js").Frame} Frame */

export class Path {
  /** @param {Frame} frame of kind "path" */
  constructor({ header, arrays }) {
    const { times, states, images, mask, view, items } = arrays;
    const rising = times.data[0] <= times.data[times.data.length - 1];
    this.header = header;
    this.images = images ?? null;
    /** @type {import("../types.js").Numbers|null} 1 where a coin is masked */
    this.mask = mask && times.data[0] <= times.data[times.shape[0] - 1] ? mask.data : mask ? backwards(mask.data, times.shape[0]) : null;
    this.frames = times.shape[0];
    /** @type {number[]} */
    this.times = inOrder([...times.data], rising);
    /** @type {number[]} half of the window's lesser side */
    this.view = view ? inOrder([...view.data], rising) : [];
    /** @type {Float32Array|null} the data themselves, x and y in turn */
    this.items = items ? /** @type {Float32Array} */ (items.data) : null;
    /** Whether particle i of one frame is particle i of the next. */
    this.kept = header.particles !== false;
    const body = states ?? images;
    /** How many numbers a frame holds. */
    this.width = body.data.length / this.frames;
    this.count = body.shape[1];
    this.body = rising ? body.data : backwards(body.data, this.frames);
    /** @type {number[]} the place of each frame on the way */
    this.positions = this.times.map((_, i) => (this.frames > 1 ? i / (this.frames - 1) : 0));
  }

  /** @returns {Float32Array} `(frames, count, 2)` */
  get states() {
    return /** @type {Float32Array} */ (this.body);
  }

  /**
   * Puts the frames where another path's clock has them.
   *
   * @param {Path} master
   */
  follow(master) {
    this.positions = this.times.map((time) => master.positionOf(time));
  }

  /**
   * The frame at or before a position, and the share of the way to the next.
   *
   * @param {number} position
   * @returns {{frame: number, share: number}}
   */
  locate(position) {
    const place = bracket(this.positions, position);
    if (!this.kept) return { frame: Math.round(place.frame + place.share), share: 0 };
    return place;
  }

  /**
   * @param {number} position
   * @returns {number} the time on the process's clock
   */
  timeAt(position) {
    return along(this.times, bracket(this.positions, position));
  }

  /** @param {number} time */
  positionOf(time) {
    return along(this.positions, bracket(this.times, time));
  }

  /**
   * Half of the window there; in between it grows by factors.
   *
   * @param {number} position
   */
  halfAt(position) {
    const { frame, share } = bracket(this.positions, position);
    const [a, b] = [this.view[frame], this.view[Math.min(frame + 1, this.frames - 1)]];
    return a * (b / a) ** share;
  }

  /**
   * Where one particle is.
   *
   * @param {number} index
   * @param {number} frame
   * @returns {[number, number]}
   */
  at(index, frame) {
    const place = frame * this.width + 2 * index;
    return [this.states[place], this.states[place + 1]];
  }
}

/**
 * @param {number[]} values rising
 * @param {number} value
 * @returns {{frame: number, share: number}}
 */
function bracket(values, value) {
  let low = 0;
  let high = values.length - 1;
  if (high <= 0 || value <= values[0]) return { frame: 0, share: 0 };
  if (value >= values[high]) return { frame: high, share: 0 };
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle;
    else high = middle;
  }
  const gap = values[high] - values[low];
  return { frame: low, share: gap > 0 ? (value - values[low]) / gap : 0 };
}

/**
 * @param {number[]} values
 * @param {{frame: number, share: number}} place
 */
function along(values, { frame, share }) {
  const next = Math.min(frame + 1, values.length - 1);
  return values[frame] + (values[next] - values[frame]) * share;
}

/**
 * @param {number[]} values
 * @param {boolean} rising
 */
function inOrder(values, rising) {
  return rising ? values : values.reverse();
}

/**
 * @template {import("../types.js").Numbers} T
 * @param {T} data
 * @param {number} frames
 * @returns {T}
 */
function backwards(data, frames) {
  const turned = /** @type {T} */ (data.slice());
  const width = data.length / frames;
  for (let i = 0; i < frames; i++) turned.set(data.subarray(i * width, (i + 1) * width), (frames - 1 - i) * width);
  return turned;
}
