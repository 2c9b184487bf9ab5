"""Distances between two sample sets a `(n, ...)` and b `(m, ...)`, items flattened to d values.

    sliced_wasserstein   (mean over θ of W_p(θ·a, θ·b)^p)^{1/p},   θ uniform on the unit sphere
    energy_distance      2 E‖a − b‖ − E‖a − a'‖ − E‖b − b'‖
    mmd                  E k(a, a') + E k(b, b') − 2 E k(a, b),    k = exp(−‖·‖² / 2h²)
    wasserstein          min over couplings of (E‖a − b‖^p)^{1/p}

Every one is 0 between equal laws, up to sampling. Inside a set only pairs of different items count, so
the energy distance and the MMD are unbiased: between equal laws they scatter around 0 and may be
negative. Images as uint8 count as value/255. All sums are float64 and run over tiles: 60,000 × 10,000
needs no whole matrix.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._arrays import pair, rows, subset, whole
from unstir.measure._tiles import distances, mean_between, mean_within

EXACT_LIMIT = 5_000
_BANDWIDTH_ROWS = 500
_BLOCK = 2**21


def sliced_wasserstein(a: Tensor, b: Tensor, *, projections: int = 500, seed: int = 0, p: float = 2) -> float:
    """The p-Wasserstein distance of random one-dimensional shadows, averaged over directions.

    Args:
        a: `(n, ...)`.
        b: `(m, ...)`; n and m may differ.
        projections: number of directions; the figure's own scatter falls as its inverse square root.
        seed: of the directions; the same seed and d give the same directions for any two sets.
        p: the order, at least 1.

    Returns:
        A distance in the data's units, >= 0. Two sets a shift δ apart are about ‖δ‖/√d apart (p = 2).

    Raises:
        InputError: items of different shape, a set that is empty or not finite, p < 1, projections < 1.

    Source: Bonneel et al. 2015, Sliced and Radon Wasserstein barycenters of measures.
    """
    import ot

    x, y = pair(a, b)
    _order(p)
    whole(projections, "projections")
    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(projections, x.shape[1], dtype=torch.float64, generator=generator)
    theta = torch.nn.functional.normalize(theta).to(x.device)
    total = 0.0
    for block in torch.split(theta, max(1, _BLOCK // (len(x) + len(y)))):
        total += float(ot.wasserstein_1d(_project(x, block), _project(y, block), p=p).sum())
    return float((total / projections) ** (1 / p))


def energy_distance(a: Tensor, b: Tensor) -> float:
    """Székely's energy distance 2 E‖a − b‖ − E‖a − a'‖ − E‖b − b'‖ (not its square root), unbiased.

    Args:
        a: `(n, ...)`, n >= 2.
        b: `(m, ...)`, m >= 2.

    Returns:
        In the data's units; around 0, possibly just below, for equal laws.

    Raises:
        InputError: items of different shape, fewer than 2 of them, or values that are not finite.

    Source: Székely & Rizzo 2013, Energy statistics, eq. 1.
    """
    x, y = pair(a, b, least=2)
    return 2 * mean_between(x, y, _itself) - mean_within(x, _itself) - mean_within(y, _itself)


def mmd(a: Tensor, b: Tensor, *, bandwidth: float | None = None) -> float:
    """The squared maximum mean discrepancy under a Gaussian kernel exp(−‖·‖²/2h²), unbiased.

    Args:
        a: `(n, ...)`, n >= 2.
        b: `(m, ...)`, m >= 2.
        bandwidth: h > 0 in the data's units; None takes `median_bandwidth` of the two sets pooled. Figures
            under different bandwidths do not compare, so give one when comparing several sets.

    Returns:
        No unit, at most 2; around 0, possibly just below, for equal laws.

    Raises:
        InputError: items of different shape, fewer than 2 of them, values that are not finite, h <= 0.

    Source: Gretton et al. 2012, A kernel two-sample test, eq. 3.
    """
    x, y = pair(a, b, least=2)
    if bandwidth is None:
        bandwidth = median_bandwidth(torch.cat([subset(s, _BANDWIDTH_ROWS, 0) for s in (x, y)]))
    if not (bandwidth > 0 and math.isfinite(bandwidth)):
        raise InputError(f"bandwidth={bandwidth}: give a finite length above 0, or None for the median")
    h = bandwidth

    def kernel(distance: Tensor) -> Tensor:
        return torch.exp(-0.5 * (distance / h) ** 2)

    return mean_within(x, kernel) + mean_within(y, kernel) - 2 * mean_between(x, y, kernel)


def median_bandwidth(values: Tensor) -> float:
    """The median distance between two items of `values` `(n, ...)`, n >= 2, in the data's units.

    At most 1,000 items are used, always the same ones. Where more than half of the pairs are copies, it
    is the mean distance instead, and 1 where all are.

    Raises:
        InputError: fewer than 2 items, or values that are not finite.

    Source: Gretton et al. 2012, section 8.
    """
    apart = torch.pdist(subset(rows(values, "values", least=2), 2 * _BANDWIDTH_ROWS, 0).double())
    return float(apart.median()) or float(apart.mean()) or 1.0


def wasserstein(a: Tensor, b: Tensor, *, p: float = 2) -> float:
    """The exact p-Wasserstein distance, by linear programming over all couplings.

    Time grows as the cube of the size: 2,000 against 2,000 takes about a second, 5,000 about ten.

    Args:
        a: `(n, ...)`, n <= 5,000.
        b: `(m, ...)`, m <= 5,000; n and m may differ.
        p: the order, at least 1.

    Returns:
        A distance in the data's units, >= 0.

    Raises:
        InputError: more than 5,000 items, items of different shape, a set empty or not finite, p < 1.

    Source: Bonneel et al. 2011, Displacement interpolation using Lagrangian mass transport (POT's solver).
    """
    import ot

    x, y = pair(a, b)
    _order(p)
    if max(len(x), len(y)) > EXACT_LIMIT:
        raise InputError(
            f"a and b have {len(x)} and {len(y)} items, above the {EXACT_LIMIT} that exact transport takes:"
            " give fewer, or use sliced_wasserstein"
        )
    cost = distances(x, y).pow(p).cpu().numpy()
    return float(ot.emd2([], [], cost, numItermax=100_000_000) ** (1 / p))


def _project(x: Tensor, theta: Tensor) -> Tensor:
    """θ·x in float64, `(n, directions)`, without a float64 copy of x."""
    return torch.cat([part.double() @ theta.T for part in torch.split(x, 8192)])


def _itself(distance: Tensor) -> Tensor:
    return distance


def _order(p: float) -> None:
    if not (p >= 1 and math.isfinite(p)):
        raise InputError(f"p={p}: give a finite order of at least 1, such as 2")
