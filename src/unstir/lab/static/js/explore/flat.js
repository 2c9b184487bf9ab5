/** Particles by Canvas 2D, for browsers without WebGL2: the same picture, with fewer frames a second. */

const TONES = 8; // between the two colours

export class FlatParticles {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.count = 0;
    this.frames = 0;
    /** @type {Float32Array} */
    this.states = new Float32Array();
    /** @type {number[][]} particles by their tone */
    this.groups = [];
  }

  /**
   * Takes a path, as `Particles` does.
   *
   * @param {Float32Array} states
   * @param {number} count
   * @param {number} frames
   * @param {Float32Array} hues
   */
  load(states, count, frames, hues) {
    [this.states, this.count, this.frames] = [states, count, frames];
    this.groups = Array.from({ length: TONES }, () => []);
    hues.forEach((hue, i) => this.groups[Math.min(TONES - 1, Math.floor(hue * TONES))].push(i));
  }

  /**
   * Draws one moment, as `Particles` does.
   *
   * @param {Parameters<import("./particles.js").Particles["draw"]>[0]} look
   */
  draw({ frame, share, half, size, alpha, glow, first, second, width, height }) {
    const { canvas, pen, states, count } = this;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    pen.clearRect(0, 0, width, height);
    pen.globalCompositeOperation = glow ? "lighter" : "source-over";
    const least = Math.min(width, height) / 2;
    const row = 2 * count;
    const [here, there] = [frame * row, Math.min(frame + 1, this.frames - 1) * row];
    const [a, b] = [((1 - share) * least) / half[0], (share * least) / half[1]];
    this.groups.forEach((members, tone) => {
      const mix = (tone + 0.5) / TONES;
      const [red, green, blue] = first.map((low, i) => Math.round(255 * (low + (second[i] - low) * mix)));
      pen.fillStyle = `rgba(${red}, ${green}, ${blue}, ${alpha})`;
      pen.beginPath();
      for (const i of members) {
        const x = width / 2 + states[here + 2 * i] * a + states[there + 2 * i] * b;
        const y = height / 2 - states[here + 2 * i + 1] * a - states[there + 2 * i + 1] * b;
        if (!(x > -size && x < width + size && y > -size && y < height + size)) continue;
        pen.moveTo(x + size / 2, y);
        pen.arc(x, y, size / 2, 0, 7);
      }
      pen.fill();
    });
  }

  destroy() {
    this.groups = [];
  }
}
