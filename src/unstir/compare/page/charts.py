"""Charts as Plotly figures. The page's script gives them the colours of its scheme.

Distances near the floor may be negative, and others are ten times larger: their axis is √, signed,

    s(v) = sign(v) √|v|        with ticks in the units of v
"""

from __future__ import annotations

import html
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PALETTE = ("#3b7dd8", "#e0792b", "#2a9d6f", "#9561d6", "#d64f86", "#1b9aaa", "#b58900", "#a0674b")
GAUSSIAN_COLOUR, REAL_COLOUR = "#9aa4af", "#6c7886"
_MARGIN = {"l": 58, "r": 16, "t": 8, "b": 46}

Looks = Mapping[str, dict[str, str]]


def looks(processes: Sequence[str], gaussian: str, real: str) -> dict[str, dict[str, str]]:
    """Colour and dash of each row."""
    found = {name: {"color": PALETTE[i % len(PALETTE)], "dash": "solid"} for i, name in enumerate(processes)}
    return found | {
        gaussian: {"color": GAUSSIAN_COLOUR, "dash": "dash"},
        real: {"color": REAL_COLOUR, "dash": "dot"},
    }


def as_json(figure: Figure) -> str:
    """A figure as JSON that may stand inside a script element."""
    text = json.dumps(json.loads(figure.to_json()), separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def plain(name: str) -> str:
    """A name as Plotly shows it: its texts know tags and links."""
    return html.escape(name, quote=False)


def forest(rows: Mapping[str, Mapping[str, float]], look: Looks, title: str) -> Figure:
    """Figures with their intervals, one below the other."""
    figure = _figure(x={"title": title}, height=max(340, 58 + 40 * len(rows)))
    names = list(rows)
    for name, row in rows.items():
        ends = [_signed(row[key]) for key in ("value", "low", "high")]
        figure.add_scatter(
            x=[ends[0]],
            y=[plain(name)],
            mode="markers",
            marker={"color": look[name]["color"], "size": 12},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [ends[2] - ends[0]],
                "arrayminus": [ends[0] - ends[1]],
                "color": look[name]["color"],
                "thickness": 3,
                "width": 0,
            },
            hovertemplate=(
                f"{plain(name)}: {row['value']:.4g}<br>{row['low']:.4g} to {row['high']:.4g}<extra></extra>"
            ),
            showlegend=False,
        )
    values = [row[key] for row in rows.values() for key in ("low", "high")]
    figure.update_xaxes(**_signed_ticks(values), zeroline=True)
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[plain(n) for n in reversed(names)],
        showgrid=False,
        automargin=True,
    )
    figure.update_layout(margin=_MARGIN | {"l": 8})
    return figure


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    look: Looks,
    *,
    x: str,
    y: str,
    log_x: bool = False,
    log_y: bool = False,
    markers: bool = False,
) -> Figure:
    """One line a row."""
    figure = _figure(
        x={"title": x, "type": "log" if log_x else "linear"},
        y={"title": y, "type": "log" if log_y else "linear"},
    )
    for name, (across, up) in curves.items():
        figure.add_scatter(
            x=_short(across),
            y=_short(up),
            name=plain(name),
            mode="lines+markers" if markers else "lines",
            line={**look[name], "width": 2.2},
            hovertemplate=f"{plain(name)}<br>%{{x:.4g}}: %{{y:.4g}}<extra></extra>",
            showlegend=False,
        )
    return figure


def survival(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], look: Looks) -> Figure:
    """The share of rows beyond a size, both on scales of powers."""
    figure = lines(
        curves, look, x="size of a row (robust units)", y="share of rows beyond", log_x=True, log_y=True
    )
    least = min(share for _, shares in curves.values() for share in shares)
    ticks = [10.0**power for power in range(0, math.floor(math.log10(least)) - 1, -1)]
    figure.update_yaxes(tickvals=ticks, ticktext=[f"{100 * tick:g} %" for tick in ticks])
    low, high = (end(end(sizes) for sizes, _ in curves.values()) for end in (min, max))
    steps = (1, 2, 5) if high < 50 * low else (1,)
    marks = [m * 10.0**e for e in range(-6, 12) for m in steps if low * 0.9 <= m * 10.0**e <= high * 1.1]
    figure.update_xaxes(tickvals=marks, ticktext=[f"{mark:g}" for mark in marks])
    return figure


def by_evaluations(
    curves: Mapping[str, Sequence[Mapping[str, float]]], floors: Mapping[str, float], look: Looks
) -> Figure:
    """Quality against the number of evaluations, with intervals; level lines for what needs none."""
    figure = _figure(
        x={"title": "evaluations of the field for each sample", "type": "log"}, y={"title": "energy distance"}
    )
    counts = sorted({int(point["evaluations"]) for curve in curves.values() for point in curve}) or [1]
    for name, level in floors.items():
        figure.add_scatter(
            x=[counts[0], counts[-1]],
            y=[_signed(level)] * 2,
            mode="lines",
            line={**look[name], "width": 1.6},
            hovertemplate=f"{plain(name)}: {level:.4g}<extra></extra>",
            showlegend=False,
        )
    for place, (name, curve) in enumerate(curves.items()):
        aside = 1.03 ** (place - (len(curves) - 1) / 2)  # else the intervals hide each other
        middle = [_signed(point["value"]) for point in curve]
        figure.add_scatter(
            x=_short([point["evaluations"] * aside for point in curve]),
            y=middle,
            customdata=[[p["value"], p["low"], p["high"], p["evaluations"]] for p in curve],
            mode="lines+markers",
            line={**look[name], "width": 2.2},
            marker={"size": 8},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_signed(p["high"]) - m for p, m in zip(curve, middle, strict=True)],
                "arrayminus": [m - _signed(p["low"]) for p, m in zip(curve, middle, strict=True)],
                "thickness": 1.4,
                "width": 3,
            },
            hovertemplate=(
                f"{plain(name)}, %{{customdata[3]}} evaluations: %{{customdata[0]:.4g}}"
                "<br>%{customdata[1]:.4g} to %{customdata[2]:.4g}<extra></extra>"
            ),
            showlegend=False,
        )
    values = [point[key] for curve in curves.values() for point in curve for key in ("low", "high")]
    figure.update_yaxes(**_signed_ticks([*values, *floors.values()]), zeroline=True)
    figure.update_xaxes(tickvals=counts, ticktext=[str(count) for count in counts])
    return figure


def histogram(
    edges: Sequence[float],
    real: Sequence[float],
    rows: Mapping[str, Sequence[float]],
    look: Looks,
    real_name: str,
) -> Figure:
    """Densities of one column: held-out data as a ground, the rows as steps over it."""
    figure = _figure(height=210)
    middles = [(a + b) / 2 for a, b in itertools.pairwise(edges)]
    figure.add_bar(
        x=_short(middles),
        y=_short(real),
        marker={"color": look[real_name]["color"], "opacity": 0.32},
        hovertemplate="held-out data<br>%{x:.4g}: %{y:.3g}<extra></extra>",
        showlegend=False,
    )
    for name, density in rows.items():
        figure.add_scatter(
            x=_short(middles),
            y=_short(density),
            mode="lines",
            line={**look[name], "width": 1.8, "shape": "hvh"},
            hovertemplate=f"{plain(name)}<br>%{{x:.4g}}: %{{y:.3g}}<extra></extra>",
            showlegend=False,
        )
    figure.update_layout(bargap=0, margin={"l": 36, "r": 8, "t": 4, "b": 28})
    return figure


def shares(
    names: Sequence[str],
    real: Sequence[float],
    rows: Mapping[str, Sequence[float]],
    look: Looks,
    real_name: str,
) -> Figure:
    """Shares of the categories of one column."""
    figure = _figure(height=210)
    for name, values in ({real_name: real} | dict(rows)).items():
        figure.add_bar(
            x=[plain(one) or "(missing)" for one in names],
            y=_short(values),
            marker={"color": look[name]["color"]},
            hovertemplate=f"{plain(name)}<br>%{{x}}: %{{y:.3f}}<extra></extra>",
            showlegend=False,
        )
    figure.update_layout(barmode="group", margin={"l": 36, "r": 8, "t": 4, "b": 28})
    return figure


def _figure(
    x: Mapping[str, Any] | None = None, y: Mapping[str, Any] | None = None, height: int = 340
) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure()
    axes = [
        {**dict(given or {}), "title": {"text": (given or {}).get("title", ""), "standoff": 8}}
        for given in (x, y)
    ]
    figure.update_layout(
        template=None, height=height, margin=_MARGIN, hovermode="closest", xaxis=axes[0], yaxis=axes[1]
    )
    return figure


def _signed(value: float) -> float:
    return math.copysign(math.sqrt(abs(value)), value)


def _signed_ticks(values: Sequence[float]) -> dict[str, list[Any]]:
    """Round values that are evenly spread after s, about five of them."""
    low, high = min([*values, 0.0]), max([*values, 0.0])
    span = _signed(high) - _signed(low) or 1.0
    rounded = [m * 10.0**e for e in range(-9, 9) for m in (1, 2, 5)]
    ticks = [0.0]
    for value in rounded:
        if value <= high * 1.02 and _signed(value) - _signed(max(ticks)) > span / 5.5:
            ticks.append(value)
    for value in rounded:
        if -value >= low * 1.02 and _signed(min(ticks)) - _signed(-value) > span / 5.5:
            ticks.append(-value)
    return {"tickvals": [_signed(t) for t in ticks], "ticktext": [f"{t:g}".replace("-", "−") for t in ticks]}


def _short(values: Sequence[float]) -> list[float]:
    """Five figures are enough for a chart."""
    return [float(f"{value:.5g}") for value in values]
