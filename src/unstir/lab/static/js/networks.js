/** Networks that this page has trained, by the slot they were trained in: their fields can be chosen elsewhere. */

/** @type {Set<string>} */
const trained = new Set();

/**
 * Offers the field "neural:<slot>".
 *
 * @param {string} slot
 */
export function offer(slot) {
  trained.add(slot);
}

/** @returns {string|undefined} the one offered last */
export function latest() {
  return [...trained].pop();
}
