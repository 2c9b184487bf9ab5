"""A scene: a process on a data set with its exact field, all that pictures are drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from unstir import data
from unstir.data import Dataset
from unstir.data.coder import Coder
from unstir.data.load import Source
from unstir.fields.field import Field

T = TypeVar("T")

# Items of the exact field: enough for a smooth picture, few enough for seconds.
_ITEMS = 1000


@dataclass(frozen=True)
class Scene:
    """What there is to draw; nothing of it is made before it is asked for.

    Attributes:
        bare: the process, before it has seen any data.
        source: of the data.
        exact: gives the exact field of a process and items in model units.
        clock: gives the moments of a process, times from data to prior.
        partner: of a second data set, or None.
        solver: of strips backward; by default the process's own.
        steps: of that solver.
        walk: gives falling times in place of the solver's own.
    """

    bare: Any
    source: Source | None
    exact: Callable[[Any, Tensor], Field] | None
    clock: Callable[[Any], list[float]] | None
    partner: Source | None = None
    solver: str | None = None
    steps: int = 40
    walk: Callable[[Any], list[float]] | None = None

    @cached_property
    def dataset(self) -> Dataset:
        """At most 1,000 of the data."""
        if self.source is None:
            raise TypeError("scene: a law that is drawn by itself has no data")
        return _some(data.load(self.source))

    @cached_property
    def coder(self) -> Coder:
        """The map to model units."""
        coder: Coder = self.bare.coder(self.dataset)
        return coder

    @cached_property
    def items(self) -> Tensor:
        """The data in model units, `(n, *shape)`."""
        return self.coder.to_model(self.dataset.values)

    @cached_property
    def process(self) -> Any:  # noqa: ANN401  # of the class that its gallery is for
        """The process, with what it learns of the data."""
        if self.partner is None:
            return self.bare.prepared(self.items)
        other = _some(data.load(self.partner))
        return self.bare.prepared(self.items, self.bare.coder(other).to_model(other.values))

    @cached_property
    def field(self) -> Field:
        """The exact field of the items."""
        return _there(self.exact)(self.process, self.items)

    @cached_property
    def moments(self) -> list[float]:
        """Times of a strip, rising."""
        return _there(self.clock)(self.process)

    @property
    def times(self) -> list[float] | None:
        """Of strips backward, falling; None for the solver's own."""
        return None if self.walk is None else self.walk(self.process)


def _some(dataset: Dataset) -> Dataset:
    if len(dataset) <= _ITEMS:
        return dataset
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    return dataset.select(order[:_ITEMS].sort().values)


def _there(value: T | None) -> T:
    if value is None:
        raise TypeError("scene: a law that is drawn by itself has no data")
    return value
