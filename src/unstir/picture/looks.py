"""How states look in a frame: points in the plane, images in a mosaic, coins as black and white."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from matplotlib.colors import to_rgb
from torch import Tensor
from torch.nn import functional

from unstir.data import Dataset
from unstir.data.coder import Coder
from unstir.data.levels import Levels
from unstir.errors import InputError
from unstir.picture.canvas import BLUE, MASK, Axes

_POINTS = 800
_SIDE = 3  # of a mosaic
_SPREAD = 0.45  # of greys in 0…1: more than data have


class Look(ABC):
    """One way to see states, `(n, *shape)`."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many states fill a frame."""

    @abstractmethod
    def show(self, axes: Axes, states: Tensor) -> None:
        """Draw them."""


@dataclass(frozen=True)
class PointsLook(Look):
    """Points in the plane of the first two columns, in a frame that follows the middle 80 % of them."""

    @property
    def count(self) -> int:
        return _POINTS

    def show(self, axes: Axes, states: Tensor) -> None:
        size = float(torch.quantile(states.abs(), 0.8)) * 1.9
        axes.scatter(states[:, 0], states[:, 1], s=2.2, color=BLUE, alpha=0.7, linewidths=0)
        axes.set(xlim=(-size, size), ylim=(-size, size), aspect="equal")


class MosaicLook(Look):
    """The first images side by side."""

    @property
    def count(self) -> int:
        return _SIDE**2

    def show(self, axes: Axes, states: Tensor) -> None:
        padded = functional.pad(self.colours(states[: self.count]), (0, 0, 0, 1, 0, 1), value=1.0)
        rows = [torch.cat(list(row), 1) for row in torch.split(padded, _SIDE)]
        axes.imshow(torch.cat(rows, 0)[:-1, :-1].numpy(), interpolation="nearest", aspect="auto")

    @abstractmethod
    def colours(self, states: Tensor) -> Tensor:
        """Red, green and blue in 0…1, `(n, height, width, 3)`, of states `(n, channels, height, width)`."""


@dataclass(frozen=True)
class ImagesLook(MosaicLook):
    """Images as data are seen; where noise makes them wider than that, with their contrast fitted."""

    coder: Coder

    def colours(self, states: Tensor) -> Tensor:
        black, white = (self.coder.to_model(torch.full((1, 1, 1, 1), v)).item() for v in (0.0, 255.0))
        x = ((states.double() - black) / (white - black)).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
        spread = max(float(x.std()), 1e-6)
        fitted = 0.5 + (x - x.mean()) / (4 * spread)
        # From the one to the other by and by, for a strip without a jump.
        noisy = min(max((spread - _SPREAD) / _SPREAD, 0.0), 1.0)
        return torch.lerp(x.clamp(0, 1), fitted.clamp(0, 1), noisy)


@dataclass(frozen=True)
class CoinsLook(MosaicLook):
    """Levels as greys from black to white, and the mask in blue.

    Attributes:
        states: how many levels there are.
    """

    states: int

    def colours(self, states: Tensor) -> Tensor:
        grey = states.double() / (self.states - 1)
        colours = grey.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
        mask = torch.tensor(to_rgb(MASK), dtype=torch.float64)
        return torch.where(states.expand(-1, 3, -1, -1).permute(0, 2, 3, 1) < self.states, colours, mask)


def images_look(coder: Coder) -> MosaicLook:
    """The look of images' states: numbers, or coins."""
    return CoinsLook(coder.states) if isinstance(coder, Levels) else ImagesLook(coder)


def look_of(dataset: Dataset, coder: Coder) -> Look:
    """The look of a data set's states.

    Raises:
        InputError: text, a table of one column, or one with categories.
    """
    if dataset.kind == "image":
        return images_look(coder)
    if dataset.kind == "table" and dataset.shape[0] > 1 and not dataset.categories:
        return PointsLook()
    raise InputError(
        f"data {dataset.name}: pictures show images and tables of two columns of numbers or more; "
        "give --data digits"
    )
