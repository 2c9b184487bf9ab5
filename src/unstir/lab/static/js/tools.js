/** The buttons at the top right: share, help, light and dark. */

import { fill, h } from "./dom.js";
import { showHelp, listen } from "./keys.js";
import { icon } from "./icons.js";
import { showShare } from "./share.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Mounted} Mounted */

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @param {() => Mounted|null} mounted what is on the page now
 */
export function tools(root, context, mounted) {
  const { palette } = context;
  const theme = h("button", { class: "button plain icon", type: "button", onclick: () => palette.toggle() });
  const show = () => {
    fill(theme, icon(palette.dark ? "sun" : "moon"));
    const label = palette.dark ? "Light colours" : "Dark colours";
    theme.setAttribute("aria-label", label);
    theme.title = `${label} (D)`;
  };
  palette.subscribe(show);
  show();
  const share = () => showShare(context, mounted());
  fill(
    root,
    h("button", { class: "button plain share", type: "button", title: "Share (S)", onclick: share },
      icon("share"), h("span", {}, "Share")),
    h("button", { class: "button plain icon", type: "button", "aria-label": "Help and keys", title: "Keys (?)",
      onclick: showHelp }, icon("help")),
    theme,
  );
  listen(context, { share, theme: () => palette.toggle() });
}
