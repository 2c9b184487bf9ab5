/** The page's colours, as the style sheet says them, for whoever draws; and the choice of light and dark. */

const NAMES = ["paper", "plate", "ink", "soft", "line", "warm", "warm-2", "cool", "cool-2", "accent"];
const KEY = "unstir-theme";

export class Palette {
  constructor() {
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.query = matchMedia("(prefers-color-scheme: dark)");
    this.query.addEventListener("change", () => this.apply());
    /** @type {string} "auto", "light" or "dark" */
    this.choice = stored();
    this.dark = false;
    /** @type {Record<string, string>} "#rrggbb" by name */
    this.colours = {};
    this.apply();
  }

  /**
   * Tells of a change of colours until the function that comes back is called.
   *
   * @param {() => void} listener
   * @returns {() => void}
   */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Light to dark, or back. */
  toggle() {
    const wanted = this.dark ? "light" : "dark";
    this.choice = wanted === (this.query.matches ? "dark" : "light") ? "auto" : wanted;
    try {
      localStorage.setItem(KEY, this.choice);
    } catch {
      // A browser that keeps nothing: the choice lasts as long as the page.
    }
    this.apply();
  }

  apply() {
    this.dark = this.choice === "dark" || (this.choice === "auto" && this.query.matches);
    document.documentElement.dataset.theme = this.dark ? "dark" : "light";
    const style = getComputedStyle(document.documentElement);
    for (const name of NAMES) this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    for (const listener of [...this.listeners]) listener();
  }

  /**
   * Red, green and blue in 0…1.
   *
   * @param {string} name
   * @returns {[number, number, number]}
   */
  rgb(name) {
    const value = parseInt((this.colours[name] || "#808080").slice(1), 16);
    return [(value >> 16 & 255) / 255, (value >> 8 & 255) / 255, (value & 255) / 255];
  }

  /**
   * A colour with an opacity, for Canvas 2D.
   *
   * @param {string} name
   * @param {number} alpha
   * @returns {string}
   */
  rgba(name, alpha) {
    const [r, g, b] = this.rgb(name).map((x) => Math.round(x * 255));
    return `rgba(${r}, ${g}, ${b}, ${alpha})`;
  }
}

/** @returns {string} */
function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto";
  }
}
