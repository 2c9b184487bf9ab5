/** Choices in a row: one of several, by arrow keys as the web's authors' practice has it, or any of several. */

import { fill, h } from "./dom.js";

/**
 * @param {string} label of the group
 * @param {{value: string, text: string, title?: string}[]} options
 * @param {(value: string) => void} onChange
 * @param {string} [kind] class of the group
 * @returns {{root: HTMLElement, set: (value: string) => void}}
 */
export function choice(label, options, onChange, kind = "chips") {
  const chips = options.map(({ value, text, title }) =>
    h("button", { class: "chip", type: "button", role: "radio", title, "data-value": value, onclick: () => pick(value) }, text));
  const root = h("div", { class: kind, role: "radiogroup", "aria-label": label }, ...chips);
  const pick = (/** @type {string} */ value) => {
    set(value);
    onChange(value);
  };
  const set = (/** @type {string} */ value) => {
    let some = false;
    for (const chip of chips) {
      const on = chip.dataset.value === value;
      some ||= on;
      chip.setAttribute("aria-checked", String(on));
      chip.tabIndex = on ? 0 : -1;
    }
    if (!some && chips.length) chips[0].tabIndex = 0;
  };
  root.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = chips.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    if (!by || at < 0) return;
    event.preventDefault();
    const next = chips[(at + by + chips.length) % chips.length];
    next.focus();
    pick(next.dataset.value ?? "");
  });
  set("");
  return { root, set };
}

/**
 * @param {string} label of the group
 * @param {{value: string, text: string, title?: string}[]} options
 * @param {(values: string[]) => void} onChange
 * @returns {{root: HTMLElement, set: (values: string[]) => void}}
 */
export function several(label, options, onChange) {
  /** @type {string[]} */
  let on = [];
  const chips = options.map(({ value, text, title }) =>
    h("button", { class: "chip", type: "button", title, "data-value": value, onclick: () => {
      set(on.includes(value) ? on.filter((one) => one !== value) : [...on, value]);
      onChange(on);
    } }, text));
  const set = (/** @type {string[]} */ values) => {
    on = values;
    for (const chip of chips) chip.setAttribute("aria-pressed", String(on.includes(chip.dataset.value ?? "")));
  };
  const root = h("div", { class: "chips", role: "group", "aria-label": label });
  fill(root, ...chips);
  set([]);
  return { root, set };
}
