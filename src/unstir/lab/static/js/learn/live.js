/** A live figure in a chapter: whatever it draws, with a small time line of its own under it. */

import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { Player } from "../player.js";

/** @typedef {{root: HTMLElement, draw?: (position: number, direction: 1|-1) => void, destroy: () => void, ask?: () => void}} Drawn */

export class Live {
  /**
   * @param {Drawn} drawn what is drawn; it asks for nothing before it is seen
   * @param {{caption?: string, ends?: [string, string], rest?: number, tall?: boolean, controls?: HTMLElement[]}} words
   */
  constructor(drawn, { caption = "", ends, rest = 0, tall = false, controls = [] } = {}) {
    this.drawn = drawn;
    this.player = new Player();
    this.player.position = rest;
    const timed = Boolean(ends);
    this.range = h("input", { type: "range", class: "scrub", min: 0, max: 1000, step: 1, "aria-label": "Time of this figure",
      oninput: () => this.player.seek(Number(this.range.value) / 1000) });
    this.toggle = h("button", { class: "button plain icon", type: "button", onclick: () => this.player.toggle() });
    this.root = h("figure", { class: tall ? "live tall" : "live" },
      h("div", { class: "live-stage" }, drawn.root),
      ...controls,
      timed && h("div", { class: "live-time" }, this.toggle, h("span", { class: "quiet" }, ends?.[0] ?? ""), this.range, h("span", { class: "quiet" }, ends?.[1] ?? "")),
      caption && h("figcaption", { class: "quiet" }, caption));
    this.shown = "";
    this.off = this.player.subscribe(() => this.show());
    this.seen = false;
    this.watch = new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting && !this.seen) {
        this.seen = true;
        drawn.ask?.();
      }
      if (!entry.isIntersecting && this.player.playing) this.player.pause();
    }, { rootMargin: "240px" });
    this.watch.observe(this.root);
    this.show();
  }

  show() {
    const { player } = this;
    const name = player.playing ? "pause" : "play";
    if (this.shown !== name) {
      this.shown = name;
      fill(this.toggle, icon(name));
      this.toggle.setAttribute("aria-label", player.playing ? "Pause this figure" : "Play this figure");
    }
    this.range.value = String(Math.round(player.position * 1000));
    this.range.setAttribute("aria-valuetext", `${Math.round(player.position * 100)} %`);
    this.drawn.draw?.(player.position, player.direction);
  }

  destroy() {
    this.player.pause();
    this.off();
    this.watch.disconnect();
    this.drawn.destroy();
  }
}
