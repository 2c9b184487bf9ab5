"""The sections of the page as HTML. Every text that came from outside goes through `text`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unstir.compare.conclusion import number
from unstir.compare.page.charts import Looks

# Figure, what it is called, and whether more is better.
METRICS = (
    ("energy_distance", "energy distance", False),
    ("sliced_wasserstein", "sliced Wasserstein", False),
    ("mmd", "MMD²", False),
    ("frechet_distance", "Fréchet distance", False),
    ("precision", "precision", True),
    ("recall", "recall", True),
    ("density", "density", True),
    ("coverage", "coverage", True),
)
TAILS = (
    ("tail_index", "tail index (Hill)", None),
    ("tail_index_error", "error of 1/index", False),
    ("tail_quantile_99", "99 % quantiles", False),
    ("tail_quantile_999", "99.9 % quantiles", False),
    ("tail_survival", "whole tail", False),
)
COPYING = (
    ("memorisation_ratio", "distance ratio", None),
    ("memorisation_share", "share nearer", None),
)


def text(value: object) -> str:
    """A text as HTML shows it."""
    return html.escape(str(value), quote=True)


def chip(look: Mapping[str, str]) -> str:
    """The mark of a row: its colour and dash."""
    kind = {"dash": " dash", "dot": " dot"}.get(look["dash"], "")
    return f'<span class="chip{kind}" style="border-color:{look["color"]}"></span>'


def legend(names: Iterable[str], look: Looks) -> str:
    """The marks of some rows."""
    return '<ul class="legend">' + "".join(f"<li>{chip(look[n])}{text(n)}</li>" for n in names) + "</ul>"


def picture(name: str, uri: str, look: Mapping[str, str], kind: str, what: str) -> str:
    """One picture with its name."""
    return (
        f'<figure class="{kind}"><figcaption>{chip(look)}{text(name)}</figcaption>'
        f'<img src="{uri}" alt="{text(what)} of {text(name)}"></figure>'
    )


def chart(number_: int, title: str, figure: str, note: str = "") -> str:
    """A chart in a card; its figure stands beside as JSON."""
    below = f'<p class="note">{note}</p>' if note else ""
    head = f"<h3>{text(title)}</h3>" if title else ""
    return (
        f'<div class="card">{head}<div class="chart" role="img" aria-label="{text(title)}" '
        f'data-figure="figure-{number_}"></div>{below}'
        f'<script type="application/json" id="figure-{number_}">{figure}</script></div>'
    )


def figures_table(
    rows: Mapping[str, Mapping[str, Mapping[str, float]]],
    metrics: Sequence[tuple[str, str, bool | None]],
    processes: Sequence[str],
    look: Looks,
    close: Mapping[str, Sequence[str]],
) -> str:
    """Figures with their intervals; the best process of a column bold, those within noise of it marked ≈."""
    metrics = [metric for metric in metrics if any(metric[0] in row for row in rows.values())]
    arrows = {False: " ↓", True: " ↑", None: ""}
    head = "".join(f"<th>{text(title)}{arrows[more]}</th>" for _, title, more in metrics)
    body = []
    for name, row in rows.items():
        cells = []
        for figure, _, more in metrics:
            found = row.get(figure)
            if found is None:
                cells.append("<td>–</td>")
                continue
            mark, kind = "", ""
            if name in processes and more is not None and len(processes) > 1:
                values = {n: rows[n][figure]["value"] for n in processes if figure in rows[n]}
                best = (max if more else min)(values, key=values.__getitem__)
                if name == best:
                    kind = ' class="best"'
                elif name in close.get(figure, ()):
                    mark, kind = "≈ ", ' class="close"'
            value = f"{mark}{_minus(number(found['value']))}"
            ends = f"{_minus(number(found['low']))} to {_minus(number(found['high']))}"
            cells.append(f"<td{kind}>{value}<small>{ends}</small></td>")
        base = "" if name in processes else ' class="base"'
        body.append(f'<tr{base}><th scope="row">{chip(look[name])}{text(name)}</th>{"".join(cells)}</tr>')
    return _table("<th></th>" + head, body)


def cost_table(cost: Mapping[str, Mapping[str, Any]], look: Looks) -> str:
    """Time, speed and memory of each process."""
    titles = (
        "steps", "training", "items/s", "parameters", "peak memory", "evaluations", "samples/s", "device",
    )  # fmt: skip
    body = []
    for name, one in cost.items():
        seconds = one["sampling_seconds"]["usual"]
        memory = _bytes(one["peak_memory"])
        if one.get("device_memory"):
            memory += f"<small>{_bytes(one['device_memory'])} on the device</small>"
        evaluations = one["evaluations"]["usual"]
        cells = (
            f"{one['steps']:,}",
            _seconds(one["seconds"]),
            f"{one['items_per_second']:,.0f}",
            f"{one['parameters']:,}",
            memory,
            "–" if evaluations is None else f"{evaluations}",
            f"{one['samples'] / max(seconds, 1e-9):,.0f}",
            f"{text(one['device'])}<small>{text(one['network'])}, {text(one['precision'])}</small>",
        )
        inside = "".join(f"<td>{cell}</td>" for cell in cells)
        body.append(f'<tr><th scope="row">{chip(look[name])}{text(name)}</th>{inside}</tr>')
    return _table("<th></th>" + "".join(f"<th>{title}</th>" for title in titles), body)


def paragraphs(lines: Iterable[str], kind: str = "note") -> str:
    """Texts from outside, one paragraph each."""
    return "".join(f'<p class="{kind}">{text(line)}</p>' for line in lines)


def items(lines: Iterable[str]) -> str:
    """Texts from outside as a list."""
    return "<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"


def _table(head: str, body: Sequence[str]) -> str:
    rows = "".join(body)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _minus(value: str) -> str:
    return value.replace("-", "−")


def _bytes(value: float | None) -> str:
    return "–" if value is None else f"{value / 2**20:,.0f} MiB"


def _seconds(value: float) -> str:
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{value:.1f} s"
