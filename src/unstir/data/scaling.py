"""The affine map between data units v and model units x, in which the data have mean 0 and deviation 0.5.

    x = (v - shift) / scale        shift = mean(v),  scale = std(v) / STD

A set of images has one shift and one scale for all its pixels, a table one pair per column. A constant
column, or a set of images of one colour, gets scale 1. A column that holds whole numbers throughout is
rounded on the way back. STD = 0.5 is EDM's σ_data (Karras et al. 2022,
table 1), so that noise levels mean the same for every data set.
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

STD = 0.5


@dataclass(frozen=True)
class Scaling:
    """The map of one data set; `Scaling.fit` finds it.

    Attributes:
        kind: `image` or `table`.
        shift: the means in data units: one for images, one per column for a table.
        scale: the deviations over STD, above 0, as many as `shift`.
        whole: a table's columns of whole numbers, by index, rising.

    Raises:
        InputError: an unknown kind, lengths that differ, numbers that are not finite, a scale of 0 or below.
    """

    kind: Kind
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    whole: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("image", "table"):
            raise InputError(f"scaling: kind={self.kind!r}, give image or table")
        if (
            not self.shift
            or len(self.shift) != len(self.scale)
            or (self.kind == "image" and len(self.shift) > 1)
        ):
            raise InputError(
                f"scaling: {len(self.shift)} shifts and {len(self.scale)} scales, give one of each "
                "for images, or one per column"
            )
        for i, (shift, scale) in enumerate(zip(self.shift, self.scale, strict=True)):
            if not math.isfinite(shift):
                raise InputError(f"scaling: shift[{i}]={shift}, give a finite number")
            if not (math.isfinite(scale) and scale > 0):
                raise InputError(f"scaling: scale[{i}]={scale}, give a finite number above 0")
        if not set(self.whole) <= set(range(len(self.shift))) or (self.whole and self.kind != "table"):
            raise InputError(f"scaling: whole={self.whole}, give indices of a table's columns")

    @property
    def holds(self) -> Kind:
        """The kind of data it codes."""
        return self.kind

    @classmethod
    def fit(cls, dataset: Dataset) -> Scaling:
        """The scaling in which `dataset` has mean 0 and standard deviation STD.

        Raises:
            InputError: text, which has neither, or a table with categories.
        """
        if dataset.kind == "text":
            raise InputError(
                f"data {dataset.name}: are text, and this process takes numbers; give --process coins"
            )
        for column, names in zip(dataset.columns, dataset.categories, strict=False):
            if names is not None:
                raise InputError(
                    f"data {dataset.name}: column {quoted(column)} holds categories, and this takes numbers; "
                    "leave it out"
                )
        whole: tuple[int, ...] = ()
        if dataset.kind == "image":
            count = torch.bincount(dataset.values.reshape(-1), minlength=256).double()
            level = torch.arange(256, dtype=torch.float64, device=count.device)
            mean = (count * level).sum() / count.sum()
            variance = (count * (level - mean) ** 2).sum() / count.sum()
            std = variance.sqrt() if (count > 0).sum() > 1 else torch.zeros_like(mean)
            mean, std = mean.reshape(1), std.reshape(1)
        else:
            values = dataset.values.double()
            std, mean = torch.std_mean(values, dim=0, correction=0)
            # Rounding gives a constant column a deviation just above 0: look at the values themselves.
            std = torch.where(values.amin(0) == values.amax(0), 0.0, std)
            whole = tuple((values == values.round()).all(0).nonzero()[:, 0].tolist())
        scale = torch.where(std > 0, std / STD, 1.0)
        return cls(dataset.kind, tuple(mean.tolist()), tuple(scale.tolist()), whole)

    def model_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one item in model units."""
        if self.kind == "table" and tuple(shape) != (len(self.shift),):
            raise InputError(f"items of shape {tuple(shape)}: the scaling knows {len(self.shift)} columns")
        return tuple(shape)

    def to_model(self, values: Tensor) -> Tensor:
        """Data units to model units.

        Args:
            values: images `(..., channels, height, width)` or a table `(..., columns)`, of any dtype.

        Returns:
            float32 of the same shape.

        Raises:
            InputError: a table with other columns than the scaling's.
        """
        shift, scale = self._numbers(values)
        return ((values.double() - shift) / scale).float()

    def to_data(self, x: Tensor) -> Tensor:
        """Model units to data units.

        Args:
            x: images `(..., channels, height, width)` or a table `(..., columns)`.

        Returns:
            Images as uint8, rounded and clamped to 0..255; tables as float32, whole columns rounded; of the
            same shape.

        Raises:
            InputError: a table with other columns than the scaling's; images with NaN in them.
        """
        shift, scale = self._numbers(x)
        values = x.double() * scale + shift
        if self.kind == "table":
            if self.whole:
                values[..., list(self.whole)] = values[..., list(self.whole)].round()
            return values.float()
        if bad := int(values.isnan().sum()):
            raise InputError(
                f"x has {bad} pixels that are NaN: the flow diverged, take more or smaller steps"
            )
        return values.round().clamp(0, 255).to(torch.uint8)

    def seen(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def to_dict(self) -> dict[str, Any]:
        """The scaling as plain values for JSON or YAML."""
        plain = {"kind": self.kind, "shift": list(self.shift), "scale": list(self.scale)}
        return plain | ({"whole": list(self.whole)} if self.whole else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scaling:
        """The scaling that `to_dict` wrote.

        Raises:
            InputError: keys missing or unknown, values of another type, or as the class says.
        """
        if not isinstance(data, Mapping) or set(data) - {"whole"} != {"kind", "shift", "scale"}:
            held = sorted(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
            raise InputError(f"scaling: {held}, give kind, shift and scale")
        whole = data.get("whole", ())
        if not isinstance(whole, list | tuple) or not all(type(index) is int for index in whole):
            raise InputError(f"scaling: whole={quoted(whole)}, give a list of columns' indices")
        return cls(data["kind"], _floats(data, "shift"), _floats(data, "scale"), tuple(whole))

    def _numbers(self, values: Tensor) -> tuple[Tensor, Tensor]:
        if self.kind == "table" and (not values.ndim or values.shape[-1] != len(self.shift)):
            raise InputError(
                f"values of shape {tuple(values.shape)}: the scaling knows {len(self.shift)} columns"
            )
        shift = torch.tensor(self.shift, dtype=torch.float64, device=values.device)
        return shift, torch.tensor(self.scale, dtype=torch.float64, device=values.device)


def _floats(data: Mapping[str, Any], key: str) -> tuple[float, ...]:
    values = data[key]
    if not isinstance(values, list | tuple) or not all(type(v) in (int, float) for v in values):
        raise InputError(f"scaling: {key}={quoted(values)}, give a list of numbers")
    try:
        return tuple(float(v) for v in values)
    except OverflowError as error:
        raise InputError(f"scaling: {key}={quoted(values)}, give numbers that a float can hold") from error
