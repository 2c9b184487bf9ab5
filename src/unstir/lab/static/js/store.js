/** The page's state: one plain object, told to whoever listens, and kept in the link. */

import { fromHash, toHash } from "./address.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {(state: State, changed: Set<string>) => void} Listener */

const SETTLE = 250; // milliseconds until the link follows

export class Store {
  /** @param {State} initial */
  constructor(initial) {
    this.state = initial;
    /** @type {Set<Listener>} */
    this.listeners = new Set();
    this.timer = 0;
    addEventListener("hashchange", () => this.read());
  }

  /** @returns {State} */
  get() {
    return this.state;
  }

  /**
   * Changes some of it.
   *
   * @param {Partial<State>} patch
   */
  set(patch) {
    /** @type {Set<string>} */
    const changed = new Set();
    for (const [key, value] of Object.entries(patch)) {
      const old = this.state[/** @type {keyof State} */ (key)];
      if (JSON.stringify(old) !== JSON.stringify(value)) changed.add(key);
    }
    if (!changed.size) return;
    this.state = { ...this.state, ...patch };
    for (const listener of [...this.listeners]) listener(this.state, changed);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.write(), SETTLE);
  }

  /**
   * Changes what other views keep in the link; null takes a key away.
   *
   * @param {Record<string, string|null>} patch
   */
  setExtra(patch) {
    const extra = { ...this.state.extra };
    for (const [key, value] of Object.entries(patch)) {
      if (value === null) delete extra[key];
      else extra[key] = value;
    }
    this.set({ extra });
  }

  /**
   * Tells of changes until the function that comes back is called.
   *
   * @param {Listener} listener
   * @returns {() => void}
   */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Puts the state into the link. */
  write() {
    clearTimeout(this.timer);
    history.replaceState(null, "", toHash(this.state) || location.pathname);
  }

  /** Takes the state from the link. */
  read() {
    if (location.hash !== toHash(this.state)) this.set(fromHash(location.hash));
  }
}
