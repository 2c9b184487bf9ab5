"""The coder of images for coins: K grey levels, evenly spaced from the data's darkest grey to the brightest.

    level k stands for the grey  v_k = low + (high − low) k/(K − 1)        each pixel takes the nearest

K = 2 is black and white with the threshold midway, (low + high)/2; K = 256 with all greys loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unstir.data.dataset import Dataset, Kind
from unstir.data.wording import quoted
from unstir.errors import InputError


@dataclass(frozen=True)
class Levels:
    """Grey levels of one set of images; `Levels.fit` finds them.

    Attributes:
        states: K, 2 to 256.
        low: the darkest grey, 0 to 255.
        high: the brightest, above `low`.

    Raises:
        InputError: a number out of range.
    """

    states: int
    low: int = 0
    high: int = 255

    def __post_init__(self) -> None:
        if not 2 <= self.states <= 256:
            raise InputError(f"states={self.states}: images have 2 to 256 grey levels; give states=2 or more")
        if not 0 <= self.low < self.high <= 255:
            raise InputError(f"levels: low={self.low}, high={self.high}, give 0 ≤ low < high ≤ 255")

    @property
    def kind(self) -> str:
        """By which `coder_from_dict` knows it again."""
        return "levels"

    @property
    def holds(self) -> Kind:
        """The kind of data it codes."""
        return "image"

    @classmethod
    def fit(cls, dataset: Dataset, states: int) -> Levels:
        """The levels of a set of images; one of a single grey has all there are."""
        low, high = int(dataset.values.min()), int(dataset.values.max())
        return cls(states, low, high) if low < high else cls(states)

    def model_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one item in model units: the same."""
        return tuple(shape)

    def to_model(self, values: Tensor) -> Tensor:
        """Images uint8 `(n, channels, height, width)` to levels 0 … K−1, int64."""
        level = (values.double() - self.low) * ((self.states - 1) / (self.high - self.low))
        return level.round().clamp(0, self.states - 1).long()

    def to_data(self, x: Tensor) -> Tensor:
        """Levels to images, uint8.

        Raises:
            InputError: a state that is no level, such as the mask.
        """
        if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < self.states:
            raise InputError(
                f"x holds states {int(x.min())} to {int(x.max())}, and the levels are 0 to "
                f"{self.states - 1}: walk to the end of the path (time 0)"
            )
        grey = self.low + x.double() * ((self.high - self.low) / (self.states - 1))
        return grey.round().to(torch.uint8)

    def seen(self, values: Tensor) -> Tensor:
        """The images in the levels' greys."""
        return self.to_data(self.to_model(values))

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"kind": self.kind, "states": self.states, "low": self.low, "high": self.high}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Levels:
        """The levels that `to_dict` wrote.

        Raises:
            InputError: keys missing or unknown, values of another type or out of range.
        """
        if set(data) != {"kind", "states", "low", "high"}:
            raise InputError(f"levels: {sorted(map(str, data))}, give kind, states, low and high")
        numbers = [data[key] for key in ("states", "low", "high")]
        if not all(type(number) is int for number in numbers):
            raise InputError(f"levels: {quoted(numbers)}, give whole numbers")
        return cls(*numbers)
