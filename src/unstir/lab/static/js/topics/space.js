/** A look into three dimensions: turned by pointer and keys, from near or far, with lines that fade behind. */

/** @typedef {{x: number, y: number, depth: number}} Seen */

export class Space {
  /**
   * @param {HTMLElement} root what is turned: it takes the focus and the pointer
   * @param {() => void} onTurn
   */
  constructor(root, onTurn) {
    this.turn = -0.6;
    this.tilt = 0.36;
    this.zoom = 1;
    this.onTurn = onTurn;
    /** Whether somebody has taken it in hand. */
    this.held = false;
    this.moved = 0;
    root.tabIndex = 0;
    root.classList.add("turned");
    root.addEventListener("pointerdown", (event) => {
      root.setPointerCapture(event.pointerId);
      this.held = true;
      this.moved = 0;
    });
    root.addEventListener("pointermove", (event) => {
      if (!root.hasPointerCapture(event.pointerId)) return;
      this.moved += Math.abs(event.movementX) + Math.abs(event.movementY);
      this.by(event.movementX * 0.008, event.movementY * 0.006);
    });
    root.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== root) return;
      event.preventDefault();
      this.nearer(Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
    root.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.08], ArrowDown: [0, 0.08] }[event.key];
      if (step) this.by(step[0], step[1]);
      else if (event.key === "+" || event.key === "=") this.nearer(1.15);
      else if (event.key === "-") this.nearer(1 / 1.15);
      else return;
      this.held = true;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** Whether the pointer has turned it since it was put down. */
  get dragged() {
    return this.moved > 4;
  }

  /** @param {number} turn radians @param {number} tilt */
  by(turn, tilt) {
    this.turn += turn;
    this.tilt = Math.min(1.5, Math.max(0.02, this.tilt + tilt));
    this.onTurn();
  }

  /** @param {number} factor */
  nearer(factor) {
    this.zoom = Math.min(4, Math.max(0.6, this.zoom * factor));
    this.onTurn();
  }

  /**
   * How points lie on a canvas: a function of x, y, z, of which a unit is so many pixels in the middle.
   *
   * @param {number} cx the middle
   * @param {number} cy
   * @param {number} unit
   * @param {number} size of what is seen, by which depth and perspective go
   * @returns {(x: number, y: number, z: number) => Seen} with the depth from −1, near, to 1, far
   */
  view(cx, cy, unit, size) {
    const [c, s] = [Math.cos(this.turn), Math.sin(this.turn)];
    const [ct, st] = [Math.cos(this.tilt), Math.sin(this.tilt)];
    const far = 4.5 * size;
    return (x, y, z) => {
      const [a, b] = [c * x - s * y, s * x + c * y];
      const away = b * ct - z * st;
      const scale = (unit * this.zoom * far) / (far + away);
      return { x: cx + a * scale, y: cy - (z * ct + b * st) * scale, depth: away / size };
    };
  }
}
