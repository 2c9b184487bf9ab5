/** Dialogs: the browser's own element, which keeps the focus and closes with Escape. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * Opens a dialog. It is taken off the page when it closes.
 *
 * @param {string} title
 * @param {Child[]} content
 * @param {{kind?: string, onclose?: () => void}} [options]
 * @returns {{close: () => void, element: HTMLDialogElement}}
 */
export function openDialog(title, content, { kind = "", onclose } = {}) {
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const close = () => element.close();
  const element = h("dialog", { class: `dialog ${kind}`, "aria-labelledby": id, autofocus: true, tabindex: -1 },
    h("header", {},
      h("h2", { id }, title),
      h("button", { class: "button plain icon", type: "button", "aria-label": "Close", onclick: close }, icon("close"))),
    h("div", { class: "dialog-body" }, ...content));
  element.addEventListener("close", () => {
    element.remove();
    onclose?.();
  });
  element.addEventListener("click", (event) => {
    if (event.target === element) close();
  });
  document.body.append(element);
  element.showModal();
  return { close, element };
}

/** @returns {boolean} whether one is open */
export function dialogOpen() {
  return document.querySelector("dialog[open]") !== null;
}
