/** Seven short chapters that tell the story, with figures that live. */

import { fill, h } from "../dom.js";
import { register } from "../views.js";
import { CHAPTERS } from "./chapters.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("./live.js").Live} Live */

class Learn {
  /** @param {HTMLElement} root @param {Context} context */
  constructor(root, context) {
    this.root = root;
    this.context = context;
    /** @type {Live[]} */
    this.lives = [];
    this.number = 0;
    this.turn = 0;
    this.contents = h("nav", { class: "contents", "aria-label": "Chapters" });
    this.article = h("article", { class: "chapter" });
    fill(root, h("div", { class: "learn" }, this.contents, this.article));
    this.update();
  }

  update() {
    const asked = Number(this.context.store.get().extra.chapter ?? 1);
    const number = Number.isInteger(asked) && asked >= 1 && asked <= CHAPTERS.length ? asked : 1;
    if (number === this.number) return;
    this.number = number;
    this.open(number);
  }

  /** @param {number} number from 1 */
  async open(number) {
    const turn = ++this.turn;
    const { name, title, build } = CHAPTERS[number - 1];
    fill(this.contents, h("ol", {}, ...CHAPTERS.map((chapter, i) => h("li", {}, this.to(i + 1, [h("span", { class: "numeral" }, String(i + 1)), h("span", { class: "name" }, chapter.title)])))));
    const answer = await fetch(`chapters/${name}.html`);
    const text = answer.ok ? await answer.text() : "<p>This chapter could not be loaded. Please reload the page.</p>";
    if (turn !== this.turn) return;
    this.clear();
    const words = new DOMParser().parseFromString(text, "text/html").body;
    const before = number > 1 && this.to(number - 1, [h("span", { class: "quiet" }, "Before"), CHAPTERS[number - 2].title]);
    const after = number < CHAPTERS.length && this.to(number + 1, [h("span", { class: "quiet" }, "Next"), CHAPTERS[number].title]);
    fill(this.article,
      h("header", {}, h("p", { class: "eyebrow" }, `Chapter ${number} of ${CHAPTERS.length}`), h("h2", { class: "chapter-title" }, title)),
      h("div", { class: "prose body" }, ...words.childNodes),
      h("nav", { class: "turns", "aria-label": "Next and before" }, before || h("span"), after || h("span")));
    const find = (/** @type {string} */ kind) => /** @type {Element} */ (this.article.querySelector(kind));
    if (answer.ok) {
      build(this.context, {
        figure: (figure) => find(`[data-figure="${figure}"]`),
        question: find("[data-question]"),
        put: (figure, live) => {
          this.lives.push(live);
          if (figure) find(`[data-figure="${figure}"]`).replaceWith(live.root);
          return live;
        },
      });
    }
    document.title = `${title} · unstir lab`;
    this.root.scrollTop = 0;
  }

  /** @param {number} number @param {import("../dom.js").Child[]} words */
  to(number, words) {
    return h("a", { href: `#scene=learn&chapter=${number}`, "aria-current": number === this.number ? "true" : undefined,
      onclick: (/** @type {MouseEvent} */ event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        this.context.store.setExtra({ chapter: number === 1 ? null : String(number) });
        this.context.store.write();
      } }, ...words);
  }

  clear() {
    for (const live of this.lives) live.destroy();
    this.lives = [];
  }

  destroy() {
    this.turn++;
    this.clear();
  }
}

register({
  name: "learn",
  title: "Learn",
  player: false,
  mount: (root, context) => {
    const learn = new Learn(root, context);
    return { update: () => learn.update(), destroy: () => learn.destroy() };
  },
});
