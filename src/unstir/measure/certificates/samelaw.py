"""Two samples that must have one law: forgotten data and the prior, data and what comes back of the prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unstir.measure.certificates.check import Check, Finding
from unstir.measure.certificates.statistics import LEVEL, two_sample

Draw = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class SameLaw(Check):
    """A two-sample test.

    Attributes:
        one, other: draw n states, `(n, *shape)`, with a generator; independent draws.
        n: of each. In the plane 50,000 tell a scale that is off by 5 %, of Cauchy laws too; 8,000 by 10 %.
        test: p from both samples.
    """

    kind: ClassVar[str]

    one: Draw
    other: Draw
    n: int = 50_000
    test: Callable[[Tensor, Tensor, torch.Generator], float] = two_sample

    def measure(self) -> Finding:
        with torch.no_grad():
            one = self.one(self.n, torch.Generator().manual_seed(1))
            other = self.other(self.n, torch.Generator().manual_seed(2))
        return Finding(self.test(one, other, torch.Generator().manual_seed(3)), LEVEL, at_least=True)


@dataclass(frozen=True)
class ExactReversal(Check):
    """The exact way back, as a matrix, against the data.

    Attributes:
        distance: total variation between what comes back of the prior and the data.
        bound: of it; what the finite steps of the way back may leave.
    """

    kind: ClassVar[str] = "reversal"

    distance: Callable[[], float]
    bound: float

    def measure(self) -> Finding:
        return Finding(self.distance(), self.bound)


@dataclass(frozen=True)
class Equilibrium(SameLaw):
    """The forward law at t_max against the prior."""

    kind: ClassVar[str] = "equilibrium"


@dataclass(frozen=True)
class Reversal(SameLaw):
    """The prior, taken back by the exact field, against the data at t_min."""

    kind: ClassVar[str] = "reversal"

    n: int = 8_000
