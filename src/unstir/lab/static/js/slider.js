/** Sliders of one number, by steps or by factors. */

import { h } from "./dom.js";
import { number } from "./names.js";

const STEPS = 400;

/** @param {number} value */
function short(value) {
  const said = number(value);
  return said.includes(".") && !said.includes("^") ? said.replace(/\.?0+$/, "") : said;
}

/**
 * @param {{label: import("./dom.js").Child[], low: number, high: number, value: number, log?: boolean,
 *   whole?: boolean, show?: (value: number) => string, onChange: (value: number) => void}} options
 * @returns {{root: HTMLElement, set: (value: number) => void}}
 */
export function slider({ label, low, high, value, log = false, whole = false, show = short, onChange }) {
  const id = `slider-${Math.random().toString(36).slice(2)}`;
  const out = h("output", { for: id });
  const input = h("input", { id, type: "range", min: 0, max: STEPS, step: 1, oninput: () => {
    const next = read();
    told(next);
    onChange(next);
  } });
  const read = () => {
    const share = Number(input.value) / STEPS;
    const raw = log ? low * (high / low) ** share : low + (high - low) * share;
    return Math.min(high, Math.max(low, whole ? Math.round(raw) : Number(raw.toPrecision(3))));
  };
  const told = (/** @type {number} */ now) => {
    const share = log ? Math.log(now / low) / Math.log(high / low) : (now - low) / (high - low);
    out.textContent = show(now);
    input.setAttribute("aria-valuetext", show(now));
    input.style.setProperty("--fill", `${Math.min(100, Math.max(0, share * 100))}%`);
    return share;
  };
  const set = (/** @type {number} */ now) => {
    input.value = String(Math.round(told(now) * STEPS));
  };
  set(value);
  return { root: h("div", { class: "slider" }, h("label", { for: id }, ...label), out, input), set };
}
