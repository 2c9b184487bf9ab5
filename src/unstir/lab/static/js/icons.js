/** Line icons, 24 by 24. */

/** @type {Record<string, string>} */
const PATHS = {
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  forward: "M5 12h14M13 6l6 6-6 6",
  back: "M19 12H5M11 6l-6 6 6 6",
  next: "M6 6l7 6-7 6M17.5 6v12",
  previous: "M18 6l-7 6 7 6M6.5 6v12",
  help: "M9.2 9a2.9 2.9 0 1 1 4.3 2.6c-1 .6-1.5 1.1-1.5 2.4M12 17.5v.1",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M19.500 14.200A8 8 0 0 1 9.800 4.500a8 8 0 1 0 9.700 9.700z",
  share: "M12 15V3.500M7.500 7.500L12 3l4.500 4.500M5 12.500V20h14v-7.500",
  close: "M6 6l12 12M18 6L6 18",
  draw: "M4 20l1-4.500L16.500 4l3.500 3.500L8.500 19z",
  word: "M5 6V4.500h14V6M12 4.500v15M9.500 19.500h5",
  picture: "M4 5h16v14H4zM4 16l4.500-4.500 4 4 2.500-2.500 5 5M15.500 9v.1",
  numbers: "M9 4L7 20M17 4l-2 16M4.500 9h16M3.500 15h16",
  code: "M8.500 7l-5 5 5 5M15.500 7l5 5-5 5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.500h4M4 14.500h4M16 9.500h4M16 14.500h4",
  tune: "M4 8h9M17 8h3M4 16h3M11 16h9M15 5.800a2.200 2.200 0 1 1 0 4.400 2.200 2.200 0 0 1 0-4.400zM9 13.800a2.200 2.200 0 1 1 0 4.400 2.200 2.200 0 0 1 0-4.400z",
  data: "M7 7v.1M12 5v.1M17 8v.1M6 13v.1M11 11v.1M16 13v.1M9 18v.1M14.500 18v.1",
  undo: "M8 5L4 9l4 4M4 9h10a5 5 0 0 1 0 10h-3",
  dice: "M5 5h14v14H5zM9 9v.1M15 9v.1M9 15v.1M15 15v.1M12 12v.1",
};

/**
 * An icon, hidden from readers of the screen: what holds it says its name.
 *
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
