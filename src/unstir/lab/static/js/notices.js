/** Short words at the edge of the page, gone after a while. */

import { byId, h } from "./dom.js";

const STAY = 6000; // milliseconds

/**
 * Says something; what is said already is not said twice.
 *
 * @param {string} text
 * @param {"info"|"error"} [kind]
 */
export function notice(text, kind = "info") {
  const root = byId("notices");
  if ([...root.children].some((child) => child.textContent === text)) return;
  const line = h("p", { class: `notice ${kind}` }, text);
  root.append(line);
  setTimeout(() => line.remove(), STAY);
}

/**
 * A notice that stays until it is shown no more.
 *
 * @param {string} text
 * @returns {(shown: boolean) => void}
 */
export function standing(text) {
  const line = h("p", { class: "notice" }, h("span", { class: "dot" }), text);
  return (shown) => {
    if (shown) byId("notices").append(line);
    else line.remove();
  };
}
