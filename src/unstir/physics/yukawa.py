"""Yukawa: screened charges, whose noise has an inverse-Gaussian variance.

A charge screened by a mass m and seen at height h has the density p ∝ (m/ρ)^{(N+1)/2} K_{(N+1)/2}(mρ),
ρ² = ‖x−y‖² + h² (Liu 2023, GenPhys: the screened Poisson row). With a fixed m particles die on the way
up. Here m = κ/h at every height, so that none does: with h = σ√κ the noise is ε = √W n with

    W ~ inverse-Gaussian(mean 1, shape κ)

which is Poisson flow with D = 1 (a Cauchy law, rescaled) as κ → 0 and diffusion as κ → ∞, tails e^{−√κ‖ε‖}.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unstir.physics.bessel import log_bessel_k
from unstir.physics.increment import quantiles
from unstir.physics.noise import Noise

_STEEP = 30.0  # κ up to which increments are told; beyond, x tells W
_GRID = 97  # nodes of an inversion, over nine widths either side of the mode


@dataclass(frozen=True)
class InverseGaussianMixture(Noise):
    """W ~ inverse-Gaussian with mean 1 and shape κ: the multivariate normal inverse-Gaussian law."""

    kappa: float

    @property
    def jumps(self) -> bool:
        return self.kappa <= _STEEP

    @property
    def softening(self) -> float:
        return self.kappa

    def mixing(self, n: int, generator: torch.Generator) -> Tensor:
        # Michael, Schucany & Haas 1976: the smaller root of a quadratic, or its inverse.
        normal = torch.randn(n, generator=generator, device=generator.device, dtype=torch.float64)
        uniform = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64)
        a = normal**2 / (2 * self.kappa)
        # 1 + a − sqrt(a² + 2a), rationalised: no digits are lost where a is large.
        root = 1 / (1 + a + torch.sqrt(a * (a + 2)))
        return torch.where(uniform * (1 + root) <= 1, root, 1 / root)

    def log_density(self, squared: Tensor, dimension: int) -> Tensor:
        kappa, order = self.kappa, (dimension + 1) / 2
        root_kappa = math.sqrt(kappa)
        rho = torch.sqrt(squared + kappa)
        constant = math.log(2) - order * math.log(2 * math.pi) + 0.5 * math.log(kappa) + kappa
        scaled = order * (0.5 * math.log(kappa) - torch.log(rho))
        return constant + scaled + log_bessel_k(order, root_kappa * rho)

    def mixing_given(self, squared: Tensor, dimension: int, uniform: Tensor) -> Tensor:
        # The generalised inverse-Gaussian law, density ∝ w^{p−1} exp(−(κw + b/w)/2), by inverting its
        # integral over log w on a grid about the mode. Each cell has its mass to fourth order (trapezoid and
        # end correction) and spread linearly within it: the error in probability stays below 1e-4.
        p = -0.5 * (dimension + 1)
        b = squared.double() + self.kappa
        root = torch.sqrt(p**2 + self.kappa * b)
        mode, width = b / (root - p), root.rsqrt()  # of log w, so with p in place of p − 1
        offset = torch.linspace(-9, 9, _GRID, dtype=torch.float64, device=squared.device)
        step = 18 / (_GRID - 1)
        u = width[:, None] * offset
        up = (0.5 * self.kappa * mode)[:, None] * u.exp()
        down = (0.5 * b / mode)[:, None] * torch.exp(-u)
        log_density = p * u - up - down
        density = torch.exp(log_density - log_density.amax(1, keepdim=True))
        slope = density * (p - up + down) * (step * width)[:, None]
        cell = 0.5 * (density[:, 1:] + density[:, :-1]) - slope.diff() / 12
        mass = cell.cumsum(1)
        target = uniform.double().clamp_min(1e-300)[:, None] * mass[:, -1:]
        at = torch.searchsorted(mass, target).clamp(max=_GRID - 2)
        d0, d1, own = density.gather(1, at), density.gather(1, at + 1), cell.gather(1, at)
        rest = (target - mass.gather(1, at) + own).clamp_min(0) * 0.5 * (d0 + d1) / own
        # d0 s + ½(d1 − d0) s² = rest, solved without cancellation
        share = 2 * rest / (d0 + torch.sqrt((d0**2 + 2 * (d1 - d0) * rest).clamp_min(0)))
        return (mode[:, None] * torch.exp(width[:, None] * (step * (at + share) - 9)))[:, 0]

    def mixing_added(
        self, low: float, high: float, squared: Tensor, dimension: int, uniform: Tensor, other: Tensor
    ) -> Tensor:
        if not self.jumps:
            return super().mixing_added(low, high, squared, dimension, uniform, other)
        return quantiles(lambda u: -self.kappa * np.sqrt(1 + 2 * u / self.kappa), low, high, uniform)

    def mean_mixing(self, squared: Tensor, dimension: int) -> Tensor:
        b = squared.double() + self.kappa
        z, order = torch.sqrt(self.kappa * b), (dimension + 1) / 2
        return torch.sqrt(b / self.kappa) * (log_bessel_k(order - 1, z) - log_bessel_k(order, z)).exp()

    def mixing_nodes(self, dimension: int) -> tuple[Tensor, Tensor]:
        from scipy.stats import invgauss

        law = invgauss(1 / self.kappa, scale=self.kappa)
        low, high = float(law.ppf(1e-9)), float(law.isf(1e-9))
        # The posterior's curvature in log W is sqrt(p² + κb), p = N/2, and b = κ + ‖ε‖² at most κ + N W.
        N = max(dimension, 2)
        spacing = (0.25 * N**2 + self.kappa * (self.kappa + N * high)) ** -0.25
        u = torch.arange(math.log(low), math.log(high) + spacing, spacing, dtype=torch.float64)
        log_weight = -0.5 * u - 0.5 * self.kappa * (u.exp() + torch.exp(-u) - 2)
        return u.exp(), torch.log_softmax(log_weight, 0)
