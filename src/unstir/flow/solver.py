"""Solvers: backward in time, from prior to data, as generators of frozen `Step` records.

A solver knows A, B and the field, never a process's name. The flow dx/dt = f x + g D is linear in x and D,
so every solver is a few linear combinations whose coefficients, computed once in float64, are
plain numbers: a step costs the field and as few passes over memory as it has terms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unstir.fields import Field, Slice
from unstir.flow.streams import Streams
from unstir.physics import LinearProcess


@dataclass(frozen=True, slots=True)
class Step:
    """One state of a trajectory.

    Attributes:
        index: 0 for the prior, then one a step.
        time: on the process's clock.
        state: x_t, `(batch, *shape)`; each step has its own tensor.
        prediction: the field's last answer E[y | x_t], or None at the prior.
    """

    index: int
    time: float
    state: Tensor
    prediction: Tensor | None


@dataclass(frozen=True)
class Path:
    """A process and a field along falling times: what a solver sees."""

    process: LinearProcess
    field: Field
    times: Sequence[float]

    @cached_property
    def slices(self) -> list[Slice]:
        """The field at each time."""
        return [self.field.at(t) for t in self.times]

    @cached_property
    def _clock(self) -> Tensor:
        return torch.tensor(self.times, dtype=torch.float64)

    @cached_property
    def A(self) -> list[float]:
        """The signal's coefficient at each time."""
        return self.process.A(self._clock).tolist()

    @cached_property
    def B(self) -> list[float]:
        """The noise's coefficient at each time."""
        return self.process.B(self._clock).tolist()

    @cached_property
    def drift(self) -> tuple[list[float], list[float]]:
        """f and g of dx/dt = f x + g D at each time."""
        f, g = self.process.drift(self._clock)
        return f.tolist(), g.tolist()


class Solver(ABC):
    """How a path is walked. Concrete solvers are frozen dataclasses of their own parameters."""

    # Whether samples need their own streams of random numbers on the way.
    stochastic: bool = False

    @abstractmethod
    def walk(
        self, path: Path, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """From `x` at the first time to the last, yielding (state, last prediction) at each time reached."""

    def times(self, process: LinearProcess, steps: int) -> list[float]:
        """The times that suit this solver, falling, `steps` of them."""
        return process.times(steps).tolist()

    @abstractmethod
    def evaluations(self, steps: int) -> int | None:
        """Field evaluations that `steps` steps cost, the last denoising among them; None where it varies."""

    def group(self, shape: Sequence[int]) -> int:
        """How many samples must be walked together; 1 where each is on its own."""
        return 1


def combine(x: Tensor, coefficient: float, *terms: tuple[Tensor, float]) -> Tensor:
    """coefficient · x + Σ c_j d_j, in a new tensor."""
    out = x * coefficient
    for tensor, c in terms:
        out.add_(tensor, alpha=c)
    return out
