"""Inverse heat dissipation: each step sharpens what is known, stirs what is not (Rissanen 2022, algorithm 2).

x_s = A_s D(x_t) + δ n      δ = 1.25 σ by default, a little over the noise that training added
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from unstir.errors import InputError
from unstir.flow.solver import LinearPath, LinearSolver, combine
from unstir.flow.streams import Streams
from unstir.physics import LinearProcess


@dataclass(frozen=True)
class Dissipation(LinearSolver):
    """The stochastic sampler of inverse heat dissipation.

    Attributes:
        delta: δ/σ; 0 takes the mean at each step.
    """

    delta: float = 1.25
    stochastic = True

    def __post_init__(self) -> None:
        if not 0 <= self.delta < 100:
            raise InputError(f"delta={self.delta:g}: give a factor on the noise of 0 or more, such as 1.25")

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for i, one in enumerate(path.slices[:-1]):
            d = one(x, label)
            noise, _ = streams.normal(x)
            x = combine(d, path.A[i + 1], (noise, self.delta * path.B[i + 1]))
            yield x, d

    def usual_steps(self, process: LinearProcess) -> int:
        return 60

    def evaluations(self, steps: int) -> int:
        return steps
