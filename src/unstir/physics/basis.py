"""Bases: the orthonormal coordinates in which signal and noise coefficients are diagonal."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


class Basis(ABC):
    """An orthonormal change of coordinates of states `(batch, *shape)`; lengths are kept."""

    @abstractmethod
    def coordinates(self, x: Tensor) -> Tensor:
        """From states to coordinates."""

    @abstractmethod
    def state(self, u: Tensor) -> Tensor:
        """From coordinates back to states."""


@dataclass(frozen=True)
class Pixel(Basis):
    """Each pixel or column is its own coordinate."""

    def coordinates(self, x: Tensor) -> Tensor:
        return x

    def state(self, u: Tensor) -> Tensor:
        return u


@dataclass(frozen=True)
class CosineModes(Basis):
    """The modes of a rod or a plate with insulated ends: the orthonormal cosine transform (DCT-II).

    Images `(batch, channels, height, width)` are transformed along their last two axes, whatever their
    lengths, signals `(batch, channels, length)` and `(batch, length)` along their last one: as matrix
    products, which at these sizes beat an FFT.
    """

    def coordinates(self, x: Tensor) -> Tensor:
        for axis in _axes(x.ndim - 1):
            x = _along(x, _matrix(x.shape[axis], x.dtype, x.device), axis)
        return x

    def state(self, u: Tensor) -> Tensor:
        for axis in _axes(u.ndim - 1):
            u = _along(u, _matrix(u.shape[axis], u.dtype, u.device).T, axis)
        return u


def eigenvalues(shape: Sequence[int]) -> Tensor:
    """−∇² of each cosine mode for items of `shape`, float64: (π i/height)² + (π j/width)², in 1/pixel²,
    or (π j/length)² for signals.
    """
    total = torch.zeros((1,) * len(shape), dtype=torch.float64)
    for axis in _axes(len(shape)):
        length = shape[axis]
        value = (math.pi * torch.arange(length, dtype=torch.float64) / length) ** 2
        total = total + (value if axis == -1 else value[:, None])
    return total


def _axes(dimensions: int) -> tuple[int, ...]:
    return (-2, -1) if dimensions >= 3 else (-1,)


def _along(x: Tensor, matrix: Tensor, axis: int) -> Tensor:
    # A change of coordinates is not the network's arithmetic: bfloat16 would leave an error of 1/256.
    with torch.autocast(x.device.type, enabled=False):
        return x @ matrix.T if axis == -1 else matrix @ x


@cache
@torch.inference_mode(mode=False)
def _matrix(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The orthonormal DCT-II: row k is √(2/n) cos(π k (j + ½)/n), row 0 over √2."""
    k, j = torch.arange(length, dtype=torch.float64)[:, None], torch.arange(length, dtype=torch.float64)
    matrix = torch.cos(math.pi * k * (j + 0.5) / length) * math.sqrt(2 / length)
    matrix[0] /= math.sqrt(2)
    return matrix.to(device, dtype)
