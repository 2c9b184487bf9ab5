/** The views that the page has. A module brings its own by calling `register`, and a line in scenes.js. */

/** @typedef {import("./types.js").View} View */

/** @type {View[]} */
const known = [];

/**
 * Adds a view to the menu, in the order of the calls.
 *
 * @param {View} view
 */
export function register(view) {
  if (known.some((other) => other.name === view.name)) throw new Error(`view ${view.name} is there already`);
  known.push(view);
}

/** @returns {readonly View[]} */
export function views() {
  return known;
}

/**
 * The view of that name, or the first.
 *
 * @param {string} name
 * @returns {View}
 */
export function viewOf(name) {
  return known.find((view) => view.name === name) ?? known[0];
}
