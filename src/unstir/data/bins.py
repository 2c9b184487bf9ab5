"""The coder of tables for coins: each column in K values, evenly spaced from its least to its largest.

bin k of a column stands for  v_k = low + (high − low) k/(K − 1)        each number takes the nearest

A column of whole numbers, and so one of categories, is rounded on the way back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        whole: the columns of whole numbers, by index, rising.

    Raises:
        InputError: a number out of range.
    """

    states: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    whole: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.states < 2:
            raise InputError(f"states={self.states}: a column needs 2 bins or more; give states=2 or more")
        ends = list(zip(self.low, self.high, strict=False))
        fine = all(math.isfinite(b - a) and a <= b for a, b in ends)
        if not ends or len(self.low) != len(self.high) or not fine:
            raise InputError(f"bins: low={self.low}, high={self.high}, give finite low ≤ high, one a column")
        if not set(self.whole) <= set(range(len(self.low))):
            raise InputError(f"bins: whole={self.whole}, give indices of columns")

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
        """The bins of a table.

        Raises:
            InputError: a column of more categories than there are bins, so that some would become one;
                signals, which would need bins at every place.
        """
        if dataset.kind == "signal":
            raise InputError(
                f"data {dataset.name}: are signals, and coins take images, tables and text; "
                "give another process, such as --process edm"
            )
        values = dataset.values.double()
        low, high = values.aminmax(dim=0)
        for j, names in enumerate(dataset.categories):
            if names is None:
                continue
            if len(names) > states:
                raise InputError(
                    f"states={states}: column {quoted(dataset.columns[j])} holds {len(names)} categories; "
                    f"give states={len(names)} or more"
                )
            low[j], high[j] = 0, len(names) - 1
        whole = (values == values.round()).all(0).nonzero()[:, 0]
        return cls(states, tuple(low.tolist()), tuple(high.tolist()), tuple(whole.tolist()))

    def model_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one item in model units: the same."""
        if tuple(shape) != (len(self.low),):
            raise InputError(f"items of shape {tuple(shape)}: the bins know {len(self.low)} columns")
        return tuple(shape)

    def to_model(self, values: Tensor) -> Tensor:
        """A table `(n, columns)` to bins 0 … K−1, int64."""
        low, width = self._numbers(values)
        bins = (values.double() - low) / torch.where(width > 0, width, 1)
        return bins.round().clamp(0, self.states - 1).long()

    def to_data(self, x: Tensor) -> Tensor:
        """Bins to a table of their middles, float32; whole numbers are rounded.

        Raises:
            InputError: a state that is no bin, such as the mask.
        """
        if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < self.states:
            raise InputError(
                f"x holds states {int(x.min())} to {int(x.max())}, and the bins are 0 to "
                f"{self.states - 1}: walk to the end of the path (time 0)"
            )
        low, width = self._numbers(x)
        values = low + x.double() * width
        if self.whole:
            values[..., list(self.whole)] = values[..., list(self.whole)].round()
        return values.float()

    def seen(self, values: Tensor) -> Tensor:
        """The table in the bins' middles."""
        return self.to_data(self.to_model(values))

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        plain = {"kind": self.kind, "states": self.states, "low": list(self.low), "high": list(self.high)}
        return plain | ({"whole": list(self.whole)} if self.whole else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bins:
        """The bins that `to_dict` wrote.

        Raises:
            InputError: keys missing or unknown, values of another type or out of range.
        """
        if set(data) - {"whole"} != {"kind", "states", "low", "high"}:
            raise InputError(f"bins: {sorted(map(str, data))}, give kind, states, low and high")
        states, low, high, whole = (*(data[key] for key in ("states", "low", "high")), data.get("whole", ()))
        lists = all(
            isinstance(ends, list | tuple) and all(type(end) in (int, float) for end in ends)
            for ends in (low, high)
        )
        indices = isinstance(whole, list | tuple) and all(type(index) is int for index in whole)
        if type(states) is not int or not lists or not indices:
            raise InputError(
                f"bins: {quoted([states, low, high, whole])}, give a whole number and lists of numbers"
            )
        return cls(states, tuple(map(float, low)), tuple(map(float, high)), tuple(whole))

    def _numbers(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Each column's least value and its bins' width."""
        if values.shape[-1] != len(self.low):
            raise InputError(f"values of shape {tuple(values.shape)}: the bins know {len(self.low)} columns")
        low, high = (
            torch.tensor(ends, dtype=torch.float64, device=values.device) for ends in (self.low, self.high)
        )
        return low, (high - low) / (self.states - 1)
