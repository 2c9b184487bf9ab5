"""The coder of tables for coins: each column in K values, evenly spaced from its least to its largest.

bin k of a column stands for  v_k = low + (high − low) k/(K − 1)        each number takes the nearest
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unstir.data.dataset import Dataset, Kind
from unstir.data.wording import quoted
from unstir.errors import InputError


@dataclass(frozen=True)
class Bins:
    """Bins of one table; `Bins.fit` finds them.

    Attributes:
        states: K, 2 or more.
        low: the least value of each column.
        high: the largest of each, not below `low`.

    Raises:
        InputError: a number out of range.
    """

    states: int
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.states < 2:
            raise InputError(f"states={self.states}: a column needs 2 bins or more; give states=2 or more")
        ends = list(zip(self.low, self.high, strict=False))
        fine = all(math.isfinite(b - a) and a <= b for a, b in ends)
        if not ends or len(self.low) != len(self.high) or not fine:
            raise InputError(f"bins: low={self.low}, high={self.high}, give finite low ≤ high, one a column")

    @property
    def kind(self) -> str:
        """By which `coder_from_dict` knows it again."""
        return "bins"

    @property
    def holds(self) -> Kind:
        """The kind of data it codes."""
        return "table"

    @classmethod
    def fit(cls, dataset: Dataset, states: int) -> Bins:
        """The bins of a table."""
        low, high = dataset.values.double().aminmax(dim=0)
        return cls(states, tuple(low.tolist()), tuple(high.tolist()))

    def to_model(self, values: Tensor) -> Tensor:
        """A table `(n, columns)` to bins 0 … K−1, int64."""
        low, width = self._numbers(values)
        bins = (values.double() - low) / torch.where(width > 0, width, 1)
        return bins.round().clamp(0, self.states - 1).long()

    def to_data(self, x: Tensor) -> Tensor:
        """Bins to a table of their middles, float32.

        Raises:
            InputError: a state that is no bin, such as the mask.
        """
        if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < self.states:
            raise InputError(
                f"x holds states {int(x.min())} to {int(x.max())}, and the bins are 0 to "
                f"{self.states - 1}: walk to the end of the path (time 0)"
            )
        low, width = self._numbers(x)
        return (low + x.double() * width).float()

    def seen(self, values: Tensor) -> Tensor:
        """The table in the bins' middles."""
        return self.to_data(self.to_model(values))

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"kind": self.kind, "states": self.states, "low": list(self.low), "high": list(self.high)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bins:
        """The bins that `to_dict` wrote.

        Raises:
            InputError: keys missing or unknown, values of another type or out of range.
        """
        if set(data) != {"kind", "states", "low", "high"}:
            raise InputError(f"bins: {sorted(map(str, data))}, give kind, states, low and high")
        states, low, high = (data[key] for key in ("states", "low", "high"))
        lists = all(
            isinstance(ends, list | tuple) and all(type(end) in (int, float) for end in ends)
            for ends in (low, high)
        )
        if type(states) is not int or not lists:
            raise InputError(
                f"bins: {quoted([states, low, high])}, give a whole number and two lists of numbers"
            )
        return cls(states, tuple(map(float, low)), tuple(map(float, high)))

    def _numbers(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Each column's least value and its bins' width."""
        if values.shape[-1] != len(self.low):
            raise InputError(f"values of shape {tuple(values.shape)}: the bins know {len(self.low)} columns")
        low, high = (
            torch.tensor(ends, dtype=torch.float64, device=values.device) for ends in (self.low, self.high)
        )
        return low, (high - low) / (self.states - 1)
