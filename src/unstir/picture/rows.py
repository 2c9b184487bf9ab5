"""Rows of the PDE table: a density on a periodic line over time, of those too that cannot generate."""

from __future__ import annotations

from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir.physics.pde import PDE, ROWS, Box, GridCurrent, pde
from unstir.picture.canvas import BLUE, INK, RED, Axes, canvas, framed
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_TIMES = 120
# Where mass 1 lies at first, and in which shares.
_POINTS, _SHARES = ((-1.2,), (0.3,), (1.1,)), (0.35, 0.45, 0.2)


def evolution(process: PDE, times: int = _TIMES) -> tuple[Tensor, Tensor]:
    """Times from 0 to t_max, more of them early, and p_t(x) on a line, `(times, cells)`."""
    box = Box(1, process.box.side, process.box.cells)
    points, shares = (torch.tensor(v, dtype=torch.float64) for v in (_POINTS, _SHARES))
    current = GridCurrent.of_points(process.row, box, points * box.side / 8, shares)
    clock = process.t_max * torch.linspace(0, 1, times, dtype=torch.float64) ** 2
    clock[0] = process.t_min
    return clock, torch.stack([current.state(float(t))[0] for t in clock])


class RowPicture(Picture):
    """One row: time to the right, the line upwards, blue where p > 0 and red where it is negative."""

    name: ClassVar[str] = "lines"

    def draw(self, scene: Scene) -> Figure:
        figure = canvas(3.2, 1.8)
        axes = figure.add_axes((0.015, 0.2, 0.97, 0.77))
        _show(axes, scene.bare)
        figure.text(0.02, 0.1, scene.bare.row.equation, fontsize=7, color=INK)
        text, colour = _verdict(scene.bare)
        figure.text(0.02, 0.02, text, fontsize=6, color=colour)
        return figure


class TablePicture(Picture):
    """Every row, with its defaults."""

    name: ClassVar[str] = "table"

    def fits(self, scene: Scene) -> bool:
        return bool(scene.bare == pde())

    def draw(self, scene: Scene) -> Figure:
        columns, lines = 4, -(-len(ROWS) // 4)
        figure = canvas(8.8, 1.95 * lines, 130)
        for i, name in enumerate(ROWS):
            column, line = i % columns, i // columns
            left, bottom = (column + 0.02) / columns, (lines - 1 - line + 0.26) / lines
            axes = figure.add_axes((left, bottom, 0.96 / columns, 0.71 / lines))
            process = pde(name, dimension=1)
            _show(axes, process)
            text, colour = _verdict(process)
            figure.text(left, bottom - 0.1 / lines, f"{name}   {process.row.equation}", fontsize=7, color=INK)
            figure.text(left, bottom - 0.19 / lines, text, fontsize=6.5, color=colour)
        return figure


def _show(axes: Axes, process: PDE) -> None:
    _, density = evolution(process)
    # Each moment by its own greatest density; a root lifts what is spread out.
    shade = density / density.abs().amax(1, keepdim=True)
    shade = shade.sign() * shade.abs() ** 0.6
    axes.imshow(shade.T.numpy(), origin="lower", aspect="auto", cmap="RdBu", vmin=-1.15, vmax=1.15)
    framed(axes)


def _verdict(process: PDE) -> tuple[str, str]:
    verdict = process.verdict
    if verdict:
        return "generates", BLUE
    return f"cannot generate: {verdict.failed} fails", RED
