/**
 * Answers from files made beforehand (`unstir lab --export`): a question gets the one nearest to it.
 *
 * An answer fits where it agrees with the question in all its `args`; numbers need not be equal, and the nearest
 * counts. The other arguments of the question, such as how many particles, make no difference.
 */

import { decode } from "./frames.js";
import { parseProcess } from "./names.js";

/** @typedef {import("./types.js").Link} Link */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {{kind: string, args: Record<string, unknown>, file: string}} Made */
/** @typedef {Record<string, Record<string, string|number>>} Defaults parameters of each process */
/** @typedef {{answers: Made[], defaults: Defaults}} Index */

const ABSENT = "This page shows finished runs. The lab itself does this: pip install unstir, then unstir lab.";
const KEPT = 48; // files

/** @implements {Link} */
export class StaticLink {
  /** @param {string} index address of runs/index.json */
  constructor(index) {
    this.base = index.slice(0, index.lastIndexOf("/") + 1);
    /** @type {Promise<Index>} */
    this.index = fetch(index).then((found) => found.json());
    /** @type {Map<string, Promise<Frame>>} */
    this.frames = new Map();
    /** @type {Map<string, number>} */
    this.asked = new Map();
    this.counter = 0;
  }

  /** @type {Link["request"]} */
  request(slot, kind, args, onFrame, onError = () => {}) {
    const id = ++this.counter;
    this.asked.set(slot, id);
    const wanted = () => this.asked.get(slot) === id;
    this.find(kind, args).then((frame) => {
      if (wanted()) onFrame({ header: { ...frame.header, id, slot }, arrays: { ...frame.arrays } });
    }, (error) => {
      if (wanted()) onError(String(error.message), null);
    });
    return () => {
      if (wanted()) this.asked.delete(slot);
    };
  }

  /**
   * @param {string} kind
   * @param {Record<string, unknown>} args
   * @returns {Promise<Frame>}
   */
  async find(kind, args) {
    /** @type {Made|null} */
    let best = null;
    let least = Infinity;
    const { answers, defaults } = await this.index;
    for (const made of answers) {
      if (made.kind !== kind) continue;
      const far = distance(made.args, args, defaults);
      if (far < least) [best, least] = [made, far];
    }
    if (!best) throw new Error(ABSENT);
    return this.load(best.file);
  }

  /** @param {string} file */
  load(file) {
    const known = this.frames.get(file);
    if (known) return known;
    const loading = fetch(this.base + file).then(async (found) => {
      if (!found.ok) throw new Error(`The file ${file} is missing here; export the page again.`);
      return decode(await found.arrayBuffer()).frame;
    });
    loading.catch(() => this.frames.delete(file));
    this.frames.set(file, loading);
    if (this.frames.size > KEPT) this.frames.delete(/** @type {string} */ (this.frames.keys().next().value));
    return loading;
  }
}

/**
 * How far a question is from an answer: 0 where they agree, infinite where they cannot.
 *
 * @param {unknown} made
 * @param {unknown} asked
 * @param {Defaults} defaults
 * @returns {number}
 */
export function distance(made, asked, defaults) {
  if (typeof made === "number" && typeof asked === "number") {
    return made === asked ? 0 : Math.abs(made - asked) / (Math.abs(made) + Math.abs(asked));
  }
  if (made && asked && typeof made === "object" && typeof asked === "object") {
    let sum = 0;
    for (const [key, value] of Object.entries(made)) {
      const other = /** @type {Record<string, unknown>} */ (asked)[key];
      sum += key === "process" ? apart(String(value), String(other), defaults) : distance(value, other, defaults);
    }
    return sum;
  }
  return (made ?? null) === (asked ?? null) ? 0 : Infinity;
}

/**
 * How far two processes are from each other, by all their parameters.
 *
 * @param {string} made "poisson:D=8"
 * @param {string} asked
 * @param {Defaults} defaults
 */
function apart(made, asked, defaults) {
  const [one, other] = [made, asked].map(parseProcess);
  if (one.name !== other.name) return Infinity;
  const known = defaults[one.name] ?? {};
  const [a, b] = [one, other].map(({ values }) => ({ ...known, ...values }));
  let sum = 0;
  for (const key of Object.keys(a)) sum += distance(plain(a[key]), plain(b[key]), defaults);
  return sum;
}

/** @param {string|number} value */
function plain(value) {
  return value === "" || Number.isNaN(Number(value)) ? value : Number(value);
}
