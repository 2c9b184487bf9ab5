"""Parallel-beam tomography: line integrals through an image, exact for pixels of one value each.

Ray (θ, s) is the line x cos θ + y sin θ = s, in pixels from the image's centre; its integral is the sum over
pixels of value times length of the ray within (Siddon 1985), told in units of the longer side, so that a
white image gives 1 across. The lengths are a sparse matrix, made once for each shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from unstir.conditions.measurement import Measurement, across
from unstir.errors import InputError

_THIN = 1e-9  # pixels: shorter crossings are rounding
_LARGEST = 3000  # numbers in a sinogram up to which H Hᵀ is taken apart


@dataclass(frozen=True)
class Tomography(Measurement):
    """A sinogram, `(batch, channels, angles, rays)`, of images of any height and width.

    Angles are spread evenly over half a turn, beginning with rays along the columns; rays are one pixel
    apart, as many as cross the diagonal.

    Attributes:
        angles: how many.
        sigma: σ, in terms of a line across a white image.
    """

    angles: int
    sigma: float

    def __post_init__(self) -> None:
        if self.angles < 1:
            raise InputError(f"angles={self.angles}: give 1 or more")

    def __call__(self, items: Tensor) -> Tensor:
        height, width = items.shape[-2:]
        matrix = _lengths(self.angles, height, width).to(items.device, items.dtype)
        flat = items.reshape(-1, height * width)
        seen: Tensor = torch.sparse.mm(matrix, flat.T).T
        return seen.reshape(*items.shape[:-2], self.angles, -1)

    def solve(self, residual: Tensor, variance: float | Tensor, shape: Sequence[int]) -> Tensor:
        height, width = shape[-2:]
        if self.angles * math.ceil(math.hypot(height, width)) > _LARGEST:
            return super().solve(residual, variance, shape)
        values, vectors = (part.to(residual) for part in _spectrum(self.angles, height, width))
        v = variance if isinstance(variance, float) else across(variance, residual[:, 0].flatten(1)[:, None])
        turned = residual.flatten(2) @ vectors / (v * values + self.sigma**2)
        return (turned @ vectors.T).reshape(residual.shape)


@lru_cache(maxsize=8)
def _spectrum(angles: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of H Hᵀ for one channel, float64."""
    lengths = _lengths(angles, height, width)
    values, vectors = torch.linalg.eigh(torch.sparse.mm(lengths, lengths.to_dense().T))
    return values.clamp_min(0), vectors


@lru_cache(maxsize=8)
def _lengths(angles: int, height: int, width: int) -> Tensor:
    """Length of every ray in every pixel, sparse float64 `(angles · rays, height · width)`."""
    count = math.ceil(math.hypot(height, width))
    theta = np.repeat(math.pi * np.arange(angles) / angles, count)
    offset = np.tile(np.arange(count) - (count - 1) / 2, angles)
    cos, sin = np.cos(theta), np.sin(theta)
    # A ray is (s cos θ − u sin θ, s sin θ + u cos θ); at which u does it cross each line of the grid?
    with np.errstate(divide="ignore", invalid="ignore"):
        across = (offset * cos)[:, None] - (np.arange(width + 1) - width / 2)
        down = (np.arange(height + 1) - height / 2) - (offset * sin)[:, None]
        u = np.concatenate([across / sin[:, None], down / cos[:, None]], 1)
    reach = math.hypot(height, width)
    u = np.sort(np.nan_to_num(u, nan=reach, posinf=reach, neginf=-reach).clip(-reach, reach), 1)
    length, middle = np.diff(u, axis=1), 0.5 * (u[:, 1:] + u[:, :-1])
    column = np.floor((offset * cos)[:, None] - middle * sin[:, None] + width / 2).astype(np.int64)
    row = np.floor((offset * sin)[:, None] + middle * cos[:, None] + height / 2).astype(np.int64)
    inside = (length > _THIN) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    ray = np.broadcast_to(np.arange(len(theta))[:, None], inside.shape)[inside]
    index = torch.from_numpy(np.stack([ray, row[inside] * width + column[inside]]))
    values = torch.from_numpy(length[inside] / max(height, width))
    return torch.sparse_coo_tensor(
        index, values, (len(theta), height * width), check_invariants=True
    ).coalesce()
