"""One Gaussian of full covariance C = RᵀR (`gaussian_fit`):

ln p(z) = −½ ‖R⁻ᵀ(z − μ)‖² − Σ ln |R_ii| − (d/2) ln 2π
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure.baseline import Baseline
from unstir.measure.frechet import GaussianFit, gaussian_fit

_FLAT = 1e-7  # of the data's width, less than which is rounding: float32 tables have 24 bits


@dataclass(frozen=True)
class GaussianBaseline(Baseline):
    """The Gaussian with the data's mean and unbiased covariance."""

    gaussian: GaussianFit

    @property
    def note(self) -> str:
        return "full covariance"

    @classmethod
    def limit(cls, size: int) -> int | None:
        return None

    @classmethod
    def fit(cls, values: Tensor, seed: int) -> Self:  # nothing is random
        return cls(gaussian_fit(values))

    def sample(self, n: int, seed: int) -> Tensor:
        return self.gaussian.sample(n, seed).double()

    def log_density(self, values: Tensor) -> Tensor:
        R, d = self.gaussian.factor, len(self.gaussian.mean)
        widths = R.diagonal().abs()
        if len(R) < d or widths.min() < _FLAT * widths.max():
            raise InputError(
                f"gaussian: no density, the items fill fewer than their {d} dimensions; "
                "give more items, or leave out columns that follow from others"
            )
        white = torch.linalg.solve_triangular(R.T, (values - self.gaussian.mean).T, upper=False)
        found: Tensor = -0.5 * white.square().sum(0) - widths.log().sum() - d / 2 * math.log(2 * math.pi)
        return found
