"""Kernel density: a small Gaussian on every training item, of one bandwidth h for all.

    p(z) = 1/n Σ_i N(z; z_i, h² I)

h maximises the leave-one-out likelihood, Σ_j ln [1/(n−1) Σ_{i≠j} N(z_j; z_i, h² I)]: the cross-validation
with the most folds, and one matrix of distances gives it for any h. Up to 1,000 items j judge, each by all
others. Density and draws are scikit-learn's. Items that occur twice would draw h to 0, so its choice leaves
repetitions out.

Source: Parzen 1962; Duin 1976, On the choice of smoothing parameters for Parzen estimators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure.baseline import Baseline

_JUDGES = 1_000
_GRID = 12


@dataclass(frozen=True)
class KernelBaseline(Baseline):
    """A Gaussian kernel density of the bandwidth that leave-one-out likelihood finds best."""

    model: Any  # a fitted sklearn KernelDensity
    bandwidth: float  # in standardised units, where the data's deviation is 1/2

    @property
    def note(self) -> str:
        return f"bandwidth {2 * self.bandwidth:.3g} of a standard deviation, by leave-one-out likelihood"

    @classmethod
    def limit(cls, size: int) -> int | None:
        return max(2_000, min(10_000, 4_000_000 // size))

    @classmethod
    def fit(cls, values: Tensor, seed: int) -> Self:  # nothing is random
        from sklearn.neighbors import KernelDensity

        h = best_bandwidth(values)
        return cls(KernelDensity(kernel="gaussian", bandwidth=h).fit(values.numpy()), h)

    def sample(self, n: int, seed: int) -> Tensor:
        return torch.from_numpy(self.model.sample(n, random_state=seed % 2**32))

    def log_density(self, values: Tensor) -> Tensor:
        return torch.from_numpy(self.model.score_samples(values.numpy()))


def best_bandwidth(values: Tensor) -> float:
    """The h of largest leave-one-out likelihood of the distinct rows of `values` `(n, d)`.

    Raises:
        InputError: fewer than 3 distinct rows.
    """
    from scipy.optimize import minimize_scalar

    z: Tensor = torch.unique(values, dim=0)
    n, d = z.shape
    if n < 3:
        raise InputError(f"kde: {n} distinct items have no best bandwidth; give at least 3")
    judges = torch.arange(0, n, math.ceil(n / _JUDGES))  # spread over the sorted rows
    squares = torch.cdist(z[judges], z, compute_mode="donot_use_mm_for_euclid_dist").square_()
    squares[torch.arange(len(judges)), judges] = math.inf

    def loss(log_h: float) -> float:
        kernels = squares.mul(-0.5 * math.exp(-2 * log_h))
        return d * log_h - float(kernels.logsumexp(1).mean())

    # d loss/d ln h = d − (a mean of the squares)/h², so at the least of it h² d lies between their extremes.
    low = 0.5 * math.log(float(squares.min()) / d)
    high = 0.5 * math.log(float(squares[squares < math.inf].max()) / d)
    grid = [low + (high - low) * i / _GRID for i in range(_GRID + 1)]
    i = min(range(len(grid)), key=lambda i: loss(grid[i]))
    around = (grid[max(i - 1, 0)], grid[min(i + 1, _GRID)])
    found = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-3})
    return math.exp(float(found.x))
