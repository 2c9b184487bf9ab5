"""Measurements of images, each with its system (v H Hᵀ + σ²) u = r in closed form.

    Seen        some pixels                     H Hᵀ = I
    Pooled      means over squares              H Hᵀ = 1/pixels of each
    Blurred     a Gaussian blur                 H Hᵀ diagonal in the cosine modes
    Noised      the image itself                H Hᵀ = I

σ is in the items' own units: a share of the full scale for images of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unstir.conditions.measurement import Measurement, across
from unstir.errors import InputError
from unstir.physics import Blur, CosineModes
from unstir.physics.basis import eigenvalues


@dataclass(frozen=True, eq=False)
class Seen(Measurement):
    """The values at some places: the rest is to be painted in.

    Attributes:
        keep: booleans over the last axes of an item: `(height, width)` for all channels of an image alike.
        sigma: σ.
    """

    keep: Tensor
    sigma: float

    def __post_init__(self) -> None:
        if self.keep.dtype != torch.bool or not bool(self.keep.any()):
            raise InputError("keep: give booleans, True where the item is seen, and somewhere it must be")

    def __call__(self, items: Tensor) -> Tensor:
        """Those values, `(batch, …, seen)`."""
        last = items.ndim - self.keep.ndim
        if last < 1 or items.shape[last:] != self.keep.shape:
            raise InputError(
                f"keep: has shape {tuple(self.keep.shape)}, the items {tuple(items.shape[1:])}; "
                "give one for their last axes"
            )
        return items.flatten(last)[..., self.keep.flatten().to(items.device)]

    def solve(self, residual: Tensor, variance: float | Tensor, shape: Sequence[int]) -> Tensor:
        return residual / (_over(variance, residual) + self.sigma**2)


@dataclass(frozen=True)
class Pooled(Measurement):
    """A small image: means over squares of pixels, at the edge over what there is of one.

    Attributes:
        factor: side of a square.
        sigma: σ.
    """

    factor: int
    sigma: float

    def __call__(self, items: Tensor) -> Tensor:
        """Images `(batch, channels, ⌈height/factor⌉, ⌈width/factor⌉)`."""
        return functional.avg_pool2d(items, self.factor, ceil_mode=True, count_include_pad=False)

    def solve(self, residual: Tensor, variance: float | Tensor, shape: Sequence[int]) -> Tensor:
        rows, columns = (self._counts(size).to(residual) for size in shape[-2:])
        count = rows[:, None] * columns
        return residual / (_over(variance, residual) / count + self.sigma**2)

    def _counts(self, size: int) -> Tensor:
        start = torch.arange(0, size, self.factor)
        return (start + self.factor).clamp_max(size) - start


@dataclass(frozen=True)
class Blurred(Measurement):
    """A Gaussian blur with insulated edges.

    Attributes:
        width: standard deviation in pixels.
        sigma: σ.
    """

    width: float
    sigma: float

    def __call__(self, items: Tensor) -> Tensor:
        """Images of the same shape."""
        return Blur(self.width)(items)

    def solve(self, residual: Tensor, variance: float | Tensor, shape: Sequence[int]) -> Tensor:
        basis = CosineModes()
        squared = torch.exp(-(self.width**2) * eigenvalues(shape)).to(residual)
        modes = basis.coordinates(residual)
        return basis.state(modes / (_over(variance, residual) * squared + self.sigma**2))


@dataclass(frozen=True)
class Noised(Measurement):
    """The item itself, with noise.

    Attributes:
        sigma: σ.
    """

    sigma: float

    def __call__(self, items: Tensor) -> Tensor:
        """The items."""
        return items

    def solve(self, residual: Tensor, variance: float | Tensor, shape: Sequence[int]) -> Tensor:
        return residual / (_over(variance, residual) + self.sigma**2)


@dataclass(frozen=True, eq=False)
class Matrix(Measurement):
    """Any matrix on the flattened item.

    Attributes:
        rows: `(observed, N)`.
        sigma: σ.
    """

    rows: Tensor
    sigma: float

    def __call__(self, items: Tensor) -> Tensor:
        """`(batch, observed)`."""
        return items.flatten(1) @ self.rows.to(items).T


def _over(variance: float | Tensor, like: Tensor) -> float | Tensor:
    return variance if isinstance(variance, float) else across(variance, like)
