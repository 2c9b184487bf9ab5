/**
 * The time line under the view: stir, unstir, play, step, speed, and the scrubber, whose track is drawn by the
 * entropy of what is shown, where the library has said it.
 */

import { brush, fill, h } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {import("./types.js").Context} Context */

const SPEEDS = [0.25, 0.5, 1, 2];

export class Timeline {
  /**
   * @param {HTMLElement} root
   * @param {Context} context
   */
  constructor(root, context) {
    this.context = context;
    const { player, store } = context;
    this.said = "";
    /** @type {boolean|null} */
    this.shown = null;
    this.rate = 0;
    this.toggle = button("play", "Play (space)", () => player.toggle(), "button first icon");
    this.stir = h("button", { class: "button plain stir", type: "button", title: "From data to prior (F)",
      onclick: () => player.run(1) }, "Stir", icon("forward"));
    this.unstir = h("button", { class: "button plain unstir", type: "button", title: "From prior to data (B)",
      onclick: () => player.run(-1) }, icon("back"), "Unstir");
    this.speed = h("button", { class: "button plain speed", type: "button", onclick: () => this.faster() });
    this.range = h("input", { type: "range", min: 0, max: 1000, step: 1, "aria-label": "Time, from data to prior",
      class: "scrub", oninput: () => player.seek(Number(this.range.value) / 1000) });
    this.range.addEventListener("keydown", (event) => this.key(event));
    this.curve = h("canvas", { class: "curve", "aria-hidden": "true" });
    /** @type {number[]} heights of the track, 0…1 */
    this.heights = [];
    /** @type {(position: number) => string} */
    this.clock = (position) => `${Math.round(position * 100)} %`;
    fill(
      root,
      h("div", { class: "scrubber" }, this.curve, this.range,
        h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, "data"), h("span", {}, "prior"))),
      h("div", { class: "transport" },
        this.unstir,
        button("previous", "Step back (←)", () => player.step(-1)),
        this.toggle,
        button("next", "Step on (→)", () => player.step(1)),
        this.stir,
        this.speed),
    );
    player.subscribe(() => this.show());
    context.palette.subscribe(() => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.curve);
    addEventListener("unstir-track", (event) => this.track(/** @type {CustomEvent} */ (event).detail));
    store.subscribe((_, changed) => changed.has("speed") && this.show());
    this.playing = false;
    player.subscribe((now) => {
      if (this.playing && !now.playing) store.set({ t: now.position });
      this.playing = now.playing;
      if (!now.playing) store.set({ t: Math.round(now.position * 1e4) / 1e4 });
    });
    this.show();
  }

  /** @param {{heights: number[], clock: (position: number) => string}} detail */
  track({ heights, clock }) {
    this.heights = heights;
    this.clock = clock;
    this.show();
    this.draw();
  }

  faster() {
    const at = SPEEDS.indexOf(this.context.store.get().speed);
    this.context.store.set({ speed: SPEEDS[(at + 1) % SPEEDS.length] });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { player } = this.context;
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -8, PageUp: 8 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    player.step(step);
  }

  show() {
    const { player, store } = this.context;
    const value = Math.round(player.position * 1000);
    if (Number(this.range.value) !== value) this.range.value = String(value);
    const said = this.clock(player.position);
    if (this.said !== said) {
      this.said = said;
      this.range.setAttribute("aria-valuetext", said);
    }
    if (this.shown !== player.playing) {
      this.shown = player.playing;
      fill(this.toggle, icon(player.playing ? "pause" : "play"));
      this.toggle.setAttribute("aria-label", player.playing ? "Pause" : "Play");
    }
    const { speed } = store.get();
    if (this.rate !== speed) {
      this.rate = speed;
      fill(this.speed, `${speed}×`);
      this.speed.setAttribute("aria-label", `Speed ${speed}, change`);
    }
    const way = player.playing ? (player.direction > 0 ? "forward" : "backward") : "";
    if (this.range.dataset.way !== way) {
      this.range.dataset.way = way;
      this.stir.toggleAttribute("data-on", way === "forward");
      this.unstir.toggleAttribute("data-on", way === "backward");
    }
  }

  draw() {
    const { width, height } = this.curve.getBoundingClientRect();
    if (!width) return;
    const pen = brush(this.curve, width, height);
    const { palette } = this.context;
    const { heights } = this;
    if (heights.length < 2) return;
    const y = (/** @type {number} */ value) => height - 2 - value * (height - 6);
    const shade = pen.createLinearGradient(0, 0, width, 0);
    shade.addColorStop(0, palette.rgba("cool", 0.9));
    shade.addColorStop(1, palette.rgba("warm", 0.9));
    const trace = () => heights.forEach((value, i) => pen.lineTo((i / (heights.length - 1)) * width, y(value)));
    pen.beginPath();
    trace();
    pen.strokeStyle = shade;
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    pen.stroke();
    pen.beginPath();
    pen.moveTo(0, height);
    trace();
    pen.lineTo(width, height);
    pen.globalAlpha = 0.13;
    pen.fillStyle = shade;
    pen.fill();
    pen.globalAlpha = 1;
  }
}

/**
 * Gives the scrubber's track its shape and its clock.
 *
 * @param {number[]} heights 0…1, evenly along the way; empty for a plain line
 * @param {(position: number) => string} clock what a position is called
 */
export function setTrack(heights, clock) {
  dispatchEvent(new CustomEvent("unstir-track", { detail: { heights, clock } }));
}

/**
 * @param {string} name of the icon
 * @param {string} label
 * @param {() => void} onclick
 * @param {string} [kind]
 */
function button(name, label, onclick, kind = "button plain icon") {
  return h("button", { class: kind, type: "button", "aria-label": label, title: label, onclick }, icon(name));
}
