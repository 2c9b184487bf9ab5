"""The entropy of a law, from draws of it and from its density.

    Ĥ = ψ(n) − ψ(k) + ln V_d + (d/n) Σ_i ln r_i        r_i: from x_i to its k-th nearest other draw

V_d is the volume of the unit ball. It asks for nothing but the states themselves, so that it serves every
process alike, forward and backward (Kozachenko & Leonenko 1987; Kraskov 2004, equation 20).

Where a law has a density that can be written down there is less to estimate: for n points carried by a
process with a kernel

    H_t = −E ln p_t(x_t)        p_t(x) = Σ_i w_i p_t(x | y_i)

is a mean over draws of x_t, with no bias and a standard error that is known.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics import LinearProcess

_BLOCK = 200_000  # pairs at once
# Less than this between two draws, as a share of their spread, is rounding: they are one atom.
_ONE = 1e-12


class Entropy(NamedTuple):
    """A mean of −ln p in nats, and its standard error."""

    value: float
    error: float


def nearest_neighbour_entropy(x: Tensor, k: int = 4) -> float:
    """The differential entropy of the law that `x` was drawn from, in nats.

    Args:
        x: independent draws `(n, ...)`; of few dimensions, since the bias falls as n^{−1/d}.
        k: which neighbour: more have less variance and more bias.

    Returns:
        The estimate; −∞ where more than `k` draws are at one place, since a law with atoms has no density.

    Raises:
        InputError: no more than `k` draws, or values that are not finite.
    """
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    flat = x.detach().flatten(1).double().cpu()
    n, d = flat.shape
    if not 1 <= k < n:
        raise InputError(f"k={k}: there are {n} draws; give a neighbour from 1 to {n - 1}")
    if not bool(flat.isfinite().all()):
        raise InputError("x: has values that are not finite; leave them out")
    radius = torch.from_numpy(cKDTree(flat.numpy()).query(flat.numpy(), k + 1)[0][:, k])
    if not bool((radius > _ONE * flat.std(0).norm()).all()):
        return -math.inf
    ball = 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d + 1)
    return float(digamma(n) - digamma(k)) + ball + d * float(radius.log().mean())


def exact_entropy(process: LinearProcess, data: Tensor, t: float, n: int, seed: int = 0) -> Entropy:
    """−E ln p_t of `data` of equal shares carried by `process` to the time `t`, in nats.

    Draws at different times share their random numbers, so that the curve over time is smooth.

    Args:
        process: any linear process.
        data: points in model units, `(points, *shape)`.
        t: on the process's clock.
        n: draws, spread evenly over the points.
        seed: of the draws.

    Returns:
        The entropy, and the standard error of the mean over draws.

    Raises:
        InputError: fewer than two draws.
    """
    if n < 2:
        raise InputError(f"n={n}: a mean and its error need 2 draws or more")
    y = data.double()
    chosen = y[torch.arange(n) % len(y)] if n >= len(y) else y[_some(len(y), n, seed)]
    time = torch.full((n,), t, dtype=torch.float64)
    x = process.perturb(chosen, time, torch.Generator().manual_seed(seed))
    rows = max(1, _BLOCK // len(y))
    logs = torch.cat(
        [torch.logsumexp(process.log_kernel(part, y, time[: len(part)]), 1) for part in torch.split(x, rows)]
    )
    terms = math.log(len(y)) - logs
    return Entropy(float(terms.mean()), float(terms.std() / n**0.5))


def _some(total: int, n: int, seed: int) -> Tensor:
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:n]
