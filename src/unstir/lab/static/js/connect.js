/** Who answers: the server beside this page, or files made beforehand; and what they offer. */

import { SocketLink } from "./link.js";
import { StaticLink } from "./static-link.js";
import { notice, standing } from "./notices.js";

/** @typedef {import("./types.js").Catalog} Catalog */
/** @typedef {import("./types.js").Link} Link */

const GRACE = 700; // milliseconds without a connection before anything is said

/** @returns {{link: Link, catalog: Promise<Catalog>}} */
export function connect() {
  const made = document.querySelector('meta[name="unstir-runs"]')?.getAttribute("content");
  const link = made ? new StaticLink(made) : served();
  const catalog = new Promise((/** @type {(found: Catalog) => void} */ resolve) => {
    link.request("hello", "hello", {}, ({ header }) => resolve({ version: header.version, limits: header.limits, runs: header.runs, static: Boolean(header.static), ...header.catalog }));
  });
  return { link, catalog };
}

/** @returns {Link} */
function served() {
  const say = standing("Connection lost. Looking for it again…");
  let timer = 0;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return new SocketLink(`${scheme}//${location.host}/ws`, {
    onState: (connected) => {
      clearTimeout(timer);
      if (connected) say(false);
      else timer = setTimeout(() => say(true), GRACE);
    },
    onError: (message) => notice(message, "error"),
  });
}
