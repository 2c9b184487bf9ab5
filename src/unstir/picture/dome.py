"""Field lines in three dimensions, between charges on the plane z = 0 and a dome over them.

    dx̃/dτ = (x − E[y | x̃], z)      the field of `poisson:D=1` over the sum of its weights (Xu 2022)

Near a charge that is the displacement from it, far away that from the middle: lines leave and arrive
exponentially in τ. They leave each charge evenly in all directions, the half of them upwards, and so they
come evenly to a hemisphere that is large beside the data.

    E(x̃) = Σ_i w_i (x̃ − ỹ_i)/‖x̃ − ỹ_i‖³        R² E·x̃/R = 1 in the mean over the dome, by Gauss's law
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir import fields
from unstir.physics import poisson

_LAUNCH = 1e-3
_STEP = 0.1  # of τ
_GOLDEN = math.pi * (3 - 5**0.5)


def rising(charges: Tensor, lines: int, radius: float, generator: torch.Generator) -> Tensor:
    """Field lines from charges `(points, 2)` to a dome, `(steps, lines, 3)`; lines that are there stay."""
    start = charges.double()[torch.arange(lines) % len(charges)]
    ray = torch.randn((lines, 3), generator=generator, dtype=torch.float64)
    ray = ray / ray.norm(dim=1, keepdim=True)
    point = torch.cat([start, torch.zeros(lines, 1, dtype=torch.float64)], 1)
    point = point + _LAUNCH * torch.cat([ray[:, :2], ray[:, 2:].abs()], 1)
    field, path = _Field(charges), [point]
    for _ in range(_steps(radius)):
        step = field.step(point, _STEP)
        # The last step ends on the dome; steps are radial there, but for very little.
        point = point + step * _share(point, step, radius)
        path.append(point)
    return torch.stack(path)


def falling(charges: Tensor, starts: Tensor) -> Tensor:
    """The lines through `starts` `(lines, 3)` the other way, down to the charges, `(steps, lines, 3)`.

    They end at the height at which `rising` begins, and within about as much of a charge.
    """
    field, point = _Field(charges), starts.double()
    path = [point]
    # A step's share of the height, the same everywhere.
    left = 1 - _STEP + 0.5 * _STEP**2
    for _ in range(math.ceil(math.log(_LAUNCH / float(starts[:, 2].max())) / math.log(left))):
        point = point + field.step(point, -_STEP)
        path.append(point)
    return torch.stack(path)


def even(points: int, radius: float) -> Tensor:
    """Points spread evenly over a hemisphere, `(points, 3)`: equal steps of height, golden turns between."""
    turn = _GOLDEN * torch.arange(points, dtype=torch.float64)
    z = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    flat = (1 - z**2).sqrt()
    return radius * torch.stack([flat * turn.cos(), flat * turn.sin(), z], 1)


def flux(charges: Tensor, at: Tensor) -> Tensor:
    """R² E·x̃/R at points `(points, 3)` of a dome: 1 everywhere where the charges look like one."""
    flat = torch.cat([charges.double(), torch.zeros(len(charges), 1, dtype=torch.float64)], 1)
    away = at.double()[:, None] - flat
    E = (away / away.norm(dim=2, keepdim=True) ** 3).mean(1)
    found: Tensor = (E * at).sum(1) * at.norm(dim=1)
    return found


class _Field:
    """The slope of the lines in τ."""

    def __init__(self, charges: Tensor) -> None:
        self._mean = fields.ExactField(poisson(D=1, sigma_min=1e-7), charges.double())

    def slope(self, at: Tensor) -> Tensor:
        x, z = at[:, :2], at[:, 2]
        return torch.cat([x - self._mean(x, z.clamp_min(1e-9)), z[:, None]], 1)

    def step(self, point: Tensor, size: float) -> Tensor:
        """Heun's, which keeps the lines of one charge straight."""
        first = self.slope(point)
        return 0.5 * size * (first + self.slope(point + size * first))


def _steps(radius: float) -> int:
    return math.ceil(1.6 * math.log(radius / _LAUNCH) / _STEP)


def _share(point: Tensor, step: Tensor, radius: float) -> Tensor:
    """How much of a step, 0 to 1, leads from within a sphere up to it."""
    a, b, c = (step * step).sum(1), (point * step).sum(1), (point * point).sum(1) - radius**2
    root = (b**2 - a * c).clamp_min(0).sqrt()
    return ((root - b) / a).clamp(0, 1)[:, None]
