"use strict";
(() => {
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const charts = [...document.querySelectorAll(".chart")];
  const config = {
    responsive: true, displaylogo: false,
    modeBarButtons: [["toImage"]], toImageButtonOptions: { format: "svg" },
  };
  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    const [ink, soft, grid, card] = ["--ink", "--soft", "--grid", "--card"].map((n) => style.getPropertyValue(n).trim());
    const narrow = window.innerWidth < 600;
    for (const chart of charts) {
      const figure = JSON.parse(document.getElementById(chart.dataset.figure).textContent);
      const layout = figure.layout;
      layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
      layout.font = { family: "system-ui, sans-serif", size: narrow ? 11 : 12.5, color: soft };
      layout.hoverlabel = { bgcolor: card, bordercolor: soft, font: { color: ink } };
      layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink };
      layout.dragmode = false;
      for (const name of ["xaxis", "yaxis"]) {
        layout[name] = Object.assign({}, layout[name], {
          gridcolor: grid, zerolinecolor: soft, linecolor: grid, fixedrange: true, tickangle: 0,
        });
        if (layout[name].zeroline === undefined) layout[name].zeroline = false;
      }
      Plotly.react(chart, figure.data, layout, config);
    }
  };
  draw();
  scheme.addEventListener("change", draw);
})();
