"""Charges and hemisphere: field lines in three dimensions, from charges on the plane z = 0 up to a dome.

    dx̃/dτ = (x − E[y | x̃], z)      the field of `poisson:D=1` over the sum of its weights (Xu 2022)

Near a charge that is the displacement from it, far away that from the middle: lines leave and arrive
exponentially in τ. They leave each charge evenly in all directions, the half of them upwards, and so they
come evenly to a hemisphere that is large beside the data.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir import fields
from unstir.physics import LinearProcess, StudentT, poisson
from unstir.picture.canvas import BLUE, GREY, INK, Axes, canvas
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_CHARGES, _LINES = 60, 240
_LAUNCH = 1e-3
_STEP = 0.1  # of τ
_RADIUS = 3.0


def rising(charges: Tensor, lines: int, radius: float, generator: torch.Generator) -> Tensor:
    """Field lines from charges `(points, 2)` to a dome, `(steps, lines, 3)`; lines that are there stay."""
    field = fields.ExactField(poisson(D=1, sigma_min=1e-7), charges.double())
    start = charges.double()[torch.arange(lines) % len(charges)]
    ray = torch.randn((lines, 3), generator=generator, dtype=torch.float64)
    ray = ray / ray.norm(dim=1, keepdim=True)
    point = torch.cat([start, torch.zeros(lines, 1, dtype=torch.float64)], 1)
    point = point + _LAUNCH * torch.cat([ray[:, :2], ray[:, 2:].abs()], 1)

    def slope(at: Tensor) -> Tensor:
        x, z = at[:, :2], at[:, 2]
        return torch.cat([x - field(x, z.clamp_min(1e-9)), z[:, None]], 1)

    path = [point]
    for _ in range(math.ceil(1.6 * math.log(radius / _LAUNCH) / _STEP)):
        first = slope(point)
        step = 0.5 * _STEP * (first + slope(point + _STEP * first))
        # The last step ends on the dome; steps are radial there, but for very little.
        point = point + step * _share(point, step, radius)
        path.append(point)
    return torch.stack(path)


def _share(point: Tensor, step: Tensor, radius: float) -> Tensor:
    """How much of a step, 0 to 1, leads from within a sphere up to it."""
    a, b, c = (step * step).sum(1), (point * step).sum(1), (point * point).sum(1) - radius**2
    root = (b**2 - a * c).clamp_min(0).sqrt()
    return ((root - b) / a).clamp(0, 1)[:, None]


class Hemisphere(Picture):
    """Lines of Poisson flow in the plane and one dimension more."""

    name: ClassVar[str] = "hemisphere"

    def fits(self, scene: Scene) -> bool:
        return scene.dataset.kind == "table" and scene.dataset.shape == (2,) and _one_more(scene.bare)

    def draw(self, scene: Scene) -> Figure:
        generator = torch.Generator().manual_seed(1)
        charges = scene.items[torch.randperm(len(scene.items), generator=generator)[:_CHARGES]]
        lines = rising(charges, _LINES, _RADIUS, generator)
        figure = canvas(3.2, 2.4)
        axes: Axes = figure.add_axes((-0.12, -0.22, 1.24, 1.44), projection="3d")
        axes.set_proj_type("ortho")
        axes.view_init(elev=18, azim=-60)
        for line in lines.unbind(1):
            axes.plot(*line.T, color=BLUE, linewidth=0.4, alpha=0.55)
        axes.scatter(*lines[-1].T, s=2.0, color=BLUE, linewidths=0, depthshade=False)
        axes.scatter(charges[:, 0], charges[:, 1], 0, s=3.0, color=INK, linewidths=0, depthshade=False)
        turn = torch.linspace(0, 2 * math.pi, 100)
        axes.plot(_RADIUS * turn.cos(), _RADIUS * turn.sin(), 0 * turn, color=GREY, linewidth=0.6)
        half = turn / 2
        for angle in (0.0, math.pi / 3, 2 * math.pi / 3):
            x, y = half.cos() * math.cos(angle), half.cos() * math.sin(angle)
            axes.plot(_RADIUS * x, _RADIUS * y, _RADIUS * half.sin(), color=GREY, linewidth=0.4, alpha=0.6)
        axes.set(xlim=(-_RADIUS, _RADIUS), ylim=(-_RADIUS, _RADIUS), zlim=(0, _RADIUS))
        axes.set_box_aspect((2, 2, 1))
        axes.set_axis_off()
        return figure


def _one_more(process: object) -> bool:
    """Charges in one dimension more, whatever the process is called."""
    return isinstance(process, LinearProcess) and process.noise == StudentT(1.0)
