/** One physics on the data: asks the library for its two paths and its field, and hands them to two plates. */

import { setTrack } from "../timeline.js";
import { number } from "../names.js";
import { Panel } from "./panel.js";
import { Path } from "./path.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").State} State */
/** @typedef {"forward"|"backward"} Direction */

const FRAMES = 48;
const IMAGES = 16;
const PAUSE = 60; // milliseconds between questions for paths
const TRACK = 97; // places of the scrubber's track
const DIRECTIONS = /** @type {const} */ (["forward", "backward"]);

export class Experiment {
  /**
   * @param {Context} context
   * @param {{suffix: string, process: (state: State) => string, onError: (message: string) => void}} own
   *   `suffix` tells its slots apart, `process` says which physics of the state it shows
   */
  constructor(context, { suffix, process, onError }) {
    this.context = context;
    this.suffix = suffix;
    this.process = process;
    this.onError = onError;
    /** @type {Record<Direction, Panel>} */
    this.panels = {
      forward: new Panel("forward", context, (index) => this.pick("f", index)),
      backward: new Panel("backward", context, (index) => this.pick("b", index)),
    };
    /** @type {Partial<Record<Direction, Path>>} */
    this.paths = {};
    /** @type {Map<string, () => void>} */
    this.asked = new Map();
    this.fieldWanted = "";
    this.fieldBusy = false;
    this.pausing = 0;
    this.again = false;
    this.live = true;
    /** @type {number[]} the entropy along the way, 0…1 */
    this.curve = [];
    /** Of which data and process it is. */
    this.curveOf = "";
  }

  /** Asks for both paths; while a slider is moved, now and then. */
  ask() {
    if (this.pausing) {
      this.again = true;
      for (const panel of Object.values(this.panels)) panel.wait(true);
      return;
    }
    this.again = false;
    this.pausing = setTimeout(() => {
      this.pausing = 0;
      if (this.again && this.live) this.ask();
    }, PAUSE);
    const state = this.context.store.get();
    this.fieldWanted = "";
    for (const direction of DIRECTIONS) this.askPath(state, direction);
    this.askLines();
  }

  /**
   * @param {State} state
   * @param {Direction} direction
   */
  askPath(state, direction) {
    const images = "images" in state.data;
    /** @type {Record<string, unknown>} */
    const args = { data: state.data, process: this.process(state), n: images ? IMAGES : state.n, frames: FRAMES,
      seed: state.seed, direction, field: state.field };
    if (state.solver && direction === "backward" && !this.suffix) args.solver = state.solver;
    if (state.steps && direction === "backward" && !this.suffix) args.steps = state.steps;
    const panel = this.panels[direction];
    panel.wait(true);
    this.request(direction, "path", args, (frame) => {
      if (frame.header.done !== false) panel.wait(false);
      this.paths[direction] = new Path(frame);
      this.arrange(direction);
    }, () => panel.wait(false));
  }

  /**
   * Puts what has come on its plate, the forward path's clock over both.
   *
   * @param {Direction} came
   */
  arrange(came) {
    const { forward, backward } = this.paths;
    const master = forward ?? backward;
    if (!master) return;
    if (forward && backward) {
      if (Boolean(forward.images) !== Boolean(backward.images)) return;
      backward.follow(forward);
    }
    for (const direction of DIRECTIONS) {
      const path = this.paths[direction];
      const panel = this.panels[direction];
      if (path && (direction === came || panel.path !== path)) panel.show(path, master);
      else if (path) panel.keepTime(master);
    }
    if (!this.suffix) this.track(master);
    this.askField();
    const done = forward?.header.done !== false && backward?.header.done !== false;
    if (forward && backward && done && !this.suffix) this.askEntropy(master);
  }

  /**
   * Asks for the entropy along the way, which becomes the shape of the scrubber's track; not every physics has one.
   *
   * @param {Path} master
   */
  askEntropy(master) {
    const { store, link } = this.context;
    const { data, process } = store.get();
    if (master.images) return;
    const wanted = JSON.stringify({ data, process });
    if (wanted === this.curveOf) {
      this.track(master);
      return;
    }
    this.asked.set("entropy", link.request("entropy", "entropy", { data, process, n: 300, frames: 32, seed: 0 }, ({ arrays }) => {
      const { times, exact, forward } = arrays;
      const bits = [...(exact ?? forward).data];
      const at = [...times.data].map((time) => master.positionOf(time));
      this.curveOf = wanted;
      this.curve = evenly(at, bits);
      if (this.live) this.track(master);
    }, () => {}));
  }

  /** @param {Path} master */
  track(master) {
    const { player } = this.context;
    player.frames = FRAMES;
    const { data, process } = this.context.store.get();
    const curve = this.curveOf === JSON.stringify({ data, process }) ? this.curve : [];
    setTrack(curve, (position) =>
      `t = ${number(master.timeAt(position))}, ${Math.round(position * 100)} % of the way to the prior`);
  }

  /** Asks for the field at this moment, finer where time stands still; one question at a time. */
  askField() {
    const { store, player } = this.context;
    const { layers, data, field } = store.get();
    const master = this.paths.forward ?? this.paths.backward;
    if (!master || master.images || this.fieldBusy) return;
    const arrows = layers.includes("arrows");
    const density = layers.includes("density") || layers.includes("potential");
    if (!arrows && !density) return;
    const time = master.timeAt(player.position);
    const fine = !player.playing;
    const { width, height } = this.panels.forward;
    const half = master.halfAt(player.position) * (width && height ? Math.max(width, height) / Math.min(width, height) : 1);
    const args = { data, process: this.process(store.get()), time, half, arrows: arrows ? 22 : 0,
      cells: density ? (fine ? 128 : 48) : 0, lines: 0, of: field.startsWith("neural") ? field : "exact" };
    const wanted = JSON.stringify(args);
    if (wanted === this.fieldWanted) return;
    this.fieldWanted = wanted;
    this.fieldBusy = true;
    const free = () => {
      this.fieldBusy = false;
      if (this.live) this.askField();
    };
    this.request("field", "field", args, (frame) => {
      for (const panel of Object.values(this.panels)) panel.field = frame;
      this.draw(player.position);
      if (frame.header.done !== false) free();
    }, () => {
      this.fieldBusy = false;
    });
  }

  /** Asks for flow lines, which hold for all times. */
  askLines() {
    const { layers, data, field } = this.context.store.get();
    for (const panel of Object.values(this.panels)) panel.lines = null;
    if (!layers.includes("lines") || "images" in data) return;
    const args = { data, process: this.process(this.context.store.get()), time: null, half: 1, arrows: 0, cells: 0, lines: 64,
      of: field.startsWith("neural") ? field : "exact" };
    this.request("lines", "field", args, (frame) => {
      for (const panel of Object.values(this.panels)) panel.lines = frame;
      this.draw(this.context.player.position);
    });
  }

  /** @param {number} position */
  draw(position) {
    for (const panel of Object.values(this.panels)) panel.draw(position);
  }

  /**
   * @param {string} slot
   * @param {string} kind
   * @param {Record<string, unknown>} args
   * @param {import("../types.js").OnFrame} onFrame
   * @param {(message: string) => void} [onError]
   */
  request(slot, kind, args, onFrame, onError) {
    const cancel = this.context.link.request(slot + this.suffix, kind, args, (frame) => this.live && onFrame(frame),
      (message) => {
        onError?.(message);
        if (this.live) this.onError(message);
      });
    this.asked.set(slot, cancel);
  }

  /**
   * @param {string} letter
   * @param {number} index
   */
  pick(letter, index) {
    const { store } = this.context;
    const follow = index < 0 ? "" : `${letter}:${index}`;
    store.set({ follow: follow === store.get().follow ? "" : follow });
  }

  destroy() {
    this.live = false;
    for (const cancel of this.asked.values()) cancel();
    for (const panel of Object.values(this.panels)) panel.destroy();
  }
}

/**
 * Values between the least (0) and the greatest (1), at even places.
 *
 * @param {number[]} at places, rising
 * @param {number[]} values
 * @returns {number[]} empty where they cannot be told apart
 */
function evenly(at, values) {
  const known = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  if (known.length < 2 || !(high > low)) return [];
  return Array.from({ length: TRACK }, (_, i) => {
    const place = i / (TRACK - 1);
    const next = Math.min(at.length - 1, Math.max(1, at.findIndex((one) => one >= place)));
    const share = Math.min(1, Math.max(0, (place - at[next - 1]) / (at[next] - at[next - 1] || 1)));
    const value = values[next - 1] + (values[next] - values[next - 1]) * share;
    return ((Number.isFinite(value) ? value : low) - low) / (high - low);
  });
}
