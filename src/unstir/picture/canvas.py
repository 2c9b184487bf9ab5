"""The canvas: one look for every picture. Figures of the Agg kind only, with no state outside of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, RED, INK, GREY = "#2563eb", "#dc2626", "#0f172a", "#64748b"
EDGE, PAPER, MASK = "#cbd5e1", "#ffffff", "#bfd4fb"
DENSITY = "Blues"
"""The colour map of densities."""

Axes = Any  # matplotlib has no types


def canvas(width: float, height: float, dpi: int = 160) -> Figure:
    """An empty figure of so many inches."""
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def thumbnail() -> tuple[Figure, Axes]:
    """A picture as wide as a table's column in the README, all of it one plot without axes."""
    figure = canvas(3.2, 1.8)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    return figure, axes


def frames(labels: Sequence[str], caption: str, panel: float = 1.5) -> tuple[Figure, list[Axes]]:
    """A row of square frames with a label under each, and a line of caption below."""
    count, gap, margin, below = len(labels), 0.07, 0.06, 0.48
    width, height = count * panel + (count - 1) * gap + 2 * margin, panel + margin + below
    figure = canvas(width, height, 130)
    row = []
    for i, label in enumerate(labels):
        left = margin + i * (panel + gap)
        axes = figure.add_axes((left / width, below / height, panel / width, panel / height))
        framed(axes)
        axes.set_xlabel(label, fontsize=9, color=GREY, labelpad=3)
        row.append(axes)
    figure.text(margin / width, 0.07 / height, caption, fontsize=9, color=INK, va="bottom")
    return figure, row


def framed(axes: Axes) -> None:
    """No ticks, and a thin grey edge."""
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=EDGE, linewidth=0.8)


def plain(axes: Axes) -> None:
    """Small grey ticks, and an edge on the two sides that have them."""
    axes.tick_params(labelsize=6, colors=GREY, length=2, width=0.6, pad=2)
    for name, side in axes.spines.items():
        side.set(color=EDGE, linewidth=0.8, visible=name in ("left", "bottom"))
