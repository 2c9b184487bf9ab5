"""Laws of noise: radial scale mixtures ε = √W · n, n ~ N(0, I), with one W a sample.

W = 1 is diffusion and W = D/χ²_D Poisson flow (this file), W inverse-Gaussian Yukawa (`yukawa.py`).
Every such law has the same exact flow, so a law is all that tells these processes apart.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from unstir.physics.increment import Complex, quantiles
from unstir.physics.process import per_item

_FEW = 30  # dimensions D up to which increments are told; beyond, x tells W


class Noise(ABC):
    """A law of ε in any dimension N. Mixing variables W are float64, whatever the state's dtype.

    Attributes:
        mixed: whether W varies.
        softening: what the density adds to ‖ε‖², as a charge's height does to its distance; of
            log(‖ε‖² + softening) the logarithm of the density is nearly a line.
    """

    mixed: ClassVar[bool] = True

    @property
    def jumps(self) -> bool:
        """Whether the law tells its increments, which come in jumps: where W varies much given a state."""
        return False

    @property
    def softening(self) -> float:
        return 0.0

    @abstractmethod
    def mixing(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw W, float64 `(n,)`."""

    @abstractmethod
    def log_density(self, squared: Tensor, dimension: int) -> Tensor:
        """log density of ε in nats, from ‖ε‖² of any shape, normalised, in the dtype given."""

    @abstractmethod
    def mixing_given(self, squared: Tensor, dimension: int, uniform: Tensor) -> Tensor:
        """W given ‖ε‖² = `squared`, `(n,)`, by inverting its law at `uniform` in (0, 1), `(n,)`.

        What re-noising needs to stay within the law. Float64, on the CPU.
        """

    def mixing_added(
        self, low: float, high: float, squared: Tensor, dimension: int, uniform: Tensor, other: Tensor
    ) -> Tensor:
        """W of the noise √(high² − low²) √W n that takes a state from B = `low` up to `high` within the law.

        By default W stays the one that the state has, given its ‖ε‖² = `squared`, `(n,)`. A law that tells
        its increments needs no such knowledge: they are independent of the state (`increment.py`).
        `uniform` and `other` are uniform draws in (0, 1), `(n,)`. Float64, on the CPU.
        """
        return self.mixing_given(squared, dimension, uniform)

    @abstractmethod
    def mean_mixing(self, squared: Tensor, dimension: int) -> Tensor:
        """E[W | ‖ε‖² = `squared`], of any shape, float64."""

    @abstractmethod
    def mixing_nodes(self, dimension: int) -> tuple[Tensor, Tensor]:
        """Quadrature over W for densities in N = `dimension`: nodes and log weights, float64.

        The trapezoid rule in log W, on the whole line, converges exponentially: nodes as far apart as the
        posterior of log W is wide, where that is narrowest, leave an error below 2e-5 in log p.
        """

    def draw(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Draw ε, `(n, *shape)`. The normal draws come first, so that laws can be matched draw by draw."""
        normal = torch.randn((n, *shape), generator=generator, device=generator.device, dtype=dtype)
        return normal * per_item(self.mixing(n, generator).sqrt(), normal)


@dataclass(frozen=True)
class Gaussian(Noise):
    """W = 1: the normal law of every diffusion."""

    mixed: ClassVar[bool] = False

    def mixing(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.ones(n, dtype=torch.float64, device=generator.device)

    def log_density(self, squared: Tensor, dimension: int) -> Tensor:
        return -0.5 * squared - 0.5 * dimension * math.log(2 * math.pi)

    def mixing_given(self, squared: Tensor, dimension: int, uniform: Tensor) -> Tensor:
        return torch.ones_like(squared, dtype=torch.float64)

    def mean_mixing(self, squared: Tensor, dimension: int) -> Tensor:
        return torch.ones_like(squared, dtype=torch.float64)

    def mixing_nodes(self, dimension: int) -> tuple[Tensor, Tensor]:
        return torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)


@dataclass(frozen=True)
class StudentT(Noise):
    """W = D/χ²_D: the multivariate t law with D degrees of freedom, the kernel of Poisson flow.

    N-dimensional charges in N + D dimensions give p ∝ (‖x−y‖² + r²)^{−(N+D)/2}; r = σ√D makes it this law
    with scale σ (Xu 2023, equation 5). No clipping, and no Beta draw: exact for all N and D.
    """

    D: float

    @property
    def jumps(self) -> bool:
        return self.D <= _FEW

    @property
    def softening(self) -> float:
        return self.D

    def mixing(self, n: int, generator: torch.Generator) -> Tensor:
        shape = torch.full((n,), self.D / 2, dtype=torch.float64, device=generator.device)
        return (self.D / 2) / _gamma(shape, generator)

    def log_density(self, squared: Tensor, dimension: int) -> Tensor:
        N, D = dimension, self.D
        constant = math.lgamma((N + D) / 2) - math.lgamma(D / 2) - 0.5 * N * math.log(math.pi * D)
        return constant - 0.5 * (N + D) * torch.log1p(squared / D)

    def mixing_given(self, squared: Tensor, dimension: int, uniform: Tensor) -> Tensor:
        from scipy.special import gammaincinv

        # Conjugacy: 1/W given ε is Gamma((D+N)/2) / ((D + ‖ε‖²)/2).
        gamma = torch.from_numpy(gammaincinv((self.D + dimension) / 2, uniform.double().numpy()))
        return 0.5 * (self.D + squared.double()) / gamma.clamp_min(torch.finfo(torch.float64).tiny)

    def mixing_added(
        self, low: float, high: float, squared: Tensor, dimension: int, uniform: Tensor, other: Tensor
    ) -> Tensor:
        if not self.jumps:
            return super().mixing_added(low, high, squared, dimension, uniform, other)
        return quantiles(self._log_psi, low, high, uniform)

    def _log_psi(self, u: Complex) -> Complex:
        """ln E e^{−uW} = ln K_ν(z) + ν ln z, z = √(2Du), ν = D/2, up to a constant."""
        from scipy.special import kve

        nu, z = 0.5 * self.D, np.sqrt(2 * self.D * u)
        value: Complex = nu * np.log(z) + np.log(kve(nu, z)) - z
        return value

    def mean_mixing(self, squared: Tensor, dimension: int) -> Tensor:
        # Without a mean (D = 1 in one dimension) the half stands in for one.
        return (self.D + squared.double()) / max(self.D + dimension - 2, 0.5)

    def mixing_nodes(self, dimension: int) -> tuple[Tensor, Tensor]:
        from scipy.stats import chi2

        # W = D/χ² is large where χ² is small. Beyond e³⁶ there are only 1e-8 of the draws even at D = 1.
        low = math.log(self.D / float(chi2.isf(1e-12, self.D)))
        high = min(math.log(self.D / float(chi2.ppf(1e-12, self.D))), 36.0)
        # The posterior of −log W is a log-gamma law of shape (N+D)/2 whatever the state.
        spacing = min(math.sqrt(2 / (dimension + self.D)), 0.55)
        u = torch.arange(low, high + spacing, spacing, dtype=torch.float64)
        # The density of log W, up to its constant: e^{−uD/2} exp(−D e^{−u}/2), written about its mode u = 0.
        log_weight = -0.5 * self.D * (u + torch.expm1(-u))
        return u.exp(), torch.log_softmax(log_weight, 0)


def _gamma(shape: Tensor, generator: torch.Generator) -> Tensor:
    """Draw Gamma(shape, 1), never 0."""
    drawn: Tensor = torch._standard_gamma(shape, generator=generator)
    return drawn.clamp_min(torch.finfo(shape.dtype).tiny)
