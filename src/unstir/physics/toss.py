"""The law π of one toss of a coin: fair among its K states, or always the mask, a state of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Toss(ABC):
    """The law π of one toss.

    Attributes:
        states: K, how many a coin of the data has; they are 0 … K−1.
    """

    states: int = 2

    @property
    @abstractmethod
    def law(self) -> Tensor:
        """π, float64 `(symbols,)`, over all that a coin may show on the way."""

    @property
    def symbols(self) -> int:
        """How many states a coin may show on the way."""
        return len(self.law)

    @abstractmethod
    def draw(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Tosses, int64, on the generator's device."""


@dataclass(frozen=True)
class FairToss(Toss):
    """Each of the K states alike."""

    @property
    def law(self) -> Tensor:
        """1/K each."""
        return torch.full((self.states,), 1 / self.states, dtype=torch.float64)

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Each of the K states alike."""
        return torch.randint(self.states, tuple(shape), generator=generator, device=generator.device)


@dataclass(frozen=True)
class MaskToss(Toss):
    """Always the mask, which is state K."""

    @property
    def law(self) -> Tensor:
        """All on the mask."""
        return functional.one_hot(torch.tensor(self.states), self.states + 1).double()

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """The mask."""
        return torch.full(tuple(shape), self.states, device=generator.device)
