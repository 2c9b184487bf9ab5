/** Charts by Plotly, which the server hands out of its Python package; loaded where the first chart is wanted. */

/** @typedef {import("./palette.js").Palette} Palette */

/** @type {Promise<any>|null} */
let loading = null;

/**
 * Plotly itself.
 *
 * @returns {Promise<any>}
 */
export function plotly() {
  loading ??= new Promise((resolve, reject) => {
    // With this element there Plotly adds no style sheet of its own, which the page's policy would refuse.
    const sheet = document.createElement("link");
    sheet.id = "plotly.js-style-global";
    sheet.className = "no-inline-styles";
    sheet.rel = "stylesheet";
    sheet.href = "css/chart.css";
    const script = document.createElement("script");
    script.src = "plotly.min.js";
    script.onload = () => resolve(/** @type {any} */ (window).Plotly);
    script.onerror = () => {
      loading = null;
      reject(new Error("charts could not be loaded"));
    };
    document.head.append(sheet, script);
  });
  return loading;
}

/**
 * A layout in the page's colours and type, to be spread into a chart's own.
 *
 * @param {Palette} palette
 * @returns {Record<string, any>}
 */
export function chartLayout(palette) {
  const { ink, soft, line } = palette.colours;
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: soft, ticks: "outside" };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
    margin: { l: 56, r: 16, t: 16, b: 44 },
    xaxis: { ...axis },
    yaxis: { ...axis },
    showlegend: false,
    hoverlabel: { bgcolor: palette.colours.plate, bordercolor: line, font: { color: ink } },
  };
}

/**
 * Draws or redraws a chart in an element, which follows its size.
 *
 * @param {HTMLElement} root
 * @param {any[]} traces
 * @param {Record<string, any>} layout
 */
export async function chart(root, traces, layout) {
  const library = await plotly();
  if (root.isConnected) {
    await library.react(root, traces, layout, { responsive: true, displayModeBar: false });
  }
}
