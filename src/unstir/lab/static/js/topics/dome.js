/** Charges and their hemisphere: field lines up to a dome, evenly, and from even points of it down to the data. */

import { several } from "../chips.js";
import { fill, h } from "../dom.js";
import { DataChooser } from "../explore/data.js";
import { slider } from "../slider.js";
import { setTrack } from "../timeline.js";
import { Trouble } from "../trouble.js";
import { register } from "../views.js";
import { MovedFigure, following } from "./figure.js";
import { short, words } from "./plot.js";
import { among } from "./plate.js";
import { Space } from "./space.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {{data: import("../types.js").DataSpec, radius: number, lines: number, seed: number}} Options */

/** @extends {MovedFigure<Options>} */
export class DomeFigure extends MovedFigure {
  /**
   * @param {Context} context
   * @param {string} slot
   * @param {import("./figure.js").Hooks} [hooks]
   */
  constructor(context, slot, hooks) {
    super(context, slot, "hemisphere", "Field lines between charges and a dome", { ...hooks, kind: "dome" });
    this.flux = false;
    this.lines = true;
    this.plate.root.setAttribute("role", "application");
    this.plate.root.setAttribute("aria-roledescription", "three-dimensional figure, turned by the arrow keys");
    this.space = new Space(this.plate.root, () => this.plate.redraw());
    /** The line that is followed, or −1. */
    this.follow = -1;
    /** @type {import("./space.js").Seen[]} where the beads are */
    this.beads = [];
    this.root.addEventListener("click", (event) => this.pick(event));
    this.root.addEventListener("keydown", (event) => {
      const by = { n: 1, p: -1, Escape: 0 }[event.key];
      if (by === undefined || !this.beads.length) return;
      event.stopPropagation();
      this.follow = by ? (this.follow + by + this.beads.length) % this.beads.length : -1;
      this.plate.redraw();
    });
  }

  /** Follows the line whose bead is nearest, and no longer where none is near. @param {MouseEvent} event */
  pick(event) {
    if (this.space.dragged) return;
    const box = this.root.getBoundingClientRect();
    const far = this.beads.map(({ x, y }) => Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top)));
    const least = Math.min(...far);
    this.follow = least < 16 ? far.indexOf(least) : -1;
    this.plate.redraw();
  }

  /**
   * @param {number} position 0 at the charges, 1 at the dome
   * @param {1|-1} [direction]
   */
  draw(position, direction = this.direction) {
    if (direction === this.direction && Math.abs(position - this.position) > 1e-6 && !this.space.held && !this.context.player.calm.matches) {
      this.space.turn += 0.0016;
    }
    super.draw(position, direction);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height @param {Frame} frame */
  show(pen, width, height, frame) {
    const { palette } = this.context;
    const { radius, uneven } = frame.header;
    const { charges, up, down, dome, flux } = frame.arrays;
    const unit = Math.min(width * 0.44, height * 0.56) / radius;
    const see = this.space.view(width / 2, height * 0.66, unit, radius);
    this.shell(pen, see, radius, true);
    if (this.flux) this.charged(pen, see, dome, flux);
    const rising = this.direction > 0;
    const [paths, name] = rising ? [up, "warm"] : [down, "cool"];
    const [moments, lines] = paths.shape;
    const at = among(rising ? this.position : 1 - this.position, moments);
    const point = (/** @type {number} */ k, /** @type {number} */ i) => {
      const place = (k * lines + i) * 3;
      return see(paths.data[place], paths.data[place + 1], paths.data[place + 2]);
    };
    const whole = this.lines ? moments - 1 : -1;
    for (let i = 0; i < lines; i++) {
      const end = point(rising ? moments - 1 : 0, i);
      const fade = 1 - 0.65 * Math.min(1, Math.max(0, (end.depth + 1) / 2));
      if (whole > 0) trace(pen, point, i, whole, palette.rgba("ink", 0.1 * fade), 1);
      trace(pen, point, i, at.frame, palette.rgba(name, 0.55 * fade), 1.1, point(at.next, i), at.share);
    }
    this.beads = Array.from({ length: lines }, (_, i) => {
      const [a, b] = [point(at.frame, i), point(at.next, i)];
      return { x: a.x + (b.x - a.x) * at.share, y: a.y + (b.y - a.y) * at.share, depth: a.depth };
    });
    if (this.follow >= lines) this.follow = -1;
    if (this.follow >= 0) trace(pen, point, this.follow, moments - 1, palette.colours.ink, 2.4);
    for (const [i, a] of this.beads.entries()) {
      pen.beginPath();
      pen.arc(a.x, a.y, i === this.follow ? 5.5 : 2.1, 0, 2 * Math.PI);
      pen.fillStyle = palette.rgba(name, 0.95 - 0.5 * Math.min(1, Math.max(0, (a.depth + 1) / 2)));
      pen.fill();
    }
    pen.fillStyle = palette.colours.ink;
    for (let i = 0; i < charges.shape[0]; i++) {
      const { x, y } = see(charges.data[2 * i], charges.data[2 * i + 1], 0);
      pen.beginPath();
      pen.arc(x, y, 2.4, 0, 2 * Math.PI);
      pen.fill();
    }
    this.shell(pen, see, radius, false);
    const said = `evenly charged to ${uneven < 5e-4 ? short(100 * uneven) : (100 * uneven).toFixed(1)} %`;
    words(pen, said, width - 16, 20, { colour: palette.colours.soft, align: "right", font: "13px system-ui, sans-serif" });
    this.plate.say(`Field lines of ${charges.shape[0]} charges ${rising ? "rising to" : "falling from"} a dome of radius ${short(radius)}, ${said}. Arrow keys turn it.`);
  }

  /**
   * The dome itself: its rim on the plane, and three arches.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {(x: number, y: number, z: number) => import("./space.js").Seen} see
   * @param {number} radius
   * @param {boolean} behind whether the far half is drawn
   */
  shell(pen, see, radius, behind) {
    const { palette } = this.context;
    pen.lineWidth = 1;
    const arc = (/** @type {(a: number) => [number, number, number]} */ place, /** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ alpha) => {
      pen.strokeStyle = palette.rgba("soft", alpha);
      pen.beginPath();
      let last = see(...place(from));
      for (let k = 1; k <= 72; k++) {
        const next = see(...place(from + ((to - from) * k) / 72));
        if (last.depth + next.depth > 0 === behind) {
          pen.moveTo(last.x, last.y);
          pen.lineTo(next.x, next.y);
        }
        last = next;
      }
      pen.stroke();
    };
    arc((a) => [radius * Math.cos(a), radius * Math.sin(a), 0], 0, 2 * Math.PI, behind ? 0.5 : 0.8);
    for (const turn of [0, Math.PI / 3, (2 * Math.PI) / 3]) {
      arc((a) => [radius * Math.cos(a) * Math.cos(turn), radius * Math.cos(a) * Math.sin(turn), radius * Math.sin(a)], 0, Math.PI, behind ? 0.22 : 0.34);
    }
  }

  /**
   * How the flux through the dome differs from even.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {(x: number, y: number, z: number) => import("./space.js").Seen} see
   * @param {import("../types.js").NumberArray} dome
   * @param {import("../types.js").NumberArray} flux
   */
  charged(pen, see, dome, flux) {
    const { palette } = this.context;
    for (let i = 0; i < flux.data.length; i++) {
      const { x, y, depth } = see(dome.data[3 * i], dome.data[3 * i + 1], dome.data[3 * i + 2]);
      const off = Math.max(-1, Math.min(1, (flux.data[i] - 1) * 8));
      pen.beginPath();
      pen.arc(x, y, 2.6 - depth, 0, 2 * Math.PI);
      pen.fillStyle = palette.rgba(off > 0 ? "warm" : "cool", (0.06 + 0.7 * Math.abs(off)) * (depth > 0 ? 0.45 : 1));
      pen.fill();
    }
  }
}

/**
 * One line up to a moment, and a share of the way to the next.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {(k: number, i: number) => import("./space.js").Seen} point
 * @param {number} i
 * @param {number} last
 * @param {string} colour
 * @param {number} width
 * @param {import("./space.js").Seen} [next]
 * @param {number} [share]
 */
function trace(pen, point, i, last, colour, width, next, share = 0) {
  pen.beginPath();
  let end = point(0, i);
  pen.moveTo(end.x, end.y);
  for (let k = 1; k <= last; k++) {
    end = point(k, i);
    pen.lineTo(end.x, end.y);
  }
  if (next) pen.lineTo(end.x + (next.x - end.x) * share, end.y + (next.y - end.y) * share);
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.stroke();
}

register({
  name: "hemisphere",
  title: "Hemisphere",
  player: true,
  mount: (root, context) => {
    const { store, player } = context;
    const trouble = new Trouble();
    const figure = new DomeFigure(context, "dome", { onError: (message) => trouble.say(message) });
    const data = new DataChooser(context, () => store.set({ scene: "explore" }));
    const radius = slider({ label: [h("span", { class: "symbol" }, "R"), " radius of the dome"], low: 1.5, high: 24, log: true, value: 3,
      onChange: (value) => store.setExtra({ R: String(value) }) });
    const lines = slider({ label: ["lines"], low: 20, high: 500, log: true, whole: true, value: 240,
      onChange: (value) => store.setExtra({ lines: String(value) }) });
    const layers = several("What is drawn", [{ value: "flux", text: "Flux through the dome" }], (on) =>
      store.setExtra({ flux: on.length ? "1" : null }));
    fill(root, h("div", { class: "explore topic" },
      h("aside", { class: "margin", "aria-label": "Charges" },
        h("section", { class: "block" }, h("h2", {}, "Electrons and the hemisphere"),
          h("p", { class: "prose" }, "Your points are charges on a plane, in a space with one dimension more. Their field lines rise, and far away any charges look like one: the lines meet a large dome evenly. So a point drawn evenly on the dome, and carried down, is new data."),
          h("p", { class: "quiet" }, "Turn it with the mouse or the arrow keys; + and − come nearer and go. Follow one line by a click on its bead, or by N.")),
        data.root,
        h("section", { class: "block" }, h("h3", {}, "The dome"), radius.root, lines.root, layers.root)),
      h("section", { class: "figure", "aria-label": "Figure" }, trouble.root, figure.root)));
    const within = (/** @type {string|undefined} */ text, /** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ usual) => {
      const value = Number(text ?? NaN);
      return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : usual;
    };
    /** @param {import("../types.js").State} state @param {Set<string>} changed */
    const update = (state, changed) => {
      data.update(state, changed);
      const R = within(state.extra.R, 1.5, 24, 3);
      const n = Math.round(within(state.extra.lines, 20, 500, 240));
      radius.set(R);
      lines.set(n);
      layers.set(state.extra.flux ? ["flux"] : []);
      figure.flux = Boolean(state.extra.flux);
      if (!("images" in state.data)) figure.set({ data: state.data, radius: R, lines: n, seed: state.seed });
      figure.plate.redraw();
    };
    update(store.get(), new Set(["first"]));
    setTrack([], (position) => `${Math.round(100 * position)} % of the way up`);
    return following(player, [figure], update);
  },
});
