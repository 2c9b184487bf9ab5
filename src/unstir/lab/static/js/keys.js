/** Keys for everything, and the page that lists them. */

import { dialogOpen, openDialog } from "./dialog.js";
import { h } from "./dom.js";

/** @typedef {import("./types.js").Context} Context */

/** @type {[string, string][]} */
const KEYS = [
  ["Space", "Play, pause"],
  ["← →", "Step back, step on"],
  ["Home End", "To the data, to the prior"],
  ["F  B", "Stir forward, unstir backward"],
  ["1 2 3 4", "Arrows, flow lines, density, the data"],
  ["C", "Compare with a second physics"],
  ["R", "New random numbers"],
  ["W", "Draw points of your own"],
  ["[  ]", "Slower, faster"],
  ["N  P", "Follow the next particle, the one before"],
  ["Esc", "Follow none; close what is open"],
  ["S", "Share, save, show the Python"],
  ["D", "Dark, light"],
  ["?", "These keys"],
];

const LAYERS = ["arrows", "lines", "density", "items"];
const SPEEDS = [0.25, 0.5, 1, 2];

/** Opens the list of keys. */
export function showHelp() {
  openDialog("Keys", [
    h("p", { class: "prose" },
      "Time runs from the data, on the left, to the prior, on the right. Stirring goes there by chance; unstirring " +
      "comes back along the field. Drag the time line, touch a particle to follow it, change the physics beside it."),
    h("dl", { class: "keys" }, ...KEYS.map(([key, what]) =>
      h("div", {}, h("dt", {}, ...key.split(/ +/).map((one) => h("kbd", {}, one))), h("dd", {}, what)))),
  ], { kind: "help" });
}

/**
 * Listens for keys that no field, button or dialog wants for itself.
 *
 * @param {Context} context
 * @param {{share: () => void, theme: () => void}} tools
 */
export function listen({ store, player }, tools) {
  /** @type {Record<string, () => void>} */
  const actions = {
    " ": () => player.toggle(),
    arrowleft: () => player.step(-1),
    arrowright: () => player.step(1),
    home: () => player.seek(0),
    end: () => player.seek(1),
    f: () => player.run(1),
    b: () => player.run(-1),
    r: () => store.set({ seed: store.get().seed + 1 }),
    s: tools.share,
    d: tools.theme,
    "?": showHelp,
    "[": () => speed(-1),
    "]": () => speed(1),
  };
  LAYERS.forEach((name, i) => {
    actions[String(i + 1)] = () => {
      const { layers } = store.get();
      store.set({ layers: layers.includes(name) ? layers.filter((one) => one !== name) : [...layers, name] });
    };
  });
  const speed = (/** @type {number} */ by) => {
    const at = SPEEDS.indexOf(store.get().speed) + by;
    store.set({ speed: SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at))] });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || dialogOpen()) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest("input, select, textarea, [contenteditable]")) return;
    if ((event.key === " " || event.key === "Enter") && target.closest("button, a, summary, [role]")) return;
    if (event.key.startsWith("Arrow") && target.closest("[role=radiogroup], nav")) return;
    const action = actions[event.key.toLowerCase()];
    if (action) {
      event.preventDefault();
      action();
    } else {
      dispatchEvent(new CustomEvent("unstir-key", { detail: event.key }));
    }
  });
}
