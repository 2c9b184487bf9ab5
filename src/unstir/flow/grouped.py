"""torchdiffeq's Dormand–Prince on samples in whole groups, whose steps the worst of each group decides."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from unstir.errors import InputError


def check_tolerances(rtol: float, atol: float) -> None:
    """Raise where a tolerance is not in (0, 1)."""
    if not (0 < rtol < 1 and 0 < atol < 1):
        raise InputError(f"adaptive: rtol={rtol:g}, atol={atol:g}; give tolerances in (0, 1)")


def in_groups(
    size: int, x: Tensor, label: Tensor | None, solve: Callable[[Tensor, Tensor | None], Tensor]
) -> Tensor:
    """`solve(states, labels)`, `(times, size, *shape)`, for each group: `(times, batch, *shape)`."""
    labels = [None] * math.ceil(len(x) / size) if label is None else list(torch.split(label, size))
    return torch.cat([solve(xs, ls) for xs, ls in zip(torch.split(x, size), labels, strict=True)], 1)


def dormand_prince(
    slope: Callable[[Tensor, Tensor], Tensor], x: Tensor, clock: Tensor, rtol: float, atol: float
) -> Tensor:
    """The states at every time of a rising `clock`, `(times, *x.shape)`, from `x` at its first."""
    from torchdiffeq import odeint

    clock = clock.to(x.device)

    def worst(state: Tensor) -> Tensor:
        return state.reshape(len(x), -1).square().mean(1).max().sqrt()

    solved: Tensor = odeint(
        slope,
        x,
        clock,
        rtol=rtol,
        atol=atol,
        method="dopri5",
        options={"norm": worst, "dtype": torch.float64, "step_t": clock[-1:]},
    )
    return solved
