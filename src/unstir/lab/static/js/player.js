/**
 * The clock of the page: a position from data (0) to prior (1), that plays, pauses and steps. Playing goes up to
 * the prior (stirring) and down again to the data (unstirring), with a rest at both ends.
 */

const PASS = 7; // seconds from data to prior at speed 1
const REST = 0.9; // seconds at either end
const CALM = 4; // steps a second where motion is to be reduced

/** @typedef {(player: Player) => void} Listener */

export class Player {
  constructor() {
    this.position = 0;
    /** @type {1|-1} */
    this.direction = 1;
    this.playing = false;
    this.speed = 1;
    /** How many frames there are: what a step moves by. */
    this.frames = 48;
    /** @type {Set<Listener>} */
    this.listeners = new Set();
    this.rest = 0;
    this.last = 0;
    this.request = 0;
    this.once = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /**
   * Tells of every change, at most once a picture, until the function that comes back is called.
   *
   * @param {Listener} listener
   * @returns {() => void}
   */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Goes on from here; from an end, inwards. */
  play() {
    if (this.position >= 1) this.direction = -1;
    if (this.position <= 0) this.direction = 1;
    this.once = false;
    this.start();
  }

  /**
   * Runs once to the prior (1) or to the data (-1), from the other end if it is there already.
   *
   * @param {1|-1} direction
   */
  run(direction) {
    this.direction = direction;
    if (direction > 0 ? this.position >= 1 : this.position <= 0) this.position = direction > 0 ? 0 : 1;
    this.once = true;
    this.start();
  }

  pause() {
    this.playing = false;
    this.changed();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /**
   * Goes to a position, and stays.
   *
   * @param {number} position
   */
  seek(position) {
    const next = Math.min(1, Math.max(0, position));
    if (next !== this.position) this.direction = next > this.position ? 1 : -1;
    this.position = next;
    this.playing = false;
    this.changed();
  }

  /**
   * Goes so many frames on, to a frame.
   *
   * @param {number} count
   */
  step(count) {
    const last = Math.max(1, this.frames - 1);
    const here = this.position * last;
    this.seek((count > 0 ? Math.floor(here + 1e-6) : Math.ceil(here - 1e-6)) / last + count / last);
  }

  start() {
    this.playing = true;
    this.rest = 0;
    this.last = 0;
    this.changed();
  }

  /** Asks for one more telling. */
  changed() {
    if (!this.request) this.request = requestAnimationFrame((now) => this.tick(now));
  }

  /** @param {number} now milliseconds */
  tick(now) {
    this.request = 0;
    if (this.playing) {
      const passed = this.last ? Math.min(0.1, (now - this.last) / 1000) : 0;
      this.last = now;
      this.advance(passed);
      this.changed();
    }
    for (const listener of [...this.listeners]) listener(this);
  }

  /** @param {number} seconds */
  advance(seconds) {
    if (this.rest > 0) {
      this.rest -= seconds;
      return;
    }
    let move = (seconds * this.speed) / PASS;
    if (this.calm.matches) {
      this.waited = (this.waited ?? 0) + seconds;
      if (this.waited < 1 / CALM) return;
      move = (this.waited * this.speed) / PASS;
      this.waited = 0;
    }
    this.position = Math.min(1, Math.max(0, this.position + this.direction * move));
    if (this.position !== (this.direction > 0 ? 1 : 0)) return;
    if (this.once) {
      this.playing = false;
      return;
    }
    this.direction = this.direction > 0 ? -1 : 1;
    this.rest = REST;
  }
}
