"""Limits: where a parameter goes to its end, a process must meet its neighbour."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from unstir.measure.certificates.check import Check, Finding


@dataclass(frozen=True)
class Approach(Check):
    """A gap to the neighbour that closes at the rate at which it should.

    Attributes:
        gap: to the neighbour, at a value of the parameter.
        values: of the parameter, towards the limit, each `factor` nearer to it than the last.
        factor: by which the gap should fall at each of them.
        bound: of how far the last fall is from that factor, relative.
    """

    kind: ClassVar[str] = "limit"

    gap: Callable[[float], float]
    values: Sequence[float]
    factor: float
    bound: float = 0.1

    def measure(self) -> Finding:
        gaps = [self.gap(value) for value in self.values]
        falls = [a / b for a, b in itertools.pairwise(gaps)]
        return Finding(max(abs(fall / self.factor - 1) for fall in falls), self.bound)


@dataclass(frozen=True)
class Meeting(Check):
    """A gap to the neighbour that is closed, or as good as.

    Attributes:
        gap: the greatest difference, in nats of log density unless said otherwise.
        bound: of it.
    """

    kind: ClassVar[str] = "limit"

    gap: Callable[[], float]
    bound: float = 1e-9

    def measure(self) -> Finding:
        return Finding(self.gap(), self.bound)
