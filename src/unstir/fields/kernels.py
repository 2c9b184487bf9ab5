"""Radial kernels k(ρ²): positive, falling with distance, told in lengths of their own unit ℓ.

    charges     (ρ² + r²)^{−m/2}                     m = d for their field, m = d − 2 for their potential
    diffusion   exp(−ρ²/2σ²)
    any law     p(ρ/σ) of a radial scale mixture     Yukawa's, stable

`log` and `weigh_` take u = ρ²/ℓ² and leave out the constant factor e^{log_scale}, so that nothing overflows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics.noise import Gaussian, Noise, StudentT

_PRODUCTS = 8  # by which a power is still faster than by a logarithm and an exponential


class Kernel(ABC):
    """k(ρ²), up to e^{log_scale}.

    Attributes:
        unit: ℓ.
        log_scale: the logarithm of what the other methods leave out.
        order: m, how steeply it falls where it is scale-free.
        singular: whether k(0) is infinite; then a charge does not act on its own place.
    """

    unit: float
    log_scale: float = 0.0
    order: float
    singular: bool = False

    @abstractmethod
    def log(self, u: Tensor) -> Tensor:
        """log k, of any shape, from u = ρ²/ℓ²."""

    def weigh_(self, u: Tensor, least: float | None = None) -> Tensor:
        """k in the place of u = ρ²/ℓ²; the `least` of them, where it is known, spares a look."""
        return u.copy_(self.log(u).exp_())

    @abstractmethod
    def slope(self, distance: float) -> float:
        """A bound on |d log k/dρ| up to ρ = `distance`, by which rounding of places is magnified."""


@dataclass(frozen=True)
class Charge(Kernel):
    """(ρ² + r²)^{−m/2}: a charge seen from the height r, or in its own plane where r = 0.

    Attributes:
        order: m.
        softening: r.
    """

    order: float
    softening: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.order < math.inf and 0 <= self.softening < math.inf):
            raise InputError(
                f"order={self.order:g}, softening={self.softening:g}: give an order above 0 and a "
                "softening of 0 or more"
            )

    @property
    def singular(self) -> bool:  # type: ignore[override]
        """Where there is no softening."""
        return self.softening == 0

    @property
    def unit(self) -> float:  # type: ignore[override]
        """The softening."""
        return self.softening or 1.0

    @property
    def log_scale(self) -> float:  # type: ignore[override]
        """Of k at the charge itself."""
        return -self.order * math.log(self.unit)

    def log(self, u: Tensor) -> Tensor:
        return -0.5 * self.order * (u.log() if self.singular else u.log1p())

    def weigh_(self, u: Tensor, least: float | None = None) -> Tensor:
        if self.singular:
            if not (float(u.amin()) if least is None else least) > 0:
                u.masked_fill_(u == 0, math.inf)
        else:
            u.add_(1)
        whole = int(self.order)
        if whole != self.order or whole.bit_length() + (whole // 2).bit_count() > _PRODUCTS:
            return u.log_().mul_(-0.5 * self.order).exp_()
        if whole % 2:
            root = u.rsqrt_()
            if whole == 3:
                return root.pow_(3)  # one pass
            return root.mul_(_power(root * root, whole // 2)) if whole > 1 else root
        return _power(u.reciprocal_(), whole // 2)

    def slope(self, distance: float) -> float:
        return math.inf if self.singular else 0.5 * self.order / self.softening


def _power(base: Tensor, n: int) -> Tensor:
    """base^n by products, n at least 1, in the place of `base`."""
    rest = None
    while n > 1:
        if n % 2:
            rest = base.clone() if rest is None else rest.mul_(base)
        base.mul_(base)
        n //= 2
    return base if rest is None else base.mul_(rest)


@dataclass(frozen=True)
class Bell(Kernel):
    """exp(−ρ²/2σ²): diffusion.

    Attributes:
        sigma: σ.
    """

    sigma: float
    order: float = 2.0

    @property
    def unit(self) -> float:  # type: ignore[override]
        """σ√2."""
        return self.sigma * math.sqrt(2)

    def log(self, u: Tensor) -> Tensor:
        return -u

    def weigh_(self, u: Tensor, least: float | None = None) -> Tensor:
        return u.neg_().exp_()

    def slope(self, distance: float) -> float:
        return distance / self.sigma**2


@dataclass(frozen=True)
class Law(Kernel):
    """The density of any radial law of noise.

    Attributes:
        noise: the law.
        sigma: its scale.
        dimension: of the space.
    """

    noise: Noise
    sigma: float
    dimension: int

    @property
    def unit(self) -> float:  # type: ignore[override]
        """σ."""
        return self.sigma

    @property
    def order(self) -> float:  # type: ignore[override]
        """As that of charges in the plane of the data."""
        return float(self.dimension)

    @property
    def log_scale(self) -> float:  # type: ignore[override]
        """Of the density at its mode."""
        mode = self.noise.log_density(torch.zeros(1, dtype=torch.float64), self.dimension)
        return float(mode) - self.dimension * math.log(self.sigma)

    def log(self, u: Tensor) -> Tensor:
        mode = self.noise.log_density(torch.zeros(1, dtype=u.dtype, device=u.device), self.dimension)
        return self.noise.log_density(u, self.dimension) - mode

    def slope(self, distance: float) -> float:
        # d log p/dρ is −ρ E[1/W | ρ], and 1/W is largest, given ρ, at the mode: read off a grid.
        rho = torch.logspace(-4, math.log10(max(distance / self.sigma, 1e-3)), 200, dtype=torch.float64)
        logs = self.noise.log_density(rho**2, self.dimension)
        return 1.5 * float((logs.diff() / rho.diff()).abs().max()) / self.sigma


@singledispatch
def kernel_of(noise: Noise, sigma: float, dimension: int) -> Kernel:
    """The kernel of a law of noise of scale σ in N = `dimension`."""
    return Law(noise, sigma, dimension)


@kernel_of.register
def _(noise: StudentT, sigma: float, dimension: int) -> Kernel:
    return Charge(dimension + noise.D, sigma * math.sqrt(noise.D))


@kernel_of.register
def _(noise: Gaussian, sigma: float, dimension: int) -> Kernel:
    return Bell(sigma)
