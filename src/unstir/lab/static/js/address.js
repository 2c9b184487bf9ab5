/**
 * The state as the part of a link after "#", and back. Only what differs from the default is written. Drawn
 * points are pairs of int8, base64url, so that a link holds them all.
 */

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").DataSpec} DataSpec */

/** @type {State} */
export const DEFAULTS = {
  scene: "explore",
  data: { preset: "swissroll" },
  process: "poisson:D=1",
  compare: "",
  t: 0,
  layers: [],
  field: "exact",
  n: 3000,
  seed: 0,
  speed: 1,
  solver: "",
  steps: 0,
  follow: "",
  extra: {},
};

const GRID = 127 / 2; // drawn points lie in [-2, 2]

/** @type {[keyof State, string][]} */
const TEXTS = [["scene", "scene"], ["process", "process"], ["compare", "compare"], ["field", "field"],
  ["solver", "solver"], ["follow", "follow"]];
/** @type {[keyof State, number, number, boolean][]} */
const NUMBERS = [["t", 0, 1, false], ["n", 1, 5000, true], ["seed", 0, 2 ** 31, true], ["speed", 0.1, 4, false],
  ["steps", 0, 500, true]];
const OWN = new Set([...TEXTS.map(([key]) => key), ...NUMBERS.map(([key]) => key), "data", "view"]);

/**
 * @param {State} state
 * @returns {string} "" for the default, else with its "#"
 */
export function toHash(state) {
  /** @type {[string, string][]} */
  const parts = [];
  if (JSON.stringify(state.data) !== JSON.stringify(DEFAULTS.data)) parts.push(["data", writeData(state.data)]);
  for (const [key, name] of TEXTS) if (state[key] !== DEFAULTS[key]) parts.push([name, String(state[key])]);
  for (const [key] of NUMBERS) {
    if (state[key] !== DEFAULTS[key]) parts.push([key, String(Math.round(Number(state[key]) * 1e4) / 1e4)]);
  }
  if (state.layers.length) parts.push(["view", state.layers.join(",")]);
  for (const [key, value] of Object.entries(state.extra)) parts.push([key, value]);
  return parts.length ? `#${parts.map(([key, value]) => `${key}=${escape(value)}`).join("&")}` : "";
}

/**
 * What a link says, the default where it says nothing or nonsense.
 *
 * @param {string} hash
 * @returns {State}
 */
export function fromHash(hash) {
  /** @type {Record<string, any>} */
  const state = { ...DEFAULTS, layers: [], extra: {} };
  const said = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  for (const [key, name] of TEXTS) state[key] = said.get(name) ?? DEFAULTS[key];
  for (const [key, low, high, whole] of NUMBERS) {
    const value = Number(said.get(key) ?? NaN);
    if (Number.isFinite(value)) state[key] = Math.min(high, Math.max(low, whole ? Math.round(value) : value));
  }
  const view = said.get("view");
  if (view) state.layers = view.split(",").filter(Boolean);
  const data = said.get("data");
  if (data) state.data = readData(data) ?? DEFAULTS.data;
  for (const [key, value] of said) if (!OWN.has(key)) state.extra[key] = value;
  return /** @type {State} */ (state);
}

/** @param {string} value */
function escape(value) {
  return encodeURIComponent(value).replaceAll("%3A", ":").replaceAll("%2C", ",").replaceAll("%3D", "=");
}

/**
 * @param {DataSpec} data
 * @returns {string}
 */
function writeData(data) {
  if ("points" in data) return `points:${packPoints(data.points)}`;
  const [kind, value] = Object.entries(data)[0];
  return kind === "preset" ? value : `${kind}:${value}`;
}

/**
 * @param {string} text
 * @returns {DataSpec|null}
 */
function readData(text) {
  const cut = text.indexOf(":");
  if (cut < 0) return { preset: text };
  const [kind, value] = [text.slice(0, cut), text.slice(cut + 1)];
  if (kind === "points") {
    const points = unpackPoints(value);
    return points.length ? { points } : null;
  }
  const kinds = ["preset", "word", "picture", "numbers", "images"];
  return kinds.includes(kind) ? /** @type {DataSpec} */ ({ [kind]: value }) : null;
}

/**
 * @param {number[][]} points in [-2, 2]
 * @returns {string} base64url of pairs of int8
 */
export function packPoints(points) {
  const bytes = points.flat().map((x) => Math.max(-127, Math.min(127, Math.round(x * GRID))) & 255);
  return btoa(String.fromCharCode(...bytes.slice(0, 20000)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * @param {string} text
 * @returns {number[][]} empty where it cannot be read
 */
export function unpackPoints(text) {
  let bytes;
  try {
    bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return [];
  }
  const points = [];
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    points.push([0, 1].map((k) => Math.round((bytes.charCodeAt(i + k) << 24 >> 24) / GRID * 1e4) / 1e4));
  }
  return points;
}

/**
 * Points as a link keeps them, so that what is drawn is what is shared.
 *
 * @param {number[][]} points
 * @returns {number[][]}
 */
export function rounded(points) {
  return unpackPoints(packPoints(points));
}
