/**
 * Thousands of particles by WebGL2. All frames of a path lie in one buffer; a picture takes two neighbours and a
 * share between them, so nothing is sent to the card while time runs. Places are mixed in the window's own
 * units: what leaves the window at its edge does so evenly.
 */

const VERTEX = `#version 300 es
in vec2 here;
in vec2 there;
in float hue;
uniform float share;
uniform vec2 scaleHere;
uniform vec2 scaleThere;
uniform float size;
out float tone;
void main() {
  gl_Position = vec4(mix(here * scaleHere, there * scaleThere, share), 0.0, 1.0);
  gl_PointSize = size;
  tone = hue;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in float tone;
uniform vec3 first;
uniform vec3 second;
uniform float alpha;
uniform float edge;
out vec4 colour;
void main() {
  vec2 p = 2.0 * gl_PointCoord - 1.0;
  float a = alpha * clamp((1.0 - dot(p, p)) * edge, 0.0, 1.0);
  colour = vec4(mix(first, second, tone) * a, a);
}`;

const NAMES = ["share", "scaleHere", "scaleThere", "size", "first", "second", "alpha", "edge"];

export class Particles {
  /**
   * @param {HTMLCanvasElement} canvas
   * @throws {Error} where the browser has no WebGL2
   */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, premultipliedAlpha: true,
      powerPreference: "high-performance" });
    if (!gl) throw new Error("no WebGL2");
    this.gl = gl;
    this.canvas = canvas;
    this.count = 0;
    this.frames = 0;
    this.lost = false;
    /** @type {WebGLBuffer|null} */
    this.places = null;
    /** @type {WebGLBuffer|null} */
    this.tones = null;
    /** @type {{states: Float32Array, count: number, frames: number, hues: Float32Array}|null} */
    this.loaded = null;
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.lost = true;
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.prepare();
      if (this.loaded) this.load(this.loaded.states, this.loaded.count, this.loaded.frames, this.loaded.hues);
    });
    this.prepare();
  }

  prepare() {
    const { gl } = this;
    const program = /** @type {WebGLProgram} */ (gl.createProgram());
    for (const [kind, source] of /** @type {[number, string][]} */ (
      [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    ["here", "there", "hue"].forEach((name, i) => gl.bindAttribLocation(program, i, name));
    gl.linkProgram(program);
    gl.useProgram(program);
    /** @type {Record<string, WebGLUniformLocation|null>} */
    this.at = Object.fromEntries(NAMES.map((name) => [name, gl.getUniformLocation(program, name)]));
    this.places = gl.createBuffer();
    this.tones = gl.createBuffer();
    gl.enable(gl.BLEND);
    [0, 1, 2].forEach((i) => gl.enableVertexAttribArray(i));
  }

  /**
   * Takes a path.
   *
   * @param {Float32Array} states `(frames, count, 2)`
   * @param {number} count
   * @param {number} frames
   * @param {Float32Array} hues `(count)`, 0…1 between the two colours
   */
  load(states, count, frames, hues) {
    const { gl } = this;
    this.loaded = { states, count, frames, hues };
    [this.count, this.frames] = [count, frames];
    if (this.lost) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.tones);
    gl.bufferData(gl.ARRAY_BUFFER, hues, gl.STATIC_DRAW);
    gl.vertexAttribPointer(2, 1, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.bufferData(gl.ARRAY_BUFFER, states, gl.STATIC_DRAW);
  }

  /**
   * Draws one moment.
   *
   * @param {{frame: number, share: number, half: [number, number], size: number, alpha: number,
   *   glow: boolean, first: number[], second: number[], width: number, height: number}} look
   *   `half`: half the window's lesser side at the frame and at the next, in model units; `width`, `height`: of
   *   the canvas in its own pixels
   */
  draw({ frame, share, half, size, alpha, glow, first, second, width, height }) {
    const { gl, canvas, at } = this;
    if (this.lost || !at) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.count) return;
    const next = Math.min(frame + 1, this.frames - 1);
    const row = this.count * 8;
    const least = Math.min(width, height);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, frame * row);
    gl.vertexAttribPointer(1, 2, gl.FLOAT, false, 0, next * row);
    gl.uniform1f(at.share, share);
    gl.uniform2f(at.scaleHere, least / width / half[0], least / height / half[0]);
    gl.uniform2f(at.scaleThere, least / width / half[1], least / height / half[1]);
    gl.uniform1f(at.size, size);
    gl.uniform1f(at.edge, size / 4.8);
    gl.uniform1f(at.alpha, alpha);
    gl.uniform3fv(at.first, first);
    gl.uniform3fv(at.second, second);
    gl.blendFunc(gl.ONE, glow ? gl.ONE : gl.ONE_MINUS_SRC_ALPHA);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  destroy() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
