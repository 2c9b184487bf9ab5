/** A question that a slider answers: the answer shows once the slider has got there, and stays. */

import { fill, h } from "../dom.js";
import { slider } from "../slider.js";

export class Question {
  /**
   * @param {Element} place with the words of the question, and its answer in [data-answer]
   * @param {{label: import("../dom.js").Child[], low: number, high: number, value: number, log?: boolean, whole?: boolean,
   *   show?: (value: number) => string, onChange: (value: number) => void}} asked
   */
  constructor(place, asked) {
    const answer = /** @type {HTMLElement} */ (place.querySelector("[data-answer]"));
    answer.remove();
    this.now = h("p", { class: "quiet now", "aria-live": "off" });
    this.answer = h("div", { class: "answer", role: "status" });
    this.words = [...answer.childNodes];
    this.open = false;
    this.give = h("button", { class: "button plain give", type: "button", onclick: () => this.reveal() }, "I give up, tell me");
    const asking = slider(asked);
    this.root = h("section", { class: "question", "aria-label": "A question" },
      h("h3", {}, "A question"), ...place.childNodes, asking.root, h("div", { class: "line" }, this.now, this.give), this.answer);
    place.replaceWith(this.root);
  }

  /** @param {string} text what the slider's place means */
  tell(text) {
    this.now.textContent = text;
  }

  /** Shows the answer. */
  reveal() {
    if (this.open) return;
    this.open = true;
    this.give.hidden = true;
    fill(this.answer, ...this.words);
    this.root.dataset.open = "";
  }
}
