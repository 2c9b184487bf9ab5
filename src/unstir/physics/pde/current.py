"""A current: mass p that flows with velocity v and is born or dies at the rate R/p, from given data.

    ∂p/∂t + ∇·(pv) = R

Two concrete ones: `GridCurrent` (any row, in a periodic box) and `KernelCurrent` (closed forms, free space).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from unstir.errors import InputError


class Current(ABC):
    """What `particles.transport` needs to know. Positions are float64 `(n, dimension)`."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Of the positions."""

    @abstractmethod
    def field(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        """Velocity `(n, dimension)` and the rate of births less deaths R/p, `(n,)`, at `x`."""

    @abstractmethod
    def density(self, x: Tensor, t: float) -> Tensor:
        """p_t at `x`, `(n,)`; its integral is the mass that is left."""

    @abstractmethod
    def mass(self, t: float) -> float:
        """∫p_t for unit mass of data."""

    @abstractmethod
    def creation(self, t: float, sign: int) -> float:
        """∫ max(sign R, 0): mass born in a unit of time, forward (sign 1) or backward (sign −1)."""

    @abstractmethod
    def draw_born(self, n: int, t: float, sign: int, generator: torch.Generator) -> Tensor:
        """`n` independent positions from max(sign R, 0) over its integral."""

    @abstractmethod
    def draw(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        """`n` independent positions from p_t over its mass."""

    @abstractmethod
    def equilibrium(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        """`n` positions from what p_t over its mass comes to, whatever the data."""

    @abstractmethod
    def wrap(self, x: Tensor) -> Tensor:
        """`x` brought back to where the current lives."""


def data_points(data: Tensor, dimension: int) -> Tensor:
    """The data as float64 `(points, dimension)`."""
    if data.ndim != 2 or data.shape[1] != dimension or not len(data):
        raise InputError(
            f"data: has shape {tuple(data.shape)}; give points of shape (n, {dimension}), or set dimension="
        )
    if not bool(torch.isfinite(data).all()):
        raise InputError("data: holds values that are not finite; give finite points")
    return data.double()


def data_weights(weights: Tensor | None, n: int) -> Tensor:
    """The weights, normalised; equal ones by default."""
    if weights is None:
        return torch.full((n,), 1 / n, dtype=torch.float64)
    if weights.shape != (n,) or not bool((weights >= 0).all()) or not float(weights.sum()) > 0:
        raise InputError(f"weights: give {n} numbers of 0 or more, one a point")
    return weights.double() / weights.double().sum()
