"""The certificate of a row: does its mass balance?

    ‖∂p/∂t + ∇·J − R‖ / ‖∂p/∂t‖

on the grid, over space and a few times. The time derivative is a central difference of p alone, of fourth
order, so that J and R are tested, not repeated.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir.physics.pde.box import Box
from unstir.physics.pde.condition import equilibrium_time, smallest_time
from unstir.physics.pde.dispersion import Row
from unstir.physics.pde.grid import GridCurrent


def residual(
    row: Row, dimension: int = 1, data: Tensor | None = None, box: Box | None = None, births: bool = True
) -> float:
    """The relative residual of the continuity equation, births counted (unless `births` is off).

    Args:
        row: any row, generative or not.
        dimension: 1 or 2, of the default box.
        data: points `(n, dimension)`; three of unequal weight by default.
        box: where; a side of 8 and 256 cells in 1-D, 64 in 2-D by default.
        births: False leaves R out, to see how much it matters.

    Returns:
        About 1e-7 for a row that balances, of order 1 where p, J or R is wrong.
    """
    box = box or Box(dimension, 8.0, {1: 256, 2: 64}.get(dimension, 32))
    if data is None:
        data = torch.tensor([[-1.0], [0.4], [0.4], [1.3]], dtype=torch.float64) * torch.ones(1, box.dimension)
    current = GridCurrent.of_points(row, box, data)
    smallest, end = smallest_time(row, box), equilibrium_time(row, box)
    times = (smallest, math.sqrt(smallest * end), 0.5 * end)
    wrong = 0.0
    for t in times:
        step = 0.01 * smallest
        slope = (
            8 * (current.state(t + step)[0] - current.state(t - step)[0])
            - (current.state(t + 2 * step)[0] - current.state(t - 2 * step)[0])
        ) / (12 * step)
        state = current.state(t)
        divergence = sum(
            (box.values(1j * k * box.transform(j)) for k, j in zip(box.waves(), state[1:-1], strict=True)),
            torch.zeros(()),
        )
        off = slope + divergence - births * state[-1]
        # Each time counts alike, however much has faded.
        wrong += float(off.square().sum() / slope.square().sum())
    return math.sqrt(wrong / len(times))
