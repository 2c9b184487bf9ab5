/** Figures of one plate: what all have that draw the answers to one request, still or along a time line. */

import { Plate } from "./plate.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {{onError?: (message: string) => void, onAnswer?: (frame: Frame) => void, kind?: string}} Hooks */

/** Draws its newest answer: `show` does, and `say`s on the plate what is seen. @abstract */
export class Figure {
  /**
   * @param {Context} context
   * @param {string} slot of its requests
   * @param {string} label for those who do not see it
   * @param {Hooks} [hooks] `kind`: classes of the plate
   */
  constructor(context, slot, label, { onError, onAnswer, kind } = {}) {
    this.context = context;
    this.slot = slot;
    this.onError = onError;
    this.onAnswer = onAnswer;
    /** @type {Frame|null} */
    this.frame = null;
    this.plate = new Plate(context.palette, label, (pen, width, height) => {
      if (this.frame) this.show(pen, width, height, this.frame);
    }, kind);
    this.root = this.plate.root;
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {number} width
   * @param {number} height
   * @param {Frame} frame
   */
  show(pen, width, height, frame) {
    throw new Error(`figure ${this.slot}: does not say how it is drawn`);
  }

  /** @param {Frame} frame */
  take(frame) {
    this.frame = frame;
    this.onAnswer?.(frame);
    this.plate.redraw();
  }

  pictures() {
    return [[this.plate.canvas]];
  }

  destroy() {
    this.plate.destroy();
  }
}

/** One that is moved along a time line, and asks anew when its options change. @abstract @template {Record<string, unknown>} Options */
export class MovedFigure extends Figure {
  /**
   * @param {Context} context
   * @param {string} slot
   * @param {string} request that it makes
   * @param {string} label
   * @param {Hooks} [hooks]
   */
  constructor(context, slot, request, label, hooks) {
    super(context, slot, label, hooks);
    this.request = request;
    this.position = 0;
    /** @type {1|-1} */
    this.direction = 1;
    /** @type {Options|null} */
    this.options = null;
  }

  /** @param {Options} options */
  set(options) {
    if (JSON.stringify(options) === JSON.stringify(this.options)) return;
    this.options = options;
    this.plate.wait(true);
    this.context.link.request(this.slot, this.request, options, (frame) => {
      this.take(frame);
      if (frame.header.done) this.plate.wait(false);
      this.onError?.("");
    }, (message) => this.fail(message));
  }

  /** @param {string} message */
  fail(message) {
    this.plate.wait(false);
    this.onError?.(message);
  }

  /**
   * @param {number} position 0 at the data, 1 at the prior
   * @param {1|-1} [direction]
   */
  draw(position, direction = this.direction) {
    this.position = position;
    this.direction = direction;
    this.plate.redraw();
  }
}

/**
 * A view of figures that follow the page's time line.
 *
 * @param {import("../player.js").Player} player
 * @param {{draw: (position: number, direction: 1|-1) => void, pictures: () => HTMLCanvasElement[][], destroy: () => void}[]} figures
 * @param {import("../types.js").Mounted["update"]} update
 * @returns {import("../types.js").Mounted}
 */
export function following(player, figures, update) {
  const draw = () => {
    for (const figure of figures) figure.draw(player.position, player.direction);
  };
  draw();
  const off = player.subscribe(draw);
  return {
    update,
    pictures: () => figures.flatMap((figure) => figure.pictures()),
    destroy: () => {
      off();
      for (const figure of figures) figure.destroy();
    },
  };
}
