"""Field lines on a line: p_t(x) as colour, time to the right, and the paths of 40 particles between.

Each line carries the same mass: those at the end start from evenly spaced quantiles of the law there. The
flow is exact, and so a line keeps its quantile all the way.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir import fields, flow
from unstir.physics import Kac, LinearProcess
from unstir.physics.kac import mixture_density
from unstir.picture.canvas import DENSITY, INK, thumbnail
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

# Three Gaussians on a line: what the lines come from.
WEIGHTS, MEANS, VARIANCES = (
    torch.tensor(values, dtype=torch.float64)
    for values in ((0.35, 0.45, 0.2), (-0.7, 0.15, 0.8), (0.01, 0.015, 0.004))
)
_LINES, _TIMES = 40, 120
_REACH = 3.0  # of the picture, up and down
_WIDE = 6.0
_FIRST, _LAST = 0.01, 1.5  # noise seen, of a process that goes on to much more


@dataclass(frozen=True)
class LineBundle:
    """What is drawn.

    Attributes:
        times: rising, `(times,)`.
        x: a grid of positions, `(grid,)`.
        density: p_t(x), `(grid, times)`.
        lines: positions of particles, `(lines, times)`.
    """

    times: Tensor
    x: Tensor
    density: Tensor
    lines: Tensor


class Lines(Picture):
    """Density and lines in one dimension; families say how both are found."""

    name: ClassVar[str] = "lines"

    @abstractmethod
    def bundle(self, scene: Scene) -> LineBundle:
        """Density and lines."""

    def draw(self, scene: Scene) -> Figure:
        figure, axes = thumbnail()
        bundle = self.bundle(scene)
        # Each moment by its own greatest density; a root lifts the tails.
        shade = (bundle.density / bundle.density.amax(0)) ** 0.7
        low, high = float(bundle.x[0]), float(bundle.x[-1])
        axes.imshow(
            shade.numpy(),
            origin="lower",
            aspect="auto",
            extent=(0, 1, low, high),
            cmap=DENSITY,
            vmin=0,
            vmax=1.25,
            interpolation="bilinear",
        )
        clock = torch.linspace(0, 1, len(bundle.times))
        for line in bundle.lines:
            axes.plot(clock, line, color=INK, linewidth=0.5, alpha=0.55)
        axes.set(xlim=(0, 1), ylim=(-_REACH, _REACH))
        return figure


class LinearLines(Lines):
    """By the exact density and denoiser of a Gaussian mixture."""

    def bundle(self, scene: Scene) -> LineBundle:
        process: LinearProcess = scene.bare
        times = _seen(process)
        oracle = fields.MixtureField(process, WEIGHTS, MEANS[:, None], VARIANCES)
        x = _grid()
        density = torch.stack([oracle.log_density(x[:, None], float(t)).exp() for t in times], 1)
        walk = flow.trajectory(
            process,
            oracle,
            _quantiles(x, density[:, -1])[:, None],
            times=times.flip(0).tolist(),
            solver=flow.Heun(),
            denoise=False,
        )
        lines = torch.stack([step.state[:, 0] for step in walk], 1).flip(1)
        return LineBundle(times, x, density, lines)


class KacLines(Lines):
    """Finite speed: the fronts of the particles that never turned run straight from the data."""

    def bundle(self, scene: Scene) -> LineBundle:
        process: Kac = scene.bare
        # Closer together early, where the fronts are.
        clock = torch.linspace(0, 0.999, _TIMES // 3, dtype=torch.float64) ** 2
        times = process.t_min + clock * (process.t_max - process.t_min)
        x = torch.linspace(-4, 4, 301, dtype=torch.float64)
        mixture = WEIGHTS, MEANS, VARIANCES.sqrt()
        density = torch.stack([mixture_density(process, *mixture, x, float(t)) for t in times], 1)
        # Nothing overtakes on a line: a path is a quantile.
        lines = torch.stack([_quantiles(x, column) for column in density.T], 1)
        return LineBundle(times, x, density, lines)


def _grid() -> Tensor:
    return torch.linspace(-_WIDE, _WIDE, 481, dtype=torch.float64)


def _seen(process: LinearProcess) -> Tensor:
    """All of the clock, or as much as fits beside the data where noise grows far beyond them."""
    ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
    if float(process.B(ends[1])) > _REACH:
        ends = process.time_at(torch.tensor([_FIRST, _LAST], dtype=torch.float64) / process.A(ends[1]))
    return torch.linspace(float(ends[0]), float(ends[1]), _TIMES, dtype=torch.float64)


def _quantiles(x: Tensor, density: Tensor) -> Tensor:
    """Evenly spaced quantiles of a density on a grid that holds all but its tails, of equal mass."""
    below = torch.cumulative_trapezoid(density, x)
    below = torch.cat([0.5 * (1 - below[-1:]), below + 0.5 * (1 - below[-1])])
    wanted = (torch.arange(_LINES, dtype=torch.float64) + 0.5) / _LINES
    wanted = wanted[(wanted > below[0]) & (wanted < below[-1])]
    at = torch.searchsorted(below, wanted).clamp(1, len(x) - 1)
    share = (wanted - below[at - 1]) / (below[at] - below[at - 1])
    return torch.lerp(x[at - 1], x[at], share)
