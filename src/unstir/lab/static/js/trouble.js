/** A line for what went wrong, which is seen only while there is something to say. */

import { h } from "./dom.js";

export class Trouble {
  constructor() {
    this.root = h("p", { class: "trouble", role: "alert", hidden: true });
  }

  /** @param {string} message "" where all is well */
  say(message) {
    this.root.hidden = !message;
    this.root.textContent = message;
  }
}
