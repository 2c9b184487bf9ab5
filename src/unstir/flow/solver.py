"""Solvers: backward in time, from prior to data, as generators of frozen `Step` records.

A solver knows A, B and the field, never a process's name. The flow dx/dt = f x + g D is linear in x and D,
so every solver of a linear process is a few linear combinations whose coefficients are computed once in
float64: plain numbers, or one number a mode where heat damps each on its own. A step costs the field and as
few passes over memory as it has terms. Processes with a law of their own bring solvers of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import torch
from torch import Tensor

from unstir.fields import Field, Slice
from unstir.flow.streams import Streams
from unstir.physics import LinearProcess, Process

P = TypeVar("P", bound=Process)
Coefficient = float | Tensor

DEFAULT_STEPS = 20


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
class Path(Generic[P]):
    """A process and a field along falling times: what a solver sees."""

    process: P
    field: Field
    times: Sequence[float]

    @cached_property
    def slices(self) -> list[Slice]:
        """The field at each time."""
        return [self.field.at(t) for t in self.times]


@dataclass(frozen=True)
class LinearPath(Path[LinearProcess]):
    """The path of a linear process, in the coordinates of its basis.

    Attributes:
        shape: of one item: in a basis of modes each has its own coefficients.
    """

    shape: tuple[int, ...] = ()

    def at(self, times: Sequence[float]) -> LinearPath:
        """The same path at other times."""
        return LinearPath(self.process, self.field, times, self.shape)

    @cached_property
    def slices(self) -> list[Slice]:
        """The field at each time, from coordinates to coordinates."""
        slices = [self.field.at(t) for t in self.times]
        if self.process.damping is None:
            return slices
        return [self._of_modes(one) for one in slices]

    def _of_modes(self, one: Slice) -> Slice:
        basis = self.process.basis
        return lambda u, label: basis.coordinates(one(basis.state(u), label))

    @cached_property
    def _clock(self) -> Tensor:
        return torch.tensor(self.times, dtype=torch.float64)

    @cached_property
    def A(self) -> list[Coefficient]:
        """The signal's coefficient at each time."""
        return self._coefficients(self.process.signal(self._clock, self.shape))

    @cached_property
    def B(self) -> list[float]:
        """The noise's coefficient at each time."""
        return self.process.B(self._clock).tolist()

    @cached_property
    def ratio(self) -> list[float]:
        """B/A of the uniform mode at each time, infinite where A = 0."""
        A = self.process.A(self._clock)
        return torch.where(A > 0, self.process.B(self._clock) / A, torch.inf).tolist()

    @cached_property
    def drift(self) -> tuple[list[float], list[Coefficient]]:
        """f and g of dx/dt = f x + g D at each time."""
        f, g = self.process.drift(self._clock, self.shape)
        return f.tolist(), self._coefficients(g)

    def _coefficients(self, values: Tensor) -> list[Coefficient]:
        if self.process.damping is None:
            return values.flatten().tolist()
        return list(values[:, None].unbind(0))


class Solver(ABC, Generic[P]):
    """How a path is walked. Concrete solvers are frozen dataclasses of their own parameters."""

    # Whether samples need their own streams of random numbers on the way.
    stochastic: bool = False

    @property
    def needs_start(self) -> bool:
        """Whether there is no prior to start from, only given items."""
        return False

    def path(self, process: P, field: Field, times: Sequence[float], shape: tuple[int, ...]) -> Path[P]:
        """What this solver walks, for items of `shape`."""
        return Path(process, field, times)

    @abstractmethod
    def walk(
        self, path: Path[P], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """From states `x` at the first time to the last, yielding (state, last prediction) at each one."""

    @abstractmethod
    def finish(self, path: Path[P], x: Tensor, label: Tensor | None) -> Tensor:
        """The data that states at the last time stand for, as states."""

    @abstractmethod
    def times(self, process: P, steps: int) -> list[float]:
        """The times that suit this solver, falling, `steps` of them."""

    @abstractmethod
    def evaluations(self, steps: int) -> int | None:
        """Field evaluations that `steps` steps cost, the last denoising among them; None where it varies."""

    def usual_steps(self, process: P) -> int:
        """How many steps serve where nobody says."""
        return DEFAULT_STEPS

    def group(self, shape: Sequence[int]) -> int:
        """How many samples must be walked together; 1 where each is on its own."""
        return 1


class LinearSolver(Solver[LinearProcess]):
    """A solver of any linear process: it walks in the coordinates of the basis, and ends by denoising."""

    def path(
        self, process: LinearProcess, field: Field, times: Sequence[float], shape: tuple[int, ...]
    ) -> LinearPath:
        return LinearPath(process, field, times, shape)

    def walk(
        self, path: Path[LinearProcess], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if not isinstance(path, LinearPath):
            raise TypeError(f"path: a {type(path).__name__} is not that of a linear process")
        basis = path.process.basis
        for u, d in self.step(path, basis.coordinates(x), streams, label):
            yield basis.state(u), basis.state(d)

    @abstractmethod
    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """`walk` in the coordinates of the basis."""

    def finish(self, path: Path[LinearProcess], x: Tensor, label: Tensor | None) -> Tensor:
        return path.field.at(path.times[-1])(x, label)

    def times(self, process: LinearProcess, steps: int) -> list[float]:
        return process.times(steps).tolist()


def combine(x: Tensor, coefficient: Coefficient, *terms: tuple[Tensor, Coefficient]) -> Tensor:
    """coefficient · x + Σ c_j d_j, in a new tensor."""
    out = x * (coefficient if isinstance(coefficient, float) else coefficient.to(x))
    for tensor, c in terms:
        if isinstance(c, float):
            out.add_(tensor, alpha=c)
        else:
            out.addcmul_(tensor, c.to(x))
    return out
