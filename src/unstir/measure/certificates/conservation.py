"""Conservation: what flows out of a place is what goes missing there. ∂p/∂t + ∇·(p v) = R"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unstir.measure.certificates.check import Check, Finding
from unstir.measure.certificates.continuity import continuity_residual
from unstir.physics import Process


@dataclass(frozen=True)
class Continuity(Check):
    """The continuity equation of a density and a velocity in continuous space, where nothing is born.

    Attributes:
        process: gives the clock.
        log_density: log p_t(x), differentiable.
        velocity: dx/dt, differentiable.
        states: where to look at a time, `(batch, *shape)`.
        times: when.
        bound: of the greatest relative residual; differences in time leave 1e-7, quadrature over a law of
            noise 1e-5.
    """

    kind: ClassVar[str] = "conservation"

    process: Process
    log_density: Callable[[Tensor, float], Tensor]
    velocity: Callable[[Tensor, float], Tensor]
    states: Callable[[float], Tensor]
    times: Sequence[float]
    bound: float = 1e-5

    def measure(self) -> Finding:
        worst = [
            continuity_residual(self.process, self.log_density, self.velocity, self.states(t), t).max()
            for t in self.times
        ]
        return Finding(float(torch.stack(worst).max()), self.bound)


@dataclass(frozen=True)
class Balance(Check):
    """A residual of another kind: a master equation, or a current with births on a grid.

    Attributes:
        residual: relative; 0 where the books balance.
        bound: of it.
    """

    kind: ClassVar[str] = "conservation"

    residual: Callable[[], float]
    bound: float = 1e-5

    def measure(self) -> Finding:
        return Finding(self.residual(), self.bound)
