/** The seven chapters: their words are in chapters/*.html, their figures and questions here. */

import { choice } from "../chips.js";
import { h } from "../dom.js";
import { CoinsFigure, USUAL } from "../topics/coins.js";
import { DomeFigure } from "../topics/dome.js";
import { EntropyFigure } from "../topics/entropy.js";
import { short } from "../topics/plot.js";
import { among, blended } from "../topics/plate.js";
import { RodFigure } from "../topics/rod.js";
import { AssumeFigure, EquationFigure, PathFigure, TailsFigure, Together } from "./figures.js";
import { Live } from "./live.js";
import { Question } from "./question.js";

/** @typedef {import("../types.js").Context} Context */
/** @typedef {(name: string) => Element} Find the place of a figure, by name */
/** @typedef {{figure: Find, question: Element, put: (name: string, live: Live) => Live}} Page */
/** @typedef {{name: string, title: string, build: (context: Context, page: Page) => void}} Chapter */

const IRON = 2.3e-5; // thermal diffusivity, m²/s
const SPIRAL = { preset: "swissroll" };

/** @param {number} seconds */
function lasting(seconds) {
  if (seconds < 90) return `${seconds.toFixed(0)} seconds`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(1)} minutes`;
  return `${(seconds / 3600).toFixed(1)} hours`;
}

/** @param {number} share 0…1 */
function percent(share) {
  return `${share < 0.1 ? short(Number((100 * share).toPrecision(2))) : (100 * share).toFixed(0)} %`;
}

/** @type {Chapter[]} */
export const CHAPTERS = [
  {
    name: "assumptions",
    title: "Why assumptions fail on images",
    build: (context, page) => {
      const figure = new AssumeFigure(context, "learn-a", () => tell());
      page.put("assume", new Live(figure));
      const question = new Question(page.question, { label: ["axes that the law knows"], low: 0, high: 64, value: 0, whole: true,
        onChange: (value) => figure.ask(value) });
      const tell = () => {
        question.tell(`Its images lie ${figure.frame?.header.distance.toFixed(2)} times as far from the nearest real digit as new digits do.`);
        if (figure.axes >= 62) question.reveal();
      };
      page.put("born", new Live(new PathFigure(context, "learn-b", { data: { images: "digits" }, process: "poisson:D=128", direction: "backward", n: 12 }),
        { ends: ["digits", "noise"], rest: 1, caption: "Digits run back from noise along the exact field of a thousand of them, which gives these very digits back. A network that has learnt the field gives new ones." }));
    },
  },
  {
    name: "rod",
    title: "A rod of metal",
    build: (context, page) => {
      const drawn = new RodFigure(context, "learn-a", { onDraw: (profile) => {
        live.player.seek(0);
        drawn.set({ profile });
      } });
      const kinds = choice("Heat poured on the rod", [["pieces", "Pieces"], ["end", "Hot end"], ["spot", "One spot"]].map(([value, text]) => ({ value, text })),
        (value) => {
          drawn.set({ profile: value });
          live.player.seek(0);
          live.player.run(1);
        });
      kinds.set("pieces");
      const live = page.put("rod", new Live(Object.assign(drawn, { ask: () => drawn.set({}) }), { ends: ["hot and cold", "one temperature"], tall: true, controls: [kinds.root] }));
      const asked = new RodFigure(context, "learn-b", { modes: false, onAnswer: () => tell() });
      const wave = new Live(Object.assign(asked, { ask: () => asked.set({ profile: "wave" }) }));
      let position = 0;
      const question = new Question(page.question, { label: ["time"], low: 0, high: 1, value: 0, show: () => "", onChange: (value) => {
        position = value;
        asked.draw(value);
        tell();
      } });
      question.root.querySelector(".slider")?.before(wave.root);
      page.put("", wave);
      const tell = () => {
        const three = asked.leftOf(3, position);
        question.tell(`After ${lasting(asked.timeAt(position) / IRON)} of mode 3 there is left ${percent(three)}, of mode 6 ${percent(asked.leftOf(6, position))}.`);
        if (asked.frame && three < 0.01) question.reveal();
      };
    },
  },
  {
    name: "reversal",
    title: "Reversing time",
    build: (context, page) => {
      const rod = new RodFigure(context, "learn-a", { modes: false, onAnswer: () => tell() });
      page.put("back", new Live(Object.assign(rod, { ask: () => rod.set({ back: true, error: 0.01 }) }),
        { caption: "Dashed: the rod as it was. Warm: as it is now. Cool: what is reckoned back from measuring it now." }));
      let position = 0;
      const question = new Question(page.question, { label: ["time until it is measured"], low: 0, high: 0.4, value: 0,
        show: () => "", onChange: (value) => {
          position = value;
          rod.draw(value);
          tell();
        } });
      const tell = () => {
        if (!rod.frame) return;
        const lost = rod.lostAt(position);
        const width = rod.widthAt(position) * 64;
        question.tell(`Blurred over ${width.toFixed(2)} of 64 places; the past is missed by ${lost > 100 ? `${short(Number(lost.toPrecision(1)))}` : lost.toFixed(2)} degrees.`);
        if (lost > 0.5) question.reveal();
      };
      page.put("entropy", new Live(withAsk(new EntropyFigure(context, "learn-b"), { data: { preset: "two-moons" }, process: "edm", seed: 0 }),
        { ends: ["data", "noise"], caption: "Entropy of two moons under diffusion, forward and, by the exact field, backward. The line is exact. Dots are told from the particles alone, and see nothing finer than these lie apart." }));
    },
  },
  {
    name: "hemisphere",
    title: "Electrons and the hemisphere",
    build: (context, page) => {
      const figure = new DomeFigure(context, "learn-a", { onAnswer: () => tell() });
      let radius = 3;
      const options = () => ({ data: SPIRAL, radius, lines: 200, seed: 0 });
      page.put("dome", new Live(Object.assign(figure, { ask: () => figure.set(options()) }),
        { ends: ["charges", "dome"], rest: 1, tall: true, caption: "Sixty charges of a spiral. Play it: up along their lines, and down again from even points of the dome. Turn it with the mouse or the arrow keys." }));
      const question = new Question(page.question, { label: [h("span", { class: "symbol" }, "R"), " radius of the dome, where the spiral’s spread is ½"], low: 1.5, high: 12, log: true, value: 3,
        onChange: (value) => {
          radius = value;
          figure.set(options());
        } });
      const tell = () => {
        const uneven = figure.frame?.header.uneven ?? 1;
        question.tell(`This dome is charged evenly to ${percent(uneven)}.`);
        if (uneven <= 0.01) question.reveal();
      };
    },
  },
  {
    name: "coins",
    title: "Coins and molecules",
    build: (context, page) => {
      const forward = new CoinsFigure(context, "learn-a", "forward", () => tell());
      const backward = new CoinsFigure(context, "learn-b", "backward");
      const pair = new Together([withAsk(forward, { ...USUAL, rows: 2000 }), withAsk(backward, { ...USUAL, rows: 600 })]);
      const live = page.put("coins", new Live(pair, { ends: ["data", "fair coins"], tall: true }));
      let position = 0;
      const question = new Question(page.question, { label: ["tossed anew"], low: 0, high: 100, value: 0, whole: true, show: (value) => `${value} %`,
        onChange: (value) => {
          position = value / 100;
          live.player.seek(position);
          tell();
        } });
      const tell = () => {
        if (!forward.frame) return;
        const law = blended(forward.frame.arrays.law, among(position, forward.frame.arrays.law.shape[0]));
        const tops = law.filter((p, i) => p > 1e-9 && p > (law[i - 1] ?? 0) && p > (law[i + 1] ?? 0)).length;
        question.tell(`The law has ${tops === 1 ? "one peak" : "two peaks"}; a row holds ${forward.bitsAt(position).toFixed(1)} of 64 bits of disorder.`);
        if (tops === 1) question.reveal();
      };
    },
  },
  {
    name: "dimensions",
    title: "From one to another by D",
    build: (context, page) => {
      let D = 1;
      const cloud = new PathFigure(context, "learn-a", { data: SPIRAL, process: "poisson:D=1", direction: "backward", n: 1500 });
      const tails = new TailsFigure(context, "learn-b", () => tell());
      page.put("dial", new Live(new Together([cloud, tails]), { ends: ["data", "charges"], rest: 0.45,
        caption: "A spiral under charges in D extra dimensions, on its way back; and the share of noise farther out than each distance, beside Gauss’s, dashed." }));
      const question = new Question(page.question, { label: [h("span", { class: "symbol" }, "D"), " extra dimensions"], low: 1, high: 1024, value: 1, log: true, whole: true,
        onChange: (value) => {
          D = value;
          cloud.ask({ process: `poisson:D=${D}` });
          tails.ask(`poisson:D=${D}`);
        } });
      const tell = () => {
        const { share, normal } = tails.frame?.header ?? {};
        question.tell(`${percent(share)} of the particles are beyond four widths, ${short(Number((share / normal).toPrecision(2)))} times as many as under Gauss.`);
        if (share < 2 * normal) question.reveal();
      };
    },
  },
  {
    name: "equations",
    title: "Any equation",
    build: (context, page) => {
      const figure = new EquationFigure(context, "learn-a");
      /** @type {[string, string][]} */
      const rows = [["heat", "heat"], ["poisson", "charges"], ["screened", "screened"], ["damped_wave", "damped wave"], ["wave", "wave"], ["schroedinger", "Schrödinger"]];
      const kinds = choice("Equation", rows.map(([value, text]) => ({ value, text })), (value) => figure.ask(`pde:row=${value}`));
      kinds.set("heat");
      page.put("equation", new Live(figure, { controls: [kinds.root] }));
      const asked = new EquationFigure(context, "learn-b", () => tell());
      let k0 = 0.05;
      asked.process = `pde:row=helmholtz,k0=${k0}`;
      const live = new Live(asked);
      const question = new Question(page.question, { label: [h("span", { class: "symbol" }, "k₀"), " of the source"], low: 0.02, high: 1, value: 0.05,
        onChange: (value) => {
          k0 = value;
          asked.ask(`pde:row=helmholtz,k0=${value}`);
        } });
      question.root.querySelector(".slider")?.before(live.root);
      page.put("", live);
      const tell = () => {
        const { generates, fails } = asked.frame?.header ?? {};
        question.tell(generates ? `With k₀ = ${short(k0)} it generates.` : fails === "C1" ? "It cannot: its density is negative somewhere." : "It cannot: its longest ripple does not fade.");
        if (generates === false) question.reveal();
      };
    },
  },
];

/**
 * A figure that asks for always the same.
 *
 * @template {{set: (options: any) => void}} T
 * @param {T} figure
 * @param {unknown} options
 * @returns {T & {ask: () => void}}
 */
function withAsk(figure, options) {
  return Object.assign(figure, { ask: () => figure.set(options) });
}
