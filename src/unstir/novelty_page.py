"""Quality against novelty as one page of HTML that needs nothing but itself, or as one picture."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unstir.compare.page import charts, parts, pictures, whole_page
from unstir.data.picture import image_grid
from unstir.errors import InputError
from unstir.novelty import Novelty, Place, conclusion, names
from unstir.train.storage import write_bytes, write_text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_HTML, _PNG = ".html", ".png"
_NEAR = 0.15  # of the picture's width: marks whose names would meet
_X = "novelty (0: copies, 1: as new as held-out images)"
_Y = "Fréchet distance (less is nearer)"
_NOTE = (
    "The best place is low and to the right: as good as real images, and as new. Level bars hold half of the "
    "images, upright ones are 95 % intervals of the distance."
)
_ROWS = "Samples, the first of each, not chosen (above), and their nearest training images (below)."
_TABLE = (
    "Novelty is the median distance to the nearest training image over that of held-out images: 0 for "
    "copies, 1 for images as new as those. Nearer is the share of images nearer than the median held-out "
    "one; copies are those that differ from a training image by less than 1 % of the full range."
)


def check_report(path: Path) -> None:
    """Refuse a name that is neither.

    Raises:
        InputError: it ends in something else.
    """
    if path.suffix.lower() not in (_HTML, _PNG):
        raise InputError(f"out={path}: the report is a page or a picture; give a name in .html or .png")


def write_report(found: Novelty, path: Path, command: Sequence[str] = ()) -> Path:
    """Write the page, or the picture, whole or not at all.

    Args:
        found: the figures.
        path: its name ends in .html or .png.
        command: what made it, told on the page.

    Raises:
        InputError: another name, or a place that cannot be written to.
    """
    check_report(path)
    if path.suffix.lower() == _HTML:
        write_text(path, make_page(found, command))
    else:
        write_bytes(path, make_picture(found))
    return path


def make_page(found: Novelty, command: Sequence[str] = ()) -> str:
    """The report as HTML."""
    look, title = _looks(found), "Quality against novelty"
    shape = " × ".join(map(str, next(iter(found.shown.values()))[0].shape[1:]))
    lead = "".join(f'<p class="lead">{parts.text(line)}</p>' for line in conclusion(found))
    strips = "".join(
        parts.picture(
            name, pictures.grid(torch.cat(pair), columns=len(pair[0])), look[name], "image", "samples"
        )
        for name, pair in found.shown.items()
    )
    chart = parts.chart(1, "", charts.as_json(_chart(found, look)), parts.text(_NOTE))
    made = f"<pre><code>{parts.text(shlex.join(command))}</code></pre>" if command else ""
    return whole_page(
        title,
        f"<header><h1>{title}</h1><p>"
        f"{found.n_train:,} training images of {shape}, {found.n:,} of each field; "
        f"process {parts.text(found.process)}, seed {found.seed}</p></header>"
        f'<section class="verdict">{lead}</section>'
        f"<h2>Where they stand</h2>{chart}{parts.legend(look, look)}{_table(found, look)}"
        f'<p class="note">{_TABLE} Distances to {found.n_heldout:,} held-out images are taken in '
        f"{parts.text(found.features)} ({parts.text(found.features_note)}).</p>"
        f'<h2>Samples</h2><p class="note">{_ROWS}</p><div class="pair">{strips}</div>{made}',
    )


def make_picture(found: Novelty) -> bytes:
    """The report as a PNG: the chart, and the samples above their nearest training images."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    look, fields = _looks(found), names(found.places)[0]
    figure = Figure(figsize=(13, 6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = list(np.asarray(figure.subfigures(1, 2, width_ratios=(1, 1.15))))
    axes = left.subplots()
    for place in found.places:
        colour = look[place.name]["color"]
        up = None
        if place.frechet_low is not None and place.frechet_high is not None:
            up = [[max(place.frechet - place.frechet_low, 0)], [max(place.frechet_high - place.frechet, 0)]]
        across = [[place.novelty - place.novelty_low], [place.novelty_high - place.novelty]]
        mark = "D" if place.real else "o"
        axes.errorbar(place.novelty, place.frechet, up, across, mark, color=colour, alpha=0.9, markersize=9)
        _name(axes, place, found.places, colour)
    axes.set(xlabel=_X, ylabel=f"Fréchet distance to held-out images, {found.features}", ylim=(0, None))
    left_end, right_end = axes.get_xlim()
    axes.set_xlim(left_end, right_end + 0.2 * (right_end - left_end))  # room for names
    axes.spines[["top", "right"]].set_visible(b=False)
    rows = right.subplots(len(fields), 1, squeeze=False)[:, 0]
    for axis, name in zip(rows, fields, strict=True):
        strip = image_grid(torch.cat(found.shown[name]), len(found.shown[name][0]))
        axis.imshow(strip, cmap="gray", interpolation="nearest")
        axis.set_title(f"{name}, above its nearest training images", loc="left", fontsize=10)
        axis.axis("off")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _looks(found: Novelty) -> dict[str, dict[str, str]]:
    fields, (held, train) = names(found.places)
    return charts.looks(fields, train, held)


def _chart(found: Novelty, look: charts.Looks) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure()
    for place in found.places:
        name, colour = charts.plain(place.name), look[place.name]["color"]
        figure.add_scatter(
            x=[place.novelty],
            y=[place.frechet],
            mode="markers",
            marker={"color": colour, "size": 13, "symbol": "diamond" if place.real else "circle"},
            error_x=_ends(place.novelty, place.novelty_low, place.novelty_high, colour),
            error_y=_ends(place.frechet, place.frechet_low, place.frechet_high, colour),
            hovertemplate=f"{name}<br>{place.novelty:.3g}, {place.frechet:.4g}<extra></extra>",
            showlegend=False,
        )
    figure.update_layout(
        template=None,
        height=420,
        margin={"l": 62, "r": 16, "t": 12, "b": 50},
        hovermode="closest",
        xaxis={"title": {"text": _X, "standoff": 8}, "zeroline": True},
        yaxis={"title": {"text": _Y, "standoff": 8}, "rangemode": "tozero", "zeroline": True},
    )
    return figure


def _ends(value: float, low: float | None, high: float | None, colour: str) -> dict[str, Any] | None:
    if low is None or high is None:
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(high - value, 0)],
        "arrayminus": [max(value - low, 0)],
        "color": colour,
        "thickness": 2,
        "width": 0,
    }


def _table(found: Novelty, look: charts.Looks) -> str:
    head = "".join(f"<th>{title}</th>" for title in ("", "novelty", "Fréchet ↓", "nearer", "copies"))
    rows = "".join(_row(place, look) for place in found.places)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def named_above(place: Place, places: Sequence[Place]) -> bool:
    """Whether a mark's name stands above it, where of marks near by the highest alone has its name."""
    low, high = (end(other.novelty for other in places) for end in (min, max))
    near = [other for other in places if abs(other.novelty - place.novelty) <= _NEAR * (high - low)]
    return max(near, key=lambda other: other.frechet) is place


def _name(axes: Any, place: Place, places: Sequence[Place], colour: str) -> None:  # noqa: ANN401  matplotlib's
    above = named_above(place, places)
    axes.annotate(
        place.name, (place.novelty, place.frechet), (9, 9 if above else -9), color=colour,
        textcoords="offset points", va="bottom" if above else "top",
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _row(place: Place, look: charts.Looks) -> str:
    ends = "" if place.frechet_low is None else f"{place.frechet_low:.3g} to {place.frechet_high:.3g}"
    cells = (
        f"{place.novelty:.2f}<small>{place.novelty_low:.2f} to {place.novelty_high:.2f}</small>",
        f"{place.frechet:.3g}<small>{ends}</small>",
        f"{100 * place.share:.0f} %",
        f"{100 * place.copies:.0f} %",
    )
    inside = "".join(f"<td>{cell}</td>" for cell in cells)
    base = ' class="base"' if place.real else ""
    return (
        f'<tr{base}><th scope="row">{parts.chip(look[place.name])}{parts.text(place.name)}</th>{inside}</tr>'
    )
