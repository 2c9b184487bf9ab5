/** Sharing: the link, a picture, a film, the Python that makes the same. */

import { openDialog } from "./dialog.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { recordFilm, savePicture } from "./recorder.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Mounted} Mounted */

/**
 * @param {Context} context
 * @param {Mounted|null} mounted
 */
export function showShare(context, mounted) {
  const { store, player } = context;
  store.set({ t: Math.round(player.position * 1e4) / 1e4 });
  store.write();
  const said = h("p", { class: "quiet", role: "status" });
  const address = h("input", { class: "text", readonly: true, value: location.href, "aria-label": "Link to this view" });
  const copy = button("copy", "Copy link", async () => {
    address.select();
    try {
      await navigator.clipboard.writeText(location.href);
      fill(said, "Copied.");
    } catch {
      fill(said, "Press Ctrl-C to copy the marked link.");
    }
  });
  const pictures = mounted?.pictures;
  const ways = pictures ? [
    button("picture", "Picture", () => savePicture(context, pictures())),
    button("film", "GIF", (event) => film(event, "gif")),
    button("film", "Video", (event) => film(event, "video")),
  ] : [];
  /**
   * @param {Event} event
   * @param {"gif"|"video"} kind
   */
  async function film(event, kind) {
    if (!pictures) return;
    const pressed = /** @type {HTMLButtonElement} */ (event.currentTarget);
    pressed.disabled = true;
    try {
      await recordFilm(context, pictures, kind, (share) => fill(said, `Filming, ${Math.round(share * 100)} %`));
      fill(said, "Saved.");
    } catch (error) {
      fill(said, String(/** @type {Error} */ (error).message));
    }
    pressed.disabled = false;
  }
  const code = h("pre", { class: "code", tabindex: "0", "aria-label": "Python" });
  const python = h("div", { class: "python", hidden: true }, code);
  openDialog("Share", [
    h("p", { class: "prose" }, "The link holds everything you see: data, physics, time, even drawn points."),
    h("div", { class: "row" }, address, copy),
    h("div", { class: "row" }, ...ways, button("code", "Show the Python", () => showPython(context, python, code, said))),
    said,
    python,
  ], { kind: "share" });
}

/**
 * @param {Context} context
 * @param {HTMLElement} root
 * @param {HTMLElement} code
 * @param {HTMLElement} said
 */
function showPython({ link, store }, root, code, said) {
  link.request("python", "python", { state: store.get() }, ({ header }) => {
    code.textContent = header.code;
    root.hidden = false;
    fill(root, h("div", { class: "row" }, h("p", { class: "quiet" }, "Runs as it stands."),
      button("copy", "Copy", () => navigator.clipboard.writeText(header.code).then(() => fill(said, "Copied.")))), code);
  }, (message) => fill(said, message));
}

/**
 * @param {string} name
 * @param {string} label
 * @param {(event: Event) => void} onclick
 */
function button(name, label, onclick) {
  return h("button", { class: "button", type: "button", onclick }, icon(name), label);
}
