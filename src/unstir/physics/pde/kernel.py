"""The rows whose Green's function has a closed form in free space, and their superposition over the data.

    p_t(x) = Σ_j w_j G(‖x − y_j‖, t),   v = Σ_j q_j u(t) (x − y_j),   R/p = Σ_j q_j r(‖x − y_j‖, t)

with q the softmax of log w_j G: each point's share of the mass at x. G is one of the noise laws, scaled:

    heat         Gaussian of scale √(2t)                          u = 1/2t   r = 0           mass 1
    poisson      Student-t, one degree of freedom, scale t        u = 1/t    r = 0           mass 1
    screened m   C t (m/ρ)^{(N+1)/2} K_{(N+1)/2}(mρ)              u = 1/t    r = −m²φ/p      mass e^{−mt}

ρ² = ‖x−y‖² + t², C = 2/(2π)^{(N+1)/2}. The survivors of the last are the inverse-Gaussian mixture of shape mt
and scale √(t/m), and m²φ/p = (mρ/t) K_{(N−1)/2}(mρ) / K_{(N+1)/2}(mρ).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor

from unstir.physics.bessel import log_bessel_k
from unstir.physics.noise import Gaussian, Noise, StudentT
from unstir.physics.pde.current import Current, data_points, data_weights
from unstir.physics.pde.dispersion import Row
from unstir.physics.pde.rows import Heat, Poisson, Screened
from unstir.physics.yukawa import InverseGaussianMixture

_BLOCK = 2**21  # pairs of state and data point at a time


class Kernel(ABC):
    """A Green's function of known form."""

    @abstractmethod
    def law(self, t: float) -> tuple[Noise, float]:
        """The law of x − y among the mass that is left, and its scale."""

    @abstractmethod
    def expansion(self, t: float) -> float:
        """u: the velocity of the mass of one point is u (x − y)."""

    @abstractmethod
    def rate(self, squared: Tensor, dimension: int, t: float) -> Tensor:
        """r at squared distances."""

    @abstractmethod
    def deaths(self, t: float) -> float:
        """Mass that dies in a unit of time."""

    @abstractmethod
    def draw_dying(self, n: int, dimension: int, t: float, generator: torch.Generator) -> Tensor:
        """`n` draws of x − y from the law of the mass that dies at t."""

    @abstractmethod
    def log_mass(self, t: float) -> float:
        """log of the mass that is left."""


class LastingKernel(Kernel):
    """No mass dies."""

    def rate(self, squared: Tensor, dimension: int, t: float) -> Tensor:
        return torch.zeros_like(squared)

    def deaths(self, t: float) -> float:
        return 0.0

    def draw_dying(self, n: int, dimension: int, t: float, generator: torch.Generator) -> Tensor:
        return torch.zeros(n, dimension, dtype=torch.float64)

    def log_mass(self, t: float) -> float:
        return 0.0


@dataclass(frozen=True)
class HeatKernel(LastingKernel):
    """Gaussian."""

    def law(self, t: float) -> tuple[Noise, float]:
        return Gaussian(), math.sqrt(2 * t)

    def expansion(self, t: float) -> float:
        return 0.5 / t


@dataclass(frozen=True)
class PoissonKernel(LastingKernel):
    """Multivariate Cauchy."""

    def law(self, t: float) -> tuple[Noise, float]:
        return StudentT(1.0), t

    def expansion(self, t: float) -> float:
        return 1 / t


@dataclass(frozen=True)
class ScreenedKernel(Kernel):
    """Yukawa's, from which mass dies."""

    m: float

    def law(self, t: float) -> tuple[Noise, float]:
        return InverseGaussianMixture(self.m * t), math.sqrt(t / self.m)

    def expansion(self, t: float) -> float:
        return 1 / t

    def rate(self, squared: Tensor, dimension: int, t: float) -> Tensor:
        z = self.m * torch.sqrt(squared + t**2)
        ratio = log_bessel_k((dimension - 1) / 2, z) - log_bessel_k((dimension + 1) / 2, z)
        return -z / t * ratio.exp()

    def deaths(self, t: float) -> float:
        return self.m * math.exp(-self.m * t)

    def draw_dying(self, n: int, dimension: int, t: float, generator: torch.Generator) -> Tensor:
        # φ_t = −p, so that what dies, m²φ, is what will have survived a further time of law Exp(m).
        uniform = torch.rand(n, generator=generator, dtype=torch.float64)
        late = t - torch.log1p(-uniform) / self.m
        variance = _inverse_gaussian(late / self.m, late**2, generator)
        normal = torch.randn(n, dimension, generator=generator, dtype=torch.float64)
        return variance.sqrt()[:, None] * normal

    def log_mass(self, t: float) -> float:
        return -self.m * t


@singledispatch
def kernel_of(row: Row) -> Kernel | None:
    """The closed form of a row, or None where it has none."""
    return None


@kernel_of.register
def _heat(row: Heat) -> Kernel:
    return HeatKernel()


@kernel_of.register
def _poisson(row: Poisson) -> Kernel:
    return PoissonKernel()


@kernel_of.register
def _screened(row: Screened) -> Kernel:
    return ScreenedKernel(row.m)


@dataclass(frozen=True, eq=False)
class KernelCurrent(Current):
    """The superposition over `data`, `(points, dimension)`, with normalised `weights`."""

    kernel: Kernel
    data: Tensor
    weights: Tensor

    @classmethod
    def of_points(cls, kernel: Kernel, data: Tensor, weights: Tensor | None = None) -> KernelCurrent:
        """From points, weighted equally by default.

        Raises:
            InputError: points that are no finite `(n, dimension)`, or bad weights.
        """
        points = data_points(data, data.shape[-1])
        return cls(kernel, points, data_weights(weights, len(points)))

    @property
    def dimension(self) -> int:
        """Of the data."""
        return self.data.shape[1]

    def field(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        velocity, rate = torch.empty_like(x), torch.empty_like(x[:, 0])
        size = max(_BLOCK // len(self.data), 1)
        for start in range(0, len(x), size):
            block = slice(start, start + size)
            squared, log_p = self._log_terms(x[block], t)
            share = torch.softmax(log_p, 1)
            velocity[block] = self.kernel.expansion(t) * (x[block] - share @ self.data)
            rate[block] = (share * self.kernel.rate(squared, x.shape[1], t)).sum(1)
        return velocity, rate

    def density(self, x: Tensor, t: float) -> Tensor:
        return torch.logsumexp(self._log_terms(x, t)[1], 1).exp()

    def mass(self, t: float) -> float:
        return math.exp(self.kernel.log_mass(t))

    def creation(self, t: float, sign: int) -> float:
        return self.kernel.deaths(t) if sign < 0 else 0.0

    def draw_born(self, n: int, t: float, sign: int, generator: torch.Generator) -> Tensor:
        return self._chosen(n, generator) + self.kernel.draw_dying(n, self.data.shape[1], t, generator)

    def draw(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        return self._chosen(n, generator) + self._noise(n, t, generator)

    def equilibrium(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        # From afar the data are one point, at their mean.
        return self.weights @ self.data + self._noise(n, t, generator)

    def wrap(self, x: Tensor) -> Tensor:
        return x

    def _chosen(self, n: int, generator: torch.Generator) -> Tensor:
        uniform = torch.rand(n, generator=generator, dtype=torch.float64)
        total = self.weights.cumsum(0)
        return self.data[torch.searchsorted(total, uniform * total[-1]).clamp_max(len(total) - 1)]

    def _noise(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        law, scale = self.kernel.law(t)
        return scale * law.draw(n, self.data.shape[1:], generator, torch.float64)

    def _log_terms(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        """Squared distances and log w_j G, `(n, points)`."""
        squared = torch.cdist(x, self.data, compute_mode="donot_use_mm_for_euclid_dist").square()
        law, scale = self.kernel.law(t)
        dimension = x.shape[1]
        log_g = law.log_density(squared / scale**2, dimension) - dimension * math.log(scale)
        return squared, log_g + self.kernel.log_mass(t) + self.weights.log()


def _inverse_gaussian(mean: Tensor, shape: Tensor, generator: torch.Generator) -> Tensor:
    """Michael, Schucany & Haas 1976, one draw for each mean and shape."""
    normal = torch.randn(mean.shape, generator=generator, dtype=torch.float64)
    uniform = torch.rand(mean.shape, generator=generator, dtype=torch.float64)
    a = normal**2 * mean / (2 * shape)
    root = 1 / (1 + a + torch.sqrt(a * (a + 2)))
    return mean * torch.where(uniform * (1 + root) <= 1, root, 1 / root)
