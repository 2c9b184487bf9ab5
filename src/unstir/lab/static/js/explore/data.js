/** The data: presets, and points of one's own: drawn, a word, a picture, numbers. */

import { choice } from "../chips.js";
import { openDialog } from "../dialog.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { dataLabel, parseProcess } from "../names.js";
import { shrink } from "./upload.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").State} State */
/** @typedef {import("../types.js").DataSpec} DataSpec */

export class DataChooser {
  /**
   * @param {Context} context
   * @param {() => void} onDraw
   */
  constructor(context, onDraw) {
    this.context = context;
    const { catalog } = context;
    this.presets = choice("Presets", catalog.presets.map(({ name }) => ({ value: name, text: dataLabel(name) })),
      (value) => {
        const kind = catalog.presets.find(({ name }) => name === value)?.kind;
        this.set(kind === "images" ? { images: value } : { preset: value });
      });
    this.file = h("input", { type: "file", accept: "image/*,.csv,.txt,.tsv", hidden: true, "aria-label": "A picture or a file of numbers",
      onchange: () => this.take(this.file.files?.[0] ?? null) });
    this.word = h("input", { class: "text", maxlength: 24, placeholder: "a word", "aria-label": "Word",
      autocomplete: "off", spellcheck: "false", oninput: () => this.type() });
    this.wordRow = h("div", { class: "word", hidden: true }, this.word);
    this.own = h("p", { class: "quiet own", hidden: true });
    const own = (/** @type {string} */ name, /** @type {string} */ text, /** @type {() => void} */ onclick) =>
      h("button", { class: "way-in", type: "button", "data-way": name, onclick }, icon(name), h("span", {}, text));
    this.ways = h("div", { class: "ways", hidden: catalog.static },
      own("draw", "Draw", onDraw),
      own("word", "Word", () => this.openWord()),
      own("picture", "Picture", () => this.file.click()),
      own("numbers", "Numbers", () => this.paste()));
    this.root = h("section", { class: "block" }, h("h2", { class: "eyebrow" }, "Data"), this.presets.root, this.ways, this.wordRow, this.own, this.file);
    if (catalog.static) return;
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer?.files[0] ?? null);
    });
  }

  /** @param {DataSpec} data */
  set(data) {
    const { store, catalog } = this.context;
    /** @type {Partial<State>} */
    const patch = { data, follow: "" };
    const info = catalog.processes.find(({ name }) => name === parseProcess(store.get().process).name);
    if (info && !("images" in data ? info.images : info.generates2d)) patch.process = "poisson:D=1";
    store.set(patch);
  }

  openWord() {
    this.wordRow.hidden = false;
    this.word.focus();
    this.word.select();
    if (!this.word.value) this.word.value = "unstir";
    this.type();
  }

  type() {
    clearTimeout(this.typing);
    const word = this.word.value.trim();
    if (word) this.typing = setTimeout(() => this.set({ word }), 200);
  }

  /** @param {File|null} file */
  async take(file) {
    this.file.value = "";
    if (!file) return;
    try {
      if (file.type.startsWith("image/")) this.set({ picture: await shrink(file) });
      else if (file.size > 1e6) throw new Error(`${file.name}: is larger than 1 MB; give fewer numbers.`);
      else this.set({ numbers: await file.text() });
    } catch (error) {
      this.context.notice(String(/** @type {Error} */ (error).message), "error");
    }
  }

  paste() {
    const { data } = this.context.store.get();
    const text = h("textarea", { class: "text", rows: 8, spellcheck: "false", "aria-label": "Two columns of numbers",
      placeholder: "x, y\n0.1, 0.2\n-1.3, 0.8" });
    if ("numbers" in data) text.value = data.numbers;
    const { close } = openDialog("Numbers", [
      h("p", { class: "prose" }, "Two columns, a point a line, as a spreadsheet copies them."),
      text,
      h("div", { class: "row end" },
        h("button", { class: "button", type: "button", onclick: () => { this.file.click(); close(); } }, "Open a file…"),
        h("button", { class: "button first", type: "button", onclick: () => {
          if (text.value.trim()) this.set({ numbers: text.value });
          close();
        } }, "Use them")),
    ]);
    text.focus();
  }

  /**
   * @param {State} state
   * @param {Set<string>} changed
   */
  update(state, changed) {
    if (!changed.has("first") && !changed.has("data")) return;
    const { data } = state;
    this.presets.set("preset" in data ? data.preset : "images" in data ? data.images : "");
    this.wordRow.hidden = !("word" in data) && document.activeElement !== this.word;
    if ("word" in data && document.activeElement !== this.word) this.word.value = data.word;
    const way = "points" in data ? "draw" : "word" in data ? "word" : "picture" in data ? "picture" : "numbers" in data ? "numbers" : "";
    for (const one of this.ways.children) one.toggleAttribute("data-on", /** @type {HTMLElement} */ (one).dataset.way === way);
    const count = "points" in data ? data.points.length : 0;
    this.own.hidden = !count;
    fill(this.own, count === 1 ? "One point: an electron and its field." : `${count.toLocaleString("en")} points of your own.`);
  }
}
