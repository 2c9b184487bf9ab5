"""What a deterministic flow from data to prior is, whatever the family (`ascent.py` has each)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from unstir.fields import Field
from unstir.flow.streams import Streams
from unstir.physics import FlowProcess, Process

P = TypeVar("P", bound=Process)
F = TypeVar("F", bound=FlowProcess)


class Entry(NamedTuple):
    """States as variables of the flow, and what that adds to their log density, `(batch,)` or one number."""

    z: Tensor
    log_volume: Tensor | float


class Ascent(ABC, Generic[P]):
    """The flow of one process and field, from its data up.

    Args:
        process: whose flow it is.
        field: its field, differentiable in the states where a divergence is wanted.
        shape: of one item of the data.

    Attributes:
        clock: its first and last value, float64 `(2,)`: rising or falling.
    """

    clock: Tensor

    def __init__(self, process: P, field: Field, shape: tuple[int, ...]) -> None:
        self.process, self.field, self.shape = process, field, shape

    @abstractmethod
    def signal(self) -> Tensor:
        """A at the flow's beginning, float64, of a shape that broadcasts against coordinates of an item."""

    def of_data(self, data: Tensor) -> Entry:
        """The states that items are without any noise, x = A y, and ln |det A|."""
        A = self.signal().to(data.device)
        volume = float(A.log().expand(self.shape).sum())
        return Entry(self._scaled(data, A.to(data.dtype)), volume)

    def _scaled(self, data: Tensor, A: Tensor) -> Tensor:
        return A * data

    @abstractmethod
    def enter(self, x: Tensor, streams: Streams | None) -> Entry:
        """The variables of states at the flow's beginning.

        Args:
            x: `(batch, *shape)`.
            streams: of random numbers, one an item, for what a state has beside the data; None for none.
        """

    @abstractmethod
    def slope(self, s: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        """dz/ds at the clock's value s, on the CPU; differentiable in z."""

    def grid(self, steps: int) -> Tensor:
        """Values of the clock that part it for so many equal steps: by default evenly."""
        first, last = self.clock.tolist()
        return torch.linspace(first, last, steps + 1, dtype=torch.float64)

    @abstractmethod
    def leave(self, z: Tensor) -> Entry:
        """The states at the prior, and what being variables has added to their log density."""

    @abstractmethod
    def log_prior(self, x: Tensor) -> Tensor:
        """log density of the prior at states, float64 `(batch,)`."""

    @abstractmethod
    def arrive(self, x: Tensor) -> Tensor:
        """The variables of states at the prior: the inverse of `leave`."""

    def item(self, z: Tensor) -> Tensor:
        """The items whose states without noise have these variables where the flow begins."""
        A = self.signal().to(z.device)
        return self._scaled(self._state(z), (1 / A).to(z.dtype))

    @abstractmethod
    def _state(self, z: Tensor) -> Tensor:
        """The data's part of the states of variables where the flow begins."""


class TimeAscent(Ascent[F]):
    """z = x on the process's own clock."""

    def __init__(self, process: F, field: Field, shape: tuple[int, ...]) -> None:
        super().__init__(process, field, shape)
        self.clock = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)

    def enter(self, x: Tensor, streams: Streams | None) -> Entry:
        return Entry(x, 0.0)

    def slope(self, s: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        time = float(s.clamp(self.clock[0], self.clock[1]))
        t = torch.full((len(z),), time, dtype=torch.float64, device=z.device)
        return self.process.velocity(z, t, self.field.at(time)(z, label)).to(z.dtype)

    def leave(self, z: Tensor) -> Entry:
        return Entry(z, 0.0)

    def arrive(self, x: Tensor) -> Tensor:
        return x

    def _state(self, z: Tensor) -> Tensor:
        return z
