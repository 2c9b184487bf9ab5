/** The page begins here: state from the link, a link to the library, and the view that is asked for. */

import { fromHash } from "./address.js";
import { byId, fill, h } from "./dom.js";
import { connect } from "./connect.js";
import { notice } from "./notices.js";
import { Palette } from "./palette.js";
import { Player } from "./player.js";
import "./scenes.js";
import { Store } from "./store.js";
import { Timeline } from "./timeline.js";
import { tools } from "./tools.js";
import { viewOf, views } from "./views.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").State} State */

const store = new Store(fromHash(location.hash));
const palette = new Palette();
const player = new Player();
const { link, catalog } = connect();

/** @type {{name: string, mounted: import("./types.js").Mounted}|null} */
let shown = null;

byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // what follows "#" is the state
  byId("view").focus();
});
player.position = store.get().t;
player.speed = store.get().speed;

catalog.then((found) => {
  imagesByName(found);
  /** @type {Context} */
  const context = { store, link, player, palette, catalog: found, notice };
  new Timeline(byId("timeline"), context);
  tools(byId("tools"), context, () => shown?.mounted ?? null);
  store.subscribe((state, changed) => {
    if (changed.has("speed")) player.speed = state.speed;
    if (changed.has("t") && Math.abs(state.t - player.position) > 1e-3) player.seek(state.t);
    if (changed.has("scene")) show(context);
    else shown?.mounted.update(state, changed);
    if (["scene", "data", "process"].some((key) => changed.has(key))) menu(context);
  });
  show(context);
  menu(context);
});

/**
 * A link may name images as it names points: "#data=digits".
 *
 * @param {import("./types.js").Catalog} found
 */
function imagesByName({ presets }) {
  const { data } = store.get();
  const named = "preset" in data && presets.find(({ name }) => name === data.preset);
  if (named && named.kind === "images") store.set({ data: { images: named.name } });
}

/** @param {Context} context */
function show(context) {
  const view = viewOf(store.get().scene);
  const root = byId("view");
  if (shown) {
    shown.mounted.destroy();
    player.pause();
  }
  fill(root);
  root.dataset.scene = view.name;
  byId("timeline").hidden = !(typeof view.player === "function" ? view.player(context.catalog) : view.player ?? true);
  document.title = view.name === "explore" ? "unstir lab" : `${view.title} · unstir lab`;
  shown = { name: view.name, mounted: view.mount(root, context) };
}

/**
 * The views: links in a row, or a list to choose from where the row would be too long.
 *
 * @param {Context} context
 */
function menu(context) {
  const state = store.get();
  const now = viewOf(state.scene).name;
  const entries = views().filter((view) => !view.fits || view.name === now || view.fits(state, context.catalog));
  if (entries.length < 2) return;
  const select = h("select", { class: "views", "aria-label": "View", onchange: () => store.set({ scene: select.value }) },
    ...entries.map(({ name, title }) => h("option", { value: name }, title)));
  select.value = now;
  const links = entries.map(({ name, title }) => h("a", {
    href: `#scene=${name}`,
    "aria-current": name === now ? "page" : undefined,
    onclick: (/** @type {Event} */ event) => {
      event.preventDefault();
      store.set({ scene: name });
    },
  }, title));
  fill(byId("menu"), select, ...links);
}
