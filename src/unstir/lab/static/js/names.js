/** What things are called on the page. */

/** @type {Record<string, string>} */
const PROCESSES = {
  poisson: "Poisson", pfgm: "PFGM", yukawa: "Yukawa", levy: "Lévy", edm: "EDM", ve: "VE", vp: "VP",
  rectified: "Rectified", oscillator: "Oscillator", langevin: "Langevin", kac: "Kac", heat: "Heat",
  blurring: "Blurring", heat_poisson: "Heat + Poisson", coins: "Coins", capacitor: "Capacitor", bridge: "Bridge",
  pde: "Any PDE",
};

/** What people would look for together. @type {[string, string[]][]} */
const FAMILIES = [
  ["Charges", ["poisson", "pfgm", "yukawa", "capacitor"]],
  ["Noise", ["edm", "ve", "vp", "rectified", "levy"]],
  ["Motion", ["oscillator", "langevin", "kac"]],
  ["Heat", ["heat", "blurring", "heat_poisson"]],
  ["Chance", ["coins", "bridge"]],
  ["Equations", ["pde"]],
];

/** @type {Record<string, string>} */
const DATA = {
  swissroll: "Spiral", "two-moons": "Two moons", gaussians8: "Eight spots", checkerboard: "Checkerboard",
  "student-t": "Heavy tails", digits: "Digits",
};

/** @type {Record<string, [string, string]>} symbol and words */
const PARAMETERS = {
  D: ["D", "extra dimensions"], kappa: ["κ", "screening"], alpha: ["α", "size of jumps"], a: ["a", "rate of turns, or order"],
  c: ["c", "speed"], sigma: ["σ", "noise"], sigma_min: ["σ₀", "least noise"], sigma_max: ["σ₁", "most noise"],
  blur: ["", "blur"], beta: ["β", "rate"], mass: ["m", "mass"], gamma: ["γ", "damping"], tau: ["τ", "step"],
  M: ["M", "batch"], schedule: ["", "schedule"], noise: ["", "noise"], T: ["T", "tosses"], states: ["K", "sides of a coin"],
  L: ["L", "distance of the plates"], distance: ["L", "distance of the plates"], task: ["", "task"], width: ["", "width"],
  factor: ["", "factor"], hole: ["", "hole"], row: ["", "equation"], m: ["m", "mass"], k0: ["k₀", "wave number"],
  epsilon: ["ε", "damping"], box: ["", "box"], cells: ["", "cells"], t_max: ["T", "duration"], births: ["", "births"],
};

/** @param {string} name */
export function processLabel(name) {
  return PROCESSES[name] ?? name;
}

/**
 * Processes in groups; those that no group names come last.
 *
 * @template {{name: string}} T
 * @param {T[]} processes
 * @returns {[string, T[]][]}
 */
export function families(processes) {
  const rest = processes.filter(({ name }) => !FAMILIES.some(([, names]) => names.includes(name)));
  /** @type {[string, T[]][]} */
  const groups = FAMILIES.map(([label, names]) =>
    [label, names.flatMap((name) => processes.filter((one) => one.name === name))]);
  return [...groups, /** @type {[string, T[]]} */ (["Others", rest])].filter(([, members]) => members.length > 0);
}

/**
 * @param {string} name of a process
 * @returns {string} the group that it stands in, "" where none
 */
export function groupOf(name) {
  return FAMILIES.find(([, names]) => names.includes(name))?.[0] ?? "";
}

/** @param {string} name */
export function dataLabel(name) {
  return DATA[name] ?? name;
}

/**
 * @param {string} name
 * @returns {[string, string]} symbol, which may be "", and words
 */
export function parameterLabel(name) {
  return PARAMETERS[name] ?? ["", name];
}

/**
 * A process with its parameters, for people.
 *
 * @param {string} text "poisson:D=1"
 */
export function processTitle(text) {
  const { name, values } = parseProcess(text);
  const said = Object.entries(values).map(([key, value]) => `${parameterLabel(key)[0] || parameterLabel(key)[1]} = ${value}`);
  return [processLabel(name), ...said].join(", ");
}

/**
 * @param {string} text
 * @returns {{name: string, values: Record<string, string>}}
 */
export function parseProcess(text) {
  const [name, rest = ""] = text.split(/:(.*)/s);
  /** @type {Record<string, string>} */
  const values = {};
  for (const part of rest.split(",").filter(Boolean)) {
    const [key, value = ""] = part.split(/=(.*)/s);
    values[key] = value;
  }
  return { name, values };
}

/**
 * @param {string} name
 * @param {Record<string, string|number>} values
 */
export function writeProcess(name, values) {
  const said = Object.entries(values).map(([key, value]) => `${key}=${value}`).join(",");
  return said ? `${name}:${said}` : name;
}

/**
 * A number for people: three digits, no more than it needs.
 *
 * @param {number} value
 */
export function number(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e5)) return value.toExponential(1).replace("e", " · 10^").replace("+", "");
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toFixed(digits);
}
