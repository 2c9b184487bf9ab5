"""The coder of signals `(channels, length)`: one shift and one scale for each channel, over all its places.

    x = (v - shift_c) / scale_c        in which every channel has mean 0 and deviation 0.5

It is `Scaling` of the table whose columns are the channels and whose rows are the places of all signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from unstir.data.dataset import Dataset, Kind
from unstir.data.scaling import Scaling
from unstir.errors import InputError


@dataclass(frozen=True)
class Channels:
    """The map of one set of signals; `Channels.fit` finds it.

    Attributes:
        scaling: a table's, with a column for each channel.

    Raises:
        InputError: another kind of scaling.
    """

    scaling: Scaling

    def __post_init__(self) -> None:
        if self.scaling.kind != "table":
            raise InputError(f"channels: scaling of kind {self.scaling.kind!r}, give a table's")

    @property
    def kind(self) -> str:
        """By which `coder_from_dict` knows it again."""
        return "channels"

    @property
    def holds(self) -> Kind:
        """The kind of data it codes."""
        return "signal"

    @classmethod
    def fit(cls, dataset: Dataset) -> Channels:
        """The scaling in which each channel of `dataset` has mean 0 and standard deviation STD."""
        table = replace(dataset, kind="table", values=dataset.values.mT.flatten(0, 1), labels=None)
        return cls(Scaling.fit(table))

    def model_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one item in model units: the same.

        Raises:
            InputError: items of another number of channels.
        """
        if len(shape) != 2 or shape[0] != len(self.scaling.shift):
            raise InputError(
                f"items of shape {tuple(shape)}: the scaling knows {len(self.scaling.shift)} channels"
            )
        return tuple(shape)

    def to_model(self, values: Tensor) -> Tensor:
        """Signals `(n, channels, length)` in data units to model units, float32."""
        return self.scaling.to_model(values.mT).mT.contiguous()

    def to_data(self, x: Tensor) -> Tensor:
        """Model units to data units, float32; channels that held whole numbers throughout are rounded."""
        return self.scaling.to_data(x.mT).mT.contiguous()

    def seen(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"kind": self.kind, "scaling": self.scaling.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Channels:
        """The coder that `to_dict` wrote.

        Raises:
            InputError: keys missing or unknown, or as `Scaling.from_dict`.
        """
        if set(data) != {"kind", "scaling"}:
            raise InputError(f"channels: {sorted(map(str, data))}, give kind and scaling")
        return cls(Scaling.from_dict(data["scaling"]))
