"""A coder: the map between data as the user knows them and the numbers that a model sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from unstir.data.dataset import Dataset, Kind


class Coder(Protocol):
    """Found from a data set, kept by a run as plain values."""

    @property
    def kind(self) -> str:
        """By which `coder_from_dict` knows it again."""
        ...

    @property
    def holds(self) -> Kind:
        """The kind of data it codes."""
        ...

    def model_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one item in model units, for items of `shape` in data units.

        Raises:
            InputError: items of a shape that it does not code.
        """
        ...

    def to_model(self, values: Tensor) -> Tensor:
        """Data units `(n, *shape)` to model units."""
        ...

    def to_data(self, x: Tensor) -> Tensor:
        """Model units to data units."""
        ...

    def seen(self, values: Tensor) -> Tensor:
        """Data as the model can give them, in data units: what samples are fairly compared with."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON, `kind` among them."""
        ...


def usual_coder(dataset: Dataset) -> Coder:
    """Mean 0, deviation ½: `Columns` for tables with categories, `Channels` for signals, else `Scaling`."""
    from unstir.data.channels import Channels
    from unstir.data.columns import Columns
    from unstir.data.scaling import Scaling

    if dataset.kind == "signal":
        return Channels.fit(dataset)
    mixed = any(names is not None for names in dataset.categories)
    return Columns.fit(dataset) if mixed else Scaling.fit(dataset)


def coder_from_dict(data: Mapping[str, Any]) -> Coder:
    """The coder that `to_dict` wrote.

    Raises:
        InputError: an unknown kind, or values that are not its own.
    """
    from unstir.data.bins import Bins
    from unstir.data.channels import Channels
    from unstir.data.columns import Columns
    from unstir.data.levels import Levels
    from unstir.data.scaling import Scaling
    from unstir.data.text import Letters

    kinds: dict[str, Callable[[Mapping[str, Any]], Coder]] = {
        "bins": Bins.from_dict,
        "channels": Channels.from_dict,
        "columns": Columns.from_dict,
        "levels": Levels.from_dict,
        "letters": Letters.from_dict,
    }
    kind = data.get("kind") if isinstance(data, Mapping) else None
    return kinds.get(kind if isinstance(kind, str) else "", Scaling.from_dict)(data)
