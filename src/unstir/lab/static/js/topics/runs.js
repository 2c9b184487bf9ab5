/** Trained runs: their samples being born from noise, step by step, and the training images nearest to them. */

import { choice } from "../chips.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { mosaic } from "../learn/mosaic.js";
import { processTitle } from "../names.js";
import { slider } from "../slider.js";
import { setTrack } from "../timeline.js";
import { Trouble } from "../trouble.js";
import { register } from "../views.js";
import { words } from "./plot.js";
import { Plate } from "./plate.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */

/** @type {Record<string, string>} */
const SEEN = { hole: "A hole", lost: "Few pixels", small: "Half the size", blurred: "Blurred", noisy: "Noisy" };
const FONT = "13px system-ui, sans-serif";

/** The steps of one answer, as they come. */
class Birth {
  /** @param {Context} context @param {(message: string) => void} onError */
  constructor(context, onError) {
    this.context = context;
    this.onError = onError;
    /** @type {Frame[]} */
    this.steps = [];
    /** @type {Frame|null} */
    this.end = null;
    /** @type {Frame|null} what is seen of an image, where samples are to fit it */
    this.given = null;
    this.position = 0;
    const { palette } = context;
    this.states = new Plate(palette, "The states", (...given) => this.paintStates(...given));
    this.guesses = new Plate(palette, "What the network guesses", (...given) => this.paintGuesses(...given));
    this.nearest = new Plate(palette, "Samples and the nearest training images", (...given) => this.paintNearest(...given), "nearest");
    this.said = h("span", { class: "time" });
    const caption = (/** @type {string} */ title, /** @type {string} */ way, /** @type {Node} */ time) =>
      h("figcaption", {}, h("strong", {}, title), h("span", { class: "way" }, way), time);
    this.right = h("figure", { class: "panel backward" }, caption("Its guess", "what the data may be", h("span", { class: "time" })), this.guesses.root);
    this.root = h("div", { class: "births" },
      h("figure", { class: "panel backward" }, caption("The state", "noise → data", this.said), this.states.root),
      this.right, this.nearest.root);
    this.cancel = () => {};
  }

  /** @param {Record<string, unknown>} args */
  ask(args) {
    this.cancel();
    this.steps = [];
    this.end = null;
    this.given = null;
    this.states.wait(true);
    const { player } = this.context;
    this.cancel = this.context.link.request("born", "born", args, (frame) => {
      this.onError("");
      if (frame.header.done) {
        this.end = frame;
        this.states.wait(false);
      } else {
        this.steps.push(frame);
        if (frame.arrays.given) this.given = frame;
      }
      player.pause();
      player.position = frame.header.done ? 0 : 1 - frame.header.step / (frame.header.steps + 1);
      player.changed();
    }, (message) => {
      this.states.wait(false);
      this.onError(message);
    });
  }

  /** @param {number} position 1 at the noise, 0 at the samples */
  draw(position) {
    this.position = position;
    const { steps, end } = this.steps[0]?.header ? { steps: this.steps[0].header.steps, end: this.end } : { steps: 1, end: null };
    this.said.textContent = this.steps.length ? (end && position < 0.5 / (steps + 1) ? "done" : `step ${this.here()?.header.step ?? 0} of ${steps}`) : "";
    for (const plate of [this.states, this.guesses, this.nearest]) plate.redraw();
  }

  /** The step that is shown. */
  here() {
    const last = this.steps.length - 1;
    if (last < 0) return null;
    const total = this.end ? last : (this.steps[0].header.steps ?? last);
    return this.steps[Math.max(0, Math.min(last, Math.round((1 - this.position) * total)))];
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintStates(pen, width, height) {
    const here = this.here();
    if (!here) return;
    const { images, states } = this.end && this.position < 1e-6 ? this.end.arrays : here.arrays;
    if (images) this.tiled(pen, images, width, height);
    else if (states) this.scattered(pen, states, width, height);
    this.states.say(`States at step ${here.header.step} of ${here.header.steps}`);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintGuesses(pen, width, height) {
    const here = this.here();
    const guess = here?.arrays.guess ?? this.steps[1]?.arrays.guess;
    if (guess) this.tiled(pen, guess, width, height);
    else if (here) words(pen, "this process guesses odds, not images", width / 2, height / 2, { colour: this.context.palette.colours.soft, align: "center", font: FONT });
  }

  /** Images in a square of the plate. @param {CanvasRenderingContext2D} pen @param {import("../types.js").NumberArray} images @param {number} width @param {number} height */
  tiled(pen, images, width, height) {
    const side = Math.min(width, height) - 28;
    mosaic(pen, images, (width - side) / 2, (height - side) / 2, side);
  }

  /** @param {CanvasRenderingContext2D} pen @param {import("../types.js").NumberArray} states @param {number} width @param {number} height */
  scattered(pen, states, width, height) {
    const sizes = Array.from(states.data, Math.abs).sort((a, b) => a - b);
    const half = Math.max(1.2, 1.9 * sizes[Math.floor(0.8 * (sizes.length - 1))]);
    const unit = Math.min(width, height) / 2 / half;
    pen.fillStyle = this.context.palette.rgba("cool", 0.8);
    for (let i = 0; i < states.shape[0]; i++) {
      pen.beginPath();
      pen.arc(width / 2 + states.data[2 * i] * unit, height / 2 - states.data[2 * i + 1] * unit, 2, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  paintNearest(pen, width, height) {
    const { palette } = this.context;
    const soft = { colour: palette.colours.soft, font: FONT };
    let left = 16;
    if (this.given) {
      const side = Math.min(height - 46, 150, width / 5);
      for (const [name, text] of [["given", "what is seen"], ["clean", "what it was"]]) {
        mosaic(pen, this.given.arrays[name], left, 36, side);
        words(pen, text, left, 20, { ...soft, room: side + 12 });
        left += side + 14;
      }
      left += 10;
    }
    if (!this.end?.arrays.nearest) {
      words(pen, this.end?.header.unknown ?? "samples, and the training images nearest to them, once they are born", left, 20, { ...soft, room: width - left - 10 });
      return;
    }
    const { images, nearest, distance } = this.end.arrays;
    const tall = (height - 64) / 2;
    const count = Math.min(images.shape[0], Math.floor((width - left - 8) / (tall + 8)));
    words(pen, "samples, and under each the training image nearest to it; 1.0 is as far as real new images are", left, 20, { ...soft, room: width - left - 10 });
    for (let i = 0; i < count; i++) {
      mosaic(pen, one(images, i), left + i * (tall + 8), 34, tall);
      mosaic(pen, one(nearest, i), left + i * (tall + 8), 36 + tall, tall);
      if (distance) words(pen, distance.data[i].toFixed(2), left + i * (tall + 8) + tall * 0.46, height - 13, { ...soft, align: "center", colour: palette.colours[distance.data[i] < 0.3 ? "warm" : "soft"] });
    }
    this.nearest.say(`Samples lie ${this.end.header.median?.toFixed(2)} times as far from the nearest training image as new real images do, in the median`);
  }

  pictures() {
    return [[this.states.canvas], [this.guesses.canvas], [this.nearest.canvas]];
  }

  destroy() {
    this.cancel();
    for (const plate of [this.states, this.guesses, this.nearest]) plate.destroy();
  }
}

/**
 * One of several images.
 *
 * @param {import("../types.js").NumberArray} images
 * @param {number} index
 */
function one({ data, shape }, index) {
  const size = data.length / shape[0];
  return { data: data.subarray(index * size, (index + 1) * size), shape: [1, ...shape.slice(1)] };
}

/** What to do where there is no run yet. */
function first() {
  return h("section", { class: "empty prose", "aria-label": "No runs yet" },
    h("h2", {}, "No runs yet"),
    h("p", {}, "A run is a network that has been trained on data of yours. Here its samples are born step by step, with what it guesses on the way, and the training images nearest to them."),
    h("p", {}, "Train one in a terminal, here for a minute on the digits that come with unstir, and open the lab again in the same place:"),
    h("pre", { class: "code", tabindex: "0" }, "unstir train --data digits --minutes 1\nunstir lab"),
    h("p", {}, "A folder of your own pictures may stand in place of digits, and ", h("code", {}, "--runs FOLDER"),
      " says where runs are kept elsewhere. To watch a network learn right now, open ", h("a", { href: "#scene=train" }, "Train"), "."));
}

class Runs {
  /** @param {HTMLElement} root @param {Context} context */
  constructor(root, context) {
    this.context = context;
    this.trouble = new Trouble();
    this.birth = new Birth(context, (message) => this.trouble.say(message));
    this.choices = h("section", { class: "block" });
    this.about = h("p", { class: "quiet" });
    this.asked = "";
    this.told = "";
    const runs = context.catalog.runs;
    const list = h("select", { class: "select", "aria-label": "Run", onchange: () => this.set({ run: list.value, label: null, way: null, seen: null, count: null }) },
      ...runs.map((name) => h("option", { value: name }, name)));
    this.list = list;
    fill(root, runs.length ? h("div", { class: "explore topic" },
      h("aside", { class: "margin", "aria-label": "Run" },
        h("section", { class: "block" }, h("h2", {}, "Open a trained run"), h("div", { class: "block" }, list, this.about)),
        this.choices),
      h("section", { class: "figure", "aria-label": "Figure" }, this.trouble.root, this.birth.root)) : first());
    setTrack([], (position) => `${Math.round(100 * (1 - position))} % of the way from noise`);
    this.off = context.player.subscribe((player) => this.birth.draw(player.position));
    this.update();
  }

  /** @param {Record<string, string|null>} patch */
  set(patch) {
    this.context.store.setExtra(patch);
  }

  update() {
    const { catalog, link, store } = this.context;
    if (!catalog.runs.length) return;
    const { extra } = store.get();
    const run = catalog.runs.includes(extra.run) ? extra.run : catalog.runs[0];
    this.list.value = run;
    if (this.told !== run) {
      this.told = run;
      fill(this.choices);
      link.request("run", "run", { run }, ({ header }) => this.offer(header), (message) => this.trouble.say(message));
    }
    const wanted = JSON.stringify([run, extra.label, extra.way, extra.count, extra.guide, extra.seen, extra.item, extra.lot]);
    if (wanted === this.asked) return;
    this.asked = wanted;
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.ask(run), 120);
  }

  /** @param {string} run */
  ask(run) {
    const { extra } = this.context.store.get();
    const whole = (/** @type {string|undefined} */ text, /** @type {number} */ high) => Math.max(0, Math.min(high, Math.round(Number(text ?? 0)) || 0));
    /** @type {Record<string, unknown>} */
    const args = { run, n: this.header?.images === false ? 1000 : 16, seed: whole(extra.lot, 1e6) };
    if (extra.label) args.label = extra.label;
    if (extra.way) args.solver = extra.way;
    if (extra.count) args.steps = Math.max(1, whole(extra.count, 200));
    const guidance = Number(extra.guide ?? 1);
    if (guidance > 1 && extra.label && !extra.seen) args.guidance = Math.min(10, guidance);
    if (extra.seen && SEEN[extra.seen]) Object.assign(args, { task: extra.seen, item: whole(extra.item, 10000) });
    this.birth.ask(args);
  }

  /** What may be changed of a run. @param {Record<string, any>} header */
  offer(header) {
    const before = this.header?.images;
    this.header = header;
    this.about.textContent = `${processTitle(header.process)} on ${header.data}, ${header.network}, ${header.parameters.toLocaleString("en")} weights, ${header.step.toLocaleString("en")} steps.`;
    this.birth.right.hidden = !header.images;
    this.birth.nearest.root.hidden = !header.images;
    this.birth.root.classList.toggle("alone", !header.images);
    const { extra } = this.context.store.get();
    const parts = [];
    const solver = h("select", { class: "select", "aria-label": "Solver", onchange: () => this.set({ way: solver.value || null }) },
      ...header.solvers.map((/** @type {string} */ name, /** @type {number} */ i) => h("option", { value: i ? name : "" }, name)));
    solver.value = extra.way ?? "";
    const steps = slider({ label: ["steps"], low: 1, high: 100, log: true, whole: true, value: Number(extra.count) || header.usual,
      onChange: (value) => this.set({ count: String(value) }) });
    const dice = h("button", { class: "button", type: "button", onclick: () => this.set({ lot: String(1 + (Number(this.context.store.get().extra.lot) || 0)) }) }, icon("dice"), "Others");
    parts.push(h("h3", {}, "How"), solver, steps.root, h("div", { class: "row" }, dice));
    if (header.classes.length) {
      const classes = choice("Class", [{ value: "", text: "any" }, ...header.classes.slice(0, 40).map((/** @type {string} */ name) => ({ value: name, text: name }))],
        (value) => this.set({ label: value || null }));
      classes.set(extra.label ?? "");
      parts.push(h("h3", {}, "Class"), classes.root);
      if (header.guides) {
        const guide = slider({ label: ["guidance towards it"], low: 1, high: 6, value: Number(extra.guide) || 1, onChange: (value) => this.set({ guide: value > 1 ? String(value) : null }) });
        parts.push(guide.root);
      }
    }
    if (header.tasks.length) {
      const seen = choice("What is seen", [{ value: "", text: "Nothing" }, ...header.tasks.map((/** @type {string} */ name) => ({ value: name, text: SEEN[name] }))],
        (value) => this.set({ seen: value || null }));
      seen.set(extra.seen ?? "");
      const other = h("button", { class: "button", type: "button", onclick: () => this.set({ item: String(1 + (Number(this.context.store.get().extra.item) || 0)) }) }, "Another image");
      parts.push(h("h3", {}, "Given what is seen of an image"), seen.root, h("div", { class: "row" }, other));
    }
    fill(this.choices, ...parts);
    if (before !== undefined && before !== header.images) this.ask(header.run);
    else if (before === undefined && !header.images) this.ask(header.run);
  }

  pictures() {
    return this.birth.pictures();
  }

  destroy() {
    clearTimeout(this.soon);
    this.off();
    this.birth.destroy();
  }
}

register({
  name: "runs",
  title: "Runs",
  player: ({ runs }) => runs.length > 0,
  fits: () => !document.querySelector('meta[name="unstir-runs"]'),
  mount: (root, context) => {
    const runs = new Runs(root, context);
    return { update: () => runs.update(), pictures: () => runs.pictures(), destroy: () => runs.destroy() };
  },
});
