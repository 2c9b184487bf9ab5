"""Two Gaussians, compared and drawn from.

With centred rows divided by √(n−1), X = QR gives a factor of the covariance without forming it,

    C = RᵀR        tr (C₁C₂)^{1/2} = ‖R₁R₂ᵀ‖_*, the sum of the singular values

which are the square roots of the eigenvalues of C₁C₂. Singular covariances (more dimensions than items)
are no special case, nothing is inverted, and no eigenvalue can turn negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.measure._arrays import pair, rows, whole


@dataclass(frozen=True)
class GaussianFit:
    """The Gaussian with the mean and full covariance of a data set.

    Attributes:
        mean: `(d,)` float64.
        factor: R `(min(n, d), d)` float64, with covariance RᵀR.
        shape: the shape of one item.
    """

    mean: Tensor
    factor: Tensor
    shape: tuple[int, ...]

    @property
    def covariance(self) -> Tensor:
        """`(d, d)`, unbiased."""
        return self.factor.T @ self.factor

    def sample(self, n: int, seed: int) -> Tensor:
        """`n` draws as float32 `(n, *shape)`, in the data's units (images as value/255, not clipped).

        Raises:
            InputError: n < 1.
        """
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(whole(n, "n"), len(self.factor), dtype=torch.float64, generator=generator)
        draws = self.mean + noise.to(self.mean.device) @ self.factor
        return draws.float().reshape(n, *self.shape)


def gaussian_fit(data: Tensor) -> GaussianFit:
    """Fit a full-covariance Gaussian to `data` `(n, ...)`: the tractable model that any other should beat.

    Images as uint8 count as value/255.

    Raises:
        InputError: fewer than 2 items, or values that are not finite.
    """
    mean, factor = _moments(rows(data, "data", least=2))
    return GaussianFit(mean, factor, tuple(data.shape[1:]))


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """‖μ₁ − μ₂‖² + tr(C₁ + C₂ − 2(C₁C₂)^{1/2}): the squared 2-Wasserstein distance of two fitted Gaussians.

    It sees means and covariances alone, and falls with the number of items: compare equal n only.

    Args:
        a: features `(n, ...)`, n >= 2.
        b: features `(m, ...)`, m >= 2.

    Returns:
        In squared units of the features, finite and >= 0.

    Raises:
        InputError: items of different shape, fewer than 2 of them, or values that are not finite.

    Source: Dowson & Landau 1982, The Fréchet distance between multivariate normal distributions;
        Heusel et al. 2017 (FID), eq. 6.
    """
    x, y = pair(a, b, least=2)
    (mean1, R1), (mean2, R2) = _moments(x), _moments(y)
    shift = (mean1 - mean2).square().sum()
    spread = R1.square().sum() + R2.square().sum() - 2 * torch.linalg.svdvals(R1 @ R2.T).sum()
    return max(0.0, float(shift + spread))


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean `(d,)` and factor R of the unbiased covariance RᵀR, in float64."""
    x = x.double()
    mean = x.mean(0)
    R = torch.linalg.qr((x - mean) / math.sqrt(len(x) - 1), mode="r").R
    return mean, R
