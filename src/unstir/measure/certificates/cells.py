"""Cells: a grid over a line or a plane, the exact mass of a density in each, and counts of a sample.

The rest of the space is one more cell. Masses come of Gauss–Legendre rules, so of the density alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_NODES = 8  # of the rule in a cell, along each axis


@dataclass(frozen=True)
class Cells:
    """A product of edges.

    Attributes:
        edges: of each axis, rising, `(cells + 1,)`.
    """

    edges: Sequence[Tensor]

    @classmethod
    def over(cls, reference: Tensor, count: int) -> Cells:
        """`count` cells along each axis, where a reference sample `(n, axes)` lies, evenly filled by it."""
        shares = torch.linspace(0.02, 0.98, count + 1, dtype=torch.float64)
        return cls([torch.quantile(axis.double(), shares) for axis in reference.T])

    def masses(self, log_density: Callable[[Tensor], Tensor]) -> Tensor:
        """The integral of exp(log_density), taken at `(points, axes)`, over each cell; the rest is last."""
        nodes, weights = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(_NODES))
        points, shares = [], []
        for edges in self.edges:
            middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * edges.diff()
            points.append((middle[:, None] + half[:, None] * nodes).flatten())
            shares.append((half[:, None] * weights).flatten())
        density = log_density(torch.cartesian_prod(*points).reshape(-1, len(points))).exp()
        for i, share in enumerate(shares):
            density = density.reshape(*(len(p) for p in points))
            shape = [1] * len(points)
            shape[i] = len(share)
            density = density * share.reshape(shape)
        split = list(itertools.chain.from_iterable((len(e) - 1, _NODES) for e in self.edges))
        inside = density.reshape(split).sum(tuple(range(1, 2 * len(points), 2))).flatten()
        return torch.cat([inside, (1 - inside.sum()).clamp_min(0)[None]])

    def counts(self, x: Tensor) -> Tensor:
        """How many of `x`, `(n, axes)`, lie in each cell; those in none are last."""
        index = torch.zeros(len(x), dtype=torch.int64)
        inside = torch.ones(len(x), dtype=torch.bool)
        for edges, axis in zip(self.edges, x.double().T, strict=True):
            at = torch.searchsorted(edges, axis.contiguous()) - 1
            inside &= (at >= 0) & (at < len(edges) - 1)
            index = index * (len(edges) - 1) + at.clamp(0, len(edges) - 2)
        total = 1
        for edges in self.edges:
            total *= len(edges) - 1
        return torch.bincount(torch.where(inside, index, total), minlength=total + 1)
