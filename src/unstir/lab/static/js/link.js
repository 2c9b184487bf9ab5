/**
 * Questions to the library and its answers, over one WebSocket.
 *
 * A slot is a place on the page: a newer question in it ends the older one. When the connection is lost, it is
 * sought again, and questions without a last answer are asked again.
 */

import { decode } from "./frames.js";

/** @typedef {import("./types.js").OnFrame} OnFrame */
/** @typedef {import("./types.js").OnError} OnError */
/** @typedef {{id: number, message: string, onFrame: OnFrame, onError: OnError}} Pending */

const WAITS = [300, 600, 1200, 2500, 5000]; // milliseconds between tries

/** @typedef {import("./types.js").Link} Link */

/** @implements {Link} */
export class SocketLink {
  /**
   * @param {string} url of the WebSocket
   * @param {{onState?: (connected: boolean) => void, onError?: OnError}} [hooks]
   */
  constructor(url, { onState = () => {}, onError = () => {} } = {}) {
    this.url = url;
    this.connected = false;
    /** @type {Map<string, Pending>} */
    this.pending = new Map();
    this.onState = onState;
    this.onError = onError;
    this.counter = 0;
    this.tries = 0;
    /** @type {WebSocket|null} */
    this.socket = null;
    this.timer = 0;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    this.open();
  }

  open() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.tries = 0;
      this.connected = true;
      for (const { message } of this.pending.values()) socket.send(message);
      this.onState(true);
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.connected = false;
      this.onState(false);
      this.timer = setTimeout(() => this.open(), WAITS[Math.min(this.tries++, WAITS.length - 1)]);
    };
  }

  /** Tries at once where a try is waited for. */
  hurry() {
    if (this.socket) return;
    clearTimeout(this.timer);
    this.open();
  }

  /** @param {ArrayBuffer} data */
  receive(data) {
    const { frame } = decode(data);
    const { slot, id, kind, done } = frame.header;
    const asked = this.pending.get(slot);
    if (kind === "error" && (!asked || asked.id !== id)) {
      if (!id) this.onError(frame.header.error, null);
      return;
    }
    if (!asked || asked.id !== id) return; // an answer that nobody waits for any more
    if (done || kind === "error") this.pending.delete(slot);
    if (kind === "error") asked.onError(frame.header.error, frame.header.field ?? null);
    else asked.onFrame(frame);
  }

  /** @type {Link["request"]} */
  request(slot, kind, args, onFrame, onError = this.onError) {
    const id = ++this.counter;
    const message = JSON.stringify({ id, slot, kind, ...args });
    this.pending.set(slot, { id, message, onFrame, onError });
    if (this.connected) this.socket?.send(message);
    return () => {
      if (this.pending.get(slot)?.id !== id) return;
      this.pending.delete(slot);
      if (this.connected) this.socket?.send(JSON.stringify({ kind: "cancel", slot }));
    };
  }
}
