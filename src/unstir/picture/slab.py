"""The slab: field lines of a capacitor on a line of data, from plate to plate, those that leave it too.

    dx̃/ds = ±Ẽ/‖Ẽ‖      x̃ = (x, z), by steps in proportion to the distance from the nearest charge

Lines leave each plus charge evenly in all directions. Every one ends on a minus charge: from the front, or
from behind it where it passed between others.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir.fields.plates import ExactPlates
from unstir.physics import Capacitor
from unstir.picture.canvas import BLUE, INK, RED, thumbnail
from unstir.picture.lines import MEANS, VARIANCES, WEIGHTS
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_CHARGES, _RAYS = 24, 8
_NEAR = 1e-3  # of L: as near to a charge as a line starts and ends
_STEP = 0.12  # of the distance to the nearest charge
_STEPS = 900
_DISTANCE = 4.0  # L/R that suits one dimension, where the usual one is fifty


def plates(process: Capacitor) -> tuple[Capacitor, Tensor, Tensor]:
    """The process at a distance to be seen, plus charges of three Gaussians, minus charges of one."""
    shown = dataclasses.replace(process, distance=process.distance or _DISTANCE, far=None)
    at = (torch.arange(_CHARGES, dtype=torch.float64) + 0.5) / _CHARGES
    normal = 0.5 * torch.special.ndtri(at)
    x = torch.linspace(-3, 3, 4001, dtype=torch.float64)
    below = (WEIGHTS * torch.special.ndtr((x[:, None] - MEANS) / VARIANCES.sqrt())).sum(1)
    return shown, x[torch.searchsorted(below, at)][:, None], normal[:, None]


def across(process: Capacitor, near: Tensor, far: Tensor, rays: int) -> Tensor:
    """Field lines from each plus charge, `(steps, charges · rays, 2)` of x and z; at their end they stay."""
    L = process.length((1,))
    field = ExactPlates(process, near, far)
    turn = 2 * torch.pi * (torch.arange(rays, dtype=torch.float64) + 0.5) / rays
    off = _NEAR * L * torch.stack([turn.cos(), turn.sin()], 1)
    plus = torch.cat([near, torch.zeros_like(near)], 1)
    minus = torch.cat([far, torch.full_like(far, L)], 1)
    charges = torch.cat([plus, minus])
    point = (plus[:, None] + off).flatten(0, 1)

    def direction(at: Tensor) -> Tensor:
        E: Tensor = field(at[:, :1], at[:, 1] / L)
        unit: Tensor = E / E.norm(dim=1, keepdim=True)
        return unit

    path = [point]
    for _ in range(_STEPS):
        gap = torch.cdist(point, minus)
        going = gap.amin(1, keepdim=True) > _NEAR * L
        step = _STEP * torch.cdist(point, charges).amin(1, keepdim=True)
        middle = point + 0.5 * step * direction(point)
        point = torch.where(going, point + step * direction(middle), minus[gap.argmin(1)])
        path.append(point)
        if not bool(going.any()):
            break
    return torch.stack(path)


class Slab(Picture):
    """The lines between the plates and around them."""

    name: ClassVar[str] = "lines"

    def draw(self, scene: Scene) -> Figure:
        process, near, far = plates(scene.bare)
        L = process.length((1,))
        lines = across(process, near, far, _RAYS)
        figure, axes = thumbnail()
        for line in lines.unbind(1):
            outside = bool((line[:, 1] < -_NEAR * L).any() or (line[:, 1] > (1 + _NEAR) * L).any())
            axes.plot(line[:, 1], line[:, 0], color=BLUE if outside else INK, linewidth=0.45, alpha=0.5)
        axes.scatter(0 * near[:, 0], near[:, 0], s=5, color=RED, linewidths=0, zorder=3)
        axes.scatter(0 * far[:, 0] + L, far[:, 0], s=5, color=BLUE, linewidths=0, zorder=3)
        axes.set(xlim=(-0.45 * L, 1.45 * L), ylim=(-0.53 * L, 0.53 * L), aspect="equal")
        return figure
