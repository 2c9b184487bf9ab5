"""Plates: charges of total 1 in a plane of N dimensions, seen from the side, in N + 1.

The field of charges w_i at y_i is Σ w_i (x − y_i, h)/r_i^{N+1}, r_i² = ‖x − y_i‖² + h²: a sum of weights
w_i/r_i^{N+1}, known by its logarithm, times a weighted mean of displacements.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


class Plate(ABC):
    """Charges of total 1 in a plane, seen from the side."""

    @abstractmethod
    def pull(self, x: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        """The field's logarithm and direction at points off the plane.

        Args:
            x: `(batch, N)`, float64.
            height: above the plane, `(batch,)`, of either sign.

        Returns:
            log Σ w/r^{N+1}, `(batch,)`, and the mean of x − y with those weights, `(batch, N)`.
        """


@dataclass(frozen=True, eq=False)
class PointPlate(Plate):
    """Point charges.

    Attributes:
        points: `(points, N)`, equal shares.
    """

    points: Tensor

    def pull(self, x: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        y = self.points.to(x)
        squared = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
        logs = -0.5 * (x.shape[1] + 1) * torch.log(squared + height[:, None].square())
        log_weight = torch.logsumexp(logs, 1)
        return log_weight - math.log(len(y)), x - torch.exp(logs - log_weight[:, None]) @ y


@dataclass(frozen=True)
class GaussianPlate(Plate):
    """Charges spread as N(0, s²I): 1/r^{N+1} as a mixture of Gaussians, of variance v, in closed form over x.

        ∫ N(y; 0, s²) r^{−(N+1)} dy = 2^{−a}/Γ(a) ∫ v^{−½} e^{−h²/2v} (s² + v)^{−N/2} e^{−‖x‖²/2(s²+v)} d ln v

    with a = (N+1)/2. The trapezoid rule in ln v converges faster than any power.
    """

    std: float

    def pull(self, x: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        N, s2 = x.shape[1], self.std**2
        h2 = height.square().clamp_min(1e-12 * s2)
        energy = x.square().sum(1)
        low = torch.log(h2 / 80)
        largest = torch.maximum(torch.maximum(energy / N, h2), torch.full_like(h2, s2))
        high = torch.log(40 * largest) + 46 / (N + 1)  # the integrand falls as v^{−(N+1)/2}
        count = math.ceil(float((high - low).detach().max()) / min(0.5, math.sqrt(2 / N))) + 1
        step = (high - low) / count
        u = low[:, None] + step[:, None] * torch.arange(count + 1, dtype=x.dtype, device=x.device)
        v = u.exp()
        total = s2 + v
        logs = -0.5 * (u + h2[:, None] / v + N * total.log() + energy[:, None] / total)
        log_sum = torch.logsumexp(logs, 1)
        a = 0.5 * (N + 1)
        log_weight = log_sum + step.log() - a * math.log(2) - math.lgamma(a)
        share = (torch.exp(logs - log_sum[:, None]) * v / total).sum(1)
        return log_weight, share[:, None] * x


def combined(plus: tuple[Tensor, Tensor], minus: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Both plates' charges together, normalised once.

    Args:
        plus: log weight, `(batch,)`, and mean displacement, `(batch, N)`, of the near plate.
        minus: the same of the far plate.

    Returns:
        ln(a/b), `(batch,)`, of the plates' shares a and b = 1 − a, and a (x − D₊) − b (x − D₋), `(batch, N)`.
    """
    logit = plus[0] - minus[0]
    a = torch.sigmoid(logit)[:, None]
    return logit, a * plus[1] - (1 - a) * minus[1]
