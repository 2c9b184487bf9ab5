"""Field lines in the plane: paths of the exact flow from where the data are blurred to the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir import flow
from unstir.picture.canvas import BLUE, INK, canvas
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_STEPS = 40


def paths(scene: Scene, lines: int, steps: int = _STEPS) -> Tensor:
    """Positions along the way, `(steps, lines, 2)`, from the last moment but one to the data."""
    process, start = scene.process, scene.moments[-2]
    generator = torch.Generator().manual_seed(2)
    data = scene.items[torch.randperm(len(scene.items), generator=generator)[:lines]]
    x = process.perturb(data, torch.full((len(data),), start, dtype=torch.float64), generator)
    solver = flow.default_solver(process)
    later = [time for time in solver.times(process, 2 * steps) if time < start]
    walk = flow.trajectory(process, scene.field, x, times=[start, *later], solver=solver)
    return torch.stack([process.observed(step.state) for step in walk])


@dataclass(frozen=True)
class Plane(Picture):
    """Lines that end on the data.

    Attributes:
        lines: how many.
    """

    lines: int = 150
    name: ClassVar[str] = "plane"

    def fits(self, scene: Scene) -> bool:
        return scene.dataset.kind == "table" and scene.dataset.shape == (2,)

    def draw(self, scene: Scene) -> Figure:
        lines = paths(scene, self.lines)
        figure = canvas(2.4, 2.4)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        for line in lines.unbind(1):
            axes.plot(line[:, 0], line[:, 1], color=INK, linewidth=0.45, alpha=0.5)
        axes.scatter(scene.items[:, 0], scene.items[:, 1], s=1.5, color=BLUE, alpha=0.5, linewidths=0)
        axes.scatter(lines[-1, :, 0], lines[-1, :, 1], s=4, color=BLUE, linewidths=0, zorder=3)
        size = 1.6 * float(torch.quantile(scene.items.abs(), 0.99))
        axes.set(xlim=(-size, size), ylim=(-size, size), aspect="equal")
        return figure
