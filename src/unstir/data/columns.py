"""The coder of tables with categories: numbers are standardised, categories stand at corners of a simplex.

A column of K categories becomes K − 1 coordinates. Its corners V_k are the one-hot vectors turned into the
hyperplane they span (Helmert's matrix), so that any two are equally far apart:

    V Vᵀ = 1 − 1/K        x = (V_k − Σ p_k V_k) / scale        scale = √(1 − Σ p_k²) / STD

p_k are the shares in the training data. Each column, of numbers or of categories, so has mean 0 and a total
variance of STD²; two categories are one coordinate, just as a column of 0 and 1 is. The way back takes the
nearest corner, argmax_k ⟨V_k, v⟩, which is exact. (One-hot vectors are the usual encoding for Gaussian
diffusion of categories: Dieleman et al. 2022, Continuous diffusion for categorical data, section 3; the
turn drops the one direction in which they do not vary.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from unstir.data.dataset import Dataset, Kind
from unstir.data.scaling import STD, Scaling
from unstir.data.wording import quoted
from unstir.errors import InputError


@dataclass(frozen=True)
class Columns:
    """The map of one table with categories; `Columns.fit` finds it.

    Attributes:
        counts: how many categories each column has, 0 for a column of numbers.
        scaling: of the coordinates, in the columns' order.

    Raises:
        InputError: no coordinates at all, or another number of them in `scaling`.
    """

    counts: tuple[int, ...]
    scaling: Scaling

    def __post_init__(self) -> None:
        if any(count < 0 for count in self.counts) or self.scaling.kind != "table":
            raise InputError(
                f"columns: counts={self.counts}, give numbers of categories and a table's scaling"
            )
        if not self.width or self.width != len(self.scaling.shift):
            raise InputError(
                f"columns: {self.width} coordinates and {len(self.scaling.shift)} scales, give one for each"
            )

    @property
    def kind(self) -> str:
        """By which `coder_from_dict` knows it again."""
        return "columns"

    @property
    def holds(self) -> Kind:
        """The kind of data it codes."""
        return "table"

    @property
    def width(self) -> int:
        """How many coordinates a row has."""
        return sum(map(_width, self.counts))

    @classmethod
    def fit(cls, dataset: Dataset) -> Columns:
        """The map in which every column of a table has mean 0 and a total variance of STD².

        Raises:
            InputError: a table in which every column is one category throughout.
        """
        categories = dataset.categories or (None,) * dataset.shape[0]
        counts = tuple(0 if names is None else len(names) for names in categories)
        if not any(map(_width, counts)):
            raise InputError(
                f"data {dataset.name}: every column holds one category only, so there is nothing to learn; "
                "give columns that vary"
            )
        coordinates = _coordinates(dataset.values, counts)
        plain = Scaling.fit(Dataset(dataset.name, "table", coordinates))
        scale, whole, at = list(plain.scale), set(plain.whole), 0
        for count in counts:
            stop = at + _width(count)
            if count > 1:
                part = coordinates[:, at:stop]
                varies = bool((part != part[0]).any())
                variance = float(part.double().var(0, correction=0).sum())
                scale[at:stop] = [variance**0.5 / STD if varies else 1.0] * (stop - at)
                whole -= set(range(at, stop))
            at = stop
        return cls(counts, replace(plain, scale=tuple(scale), whole=tuple(sorted(whole))))

    def model_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one item in model units."""
        if tuple(shape) != (len(self.counts),):
            raise InputError(f"items of shape {tuple(shape)}: the coder knows {len(self.counts)} columns")
        return (self.width,)

    def to_model(self, values: Tensor) -> Tensor:
        """A table `(n, columns)` of numbers and codes to coordinates `(n, width)`, float32.

        Raises:
            InputError: another number of columns, or a code that is no category.
        """
        return self.scaling.to_model(_coordinates(values, self.counts))

    def to_data(self, x: Tensor) -> Tensor:
        """Coordinates to a table of numbers and of the nearest categories' codes, float32."""
        coordinates = self.scaling.to_data(x)
        parts = torch.split(coordinates, [_width(count) for count in self.counts], dim=-1)
        columns = [
            (part @ _corners(count, part).T).argmax(-1, keepdim=True).float() if count else part
            for part, count in zip(parts, self.counts, strict=True)
        ]
        return torch.cat(columns, dim=-1)

    def seen(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"kind": self.kind, "counts": list(self.counts), "scaling": self.scaling.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Columns:
        """The coder that `to_dict` wrote.

        Raises:
            InputError: keys missing or unknown, values of another type or out of range.
        """
        if set(data) != {"kind", "counts", "scaling"}:
            raise InputError(f"columns: {sorted(map(str, data))}, give kind, counts and scaling")
        counts = data["counts"]
        if not isinstance(counts, list | tuple) or not all(type(count) is int for count in counts):
            raise InputError(f"columns: counts={quoted(counts)}, give a list of whole numbers")
        return cls(tuple(counts), Scaling.from_dict(data["scaling"]))


def measurable(dataset: Dataset, like: Dataset) -> Dataset:
    """A table as the coordinates that `Columns` finds for `like`; data without categories as they are.

    Distances and covariances have a meaning between coordinates, and none between codes.
    """
    if not any(names is not None for names in like.categories):
        return dataset
    coder = Columns.fit(like)
    names = [
        name if _width(count) == 1 else f"{name} {i + 1}"
        for name, count in zip(dataset.columns, coder.counts, strict=True)
        for i in range(_width(count))
    ]
    return replace(dataset, values=coder.to_model(dataset.values), columns=tuple(names), categories=())


def _width(count: int) -> int:
    return count - 1 if count else 1


def _coordinates(values: Tensor, counts: Sequence[int]) -> Tensor:
    """Numbers as they are, categories as corners, `(n, width)`."""
    if not values.ndim or values.shape[-1] != len(counts):
        raise InputError(f"values of shape {tuple(values.shape)}: the coder knows {len(counts)} columns")
    parts = []
    for j, count in enumerate(counts):
        column = values[..., j : j + 1]
        if count:
            codes = column.long()
            if bool(((codes != column) | (codes < 0) | (codes >= count)).any()):
                raise InputError(f"values: column {j} holds codes that are none of its {count} categories")
            column = _corners(count, values)[codes[..., 0]]
        parts.append(column.to(values.dtype))
    return torch.cat(parts, dim=-1)


def _corners(count: int, like: Tensor) -> Tensor:
    """V, `(count, count − 1)`."""
    from scipy.linalg import helmert

    return torch.as_tensor(
        helmert(count).T.copy() if count > 1 else [[]], dtype=like.dtype, device=like.device
    )
