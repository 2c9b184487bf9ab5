"""A case: what a family brings for its processes to be checked on, with everything known in closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from unstir.measure.certificates.check import Check


class Named(Protocol):
    """What has a name: a process, or a PDE."""

    @property
    def name(self) -> str:
        """As in `unstir processes`."""
        ...


P = TypeVar("P", bound=Named)


@dataclass(frozen=True)
class Case(ABC, Generic[P]):
    """A process with data whose field and density are exact. Cheap to make: work waits for `measure`.

    Attributes:
        process: that is checked.
    """

    process: P

    @property
    def name(self) -> str:
        """The process's own."""
        return self.process.name

    @abstractmethod
    def checks(self) -> Iterator[Check]:
        """The checks that make sense for this family, in the order of the table."""


# Three unequal Gaussians in the plane, with mean 0 and a standard deviation of about ½ as data have.
def plane_mixture() -> tuple[Tensor, Tensor, Tensor]:
    """(weights, means, covariances) of the data that continuous processes are checked on, float64."""
    weights = torch.tensor([0.45, 0.3, 0.25], dtype=torch.float64)
    means = torch.tensor([[0.6, 0.2], [-0.7, 0.4], [-0.24, -0.84]], dtype=torch.float64)
    covariances = torch.tensor(
        [[[0.03, 0.015], [0.015, 0.02]], [[0.02, -0.01], [-0.01, 0.03]], [[0.04, 0.0], [0.0, 0.015]]],
        dtype=torch.float64,
    )
    return weights, means, covariances


def seeded(seed: int) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def filled(x: Tensor, t: float) -> Tensor:
    """The time `t` for each of `x`, float64 `(batch,)`."""
    return torch.full((len(x),), t, dtype=torch.float64)
