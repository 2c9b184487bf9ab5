"""A schedule whose states are of size 1 at every time, as networks trained in diffusers expect.

    A' = A/s     B' = B/s     s = √(A² + B²)

The flow depends on B/A alone, so that x' = x/s is the same physics: EDM's, Poisson's or Yukawa's exploding
states become those of a variance-preserving path, and the clock stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.physics import Schedule


@dataclass(frozen=True)
class Rescaled(Schedule):
    """A schedule divided by its own size.

    Attributes:
        inner: the schedule.
        scale: a factor on its B first, as `LinearProcess.scale`.
    """

    inner: Schedule
    scale: float = 1.0

    @property
    def t_min(self) -> float:  # type: ignore[override]
        """The time of the data."""
        return self.inner.t_min

    @property
    def t_max(self) -> float:  # type: ignore[override]
        """The time of the prior."""
        return self.inner.t_max

    def size(self, t: Tensor) -> Tensor:
        """The size s = √(A² + B²) at times of any shape."""
        return torch.hypot(self.inner.A(t), self.scale * self.inner.B(t))

    def A(self, t: Tensor) -> Tensor:
        return self.inner.A(t) / self.size(t)

    def B(self, t: Tensor) -> Tensor:
        return self.scale * self.inner.B(t) / self.size(t)

    def dA(self, t: Tensor) -> Tensor:
        return -self.B(t) * self._turn(t)

    def dB(self, t: Tensor) -> Tensor:
        return self.A(t) * self._turn(t)

    def _turn(self, t: Tensor) -> Tensor:
        """The rate of the angle arctan(B/A)."""
        A, B = self.inner.A(t), self.scale * self.inner.B(t)
        return (A * self.scale * self.inner.dB(t) - B * self.inner.dA(t)) / self.size(t).square()

    def time_at(self, ratio: Tensor) -> Tensor:
        return self.inner.time_at(ratio / self.scale)
