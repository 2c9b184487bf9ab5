"""Lévy flow: isotropic α-stable noise, ε = √W n with W positive α/2-stable (Shariatian 2025, DLPM).

With β = α/2 and E exp(−kW) = exp(−k^β) the noise has the characteristic function

    E exp(ik·ε) = exp(−(‖k‖²/2)^β)

which is N(0, I) at α = 2, and at α = 1 the multivariate Cauchy law over √2 (Poisson flow with D = 1). Its
density in N dimensions is (2π)^{−r} E[W^{−r} exp(−‖ε‖²/2W)], r = N/2, with tails ‖ε‖^{−N−α}: in no closed
form, but exact by `mellin.py`, from which a cubic table against log(1 + ‖ε‖²/s₀) is made once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from unstir.physics.mellin import Array, log_density_of_log, log_laplace, log_scale
from unstir.physics.noise import Noise

_TOLERANCE = 1e-6  # of a table of log densities
_COARSE = 1e-5  # of one that is to be inverted
_FINEST = 2**15  # cells of a table
_GRID = 400  # nodes of an inversion
_NEGLIGIBLE = 1e-9  # probability left out beyond either end of a quadrature over W


@dataclass(frozen=True)
class StableMixture(Noise):
    """W positive α/2-stable: the isotropic α-stable law, 0.2 ≤ α ≤ 1.99 (α = 2 is `Gaussian`)."""

    alpha: float
    jumps = True

    @property
    def _beta(self) -> float:
        return 0.5 * self.alpha

    def mixing(self, n: int, generator: torch.Generator) -> Tensor:
        share = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64)
        exponential = torch.empty_like(share).exponential_(generator=generator)
        return self._kanter(share, exponential)

    def _kanter(self, share: Tensor, exponential: Tensor) -> Tensor:
        """W from a uniform and an exponential number (Kanter 1975).

        sin(βU) sin(U)^{−1/β} (sin((1−β)U)/E)^{(1−β)/β}, U uniform on (0, π).
        """
        beta = self._beta
        share = share.clamp_min(2.0**-54)
        exponential = exponential.clamp_min(torch.finfo(torch.float64).tiny)
        # sin(π − U) keeps the digits of the long tail, U → π.
        log_sin = (math.pi * torch.minimum(share, 1 - share)).sin().log()
        rest = ((1 - beta) * math.pi * share).sin().log() - exponential.log()
        return ((beta * math.pi * share).sin().log() - log_sin / beta + (1 / beta - 1) * rest).exp()

    def mixing_added(
        self, low: float, high: float, squared: Tensor, dimension: int, uniform: Tensor, other: Tensor
    ) -> Tensor:
        # What is added to a stable law is of that law: low^α + δ^α = high^α.
        share = float((high**self.alpha - low**self.alpha) ** (2 / self.alpha) / (high**2 - low**2))
        return share * self._kanter(uniform.double(), -torch.log1p(-other.double()))

    def log_density(self, squared: Tensor, dimension: int) -> Tensor:
        constant = 0.5 * dimension * math.log(2 * math.pi)
        return (_log_laplace(self._beta, 0.5 * dimension, squared.double()) - constant).to(squared.dtype)

    def mixing_given(self, squared: Tensor, dimension: int, uniform: Tensor) -> Tensor:
        # The law of q = log W, which may have two modes, by inverting its integral on a grid that is laid
        # twice anew where a flattened copy of it lies.
        r, beta = 0.5 * dimension, self._beta
        kappa, half = 1 / beta - 1, 0.5 * squared.double()[:, None]
        table = _mixing_table(beta, r)

        def log_density(q: Tensor) -> Tensor:
            return table(torch.asinh(q / kappa)) - (beta + r) * q - half * torch.exp(-q)

        deviation = _deviation_at_zero(beta, r)
        spread = 9 * (deviation + (r + beta) ** -0.5) + 45 / (r + beta)
        top = torch.log((half / (r + beta)).clamp_min(1.0)) + spread
        levels = torch.linspace(0, 1, _GRID, dtype=torch.float64)
        low = torch.full_like(top, math.asinh(_lowest(beta, r, 100) / kappa))
        q = kappa * torch.sinh(torch.lerp(low, torch.asinh(top / kappa), levels))
        for flatness in (16, 4):
            q = _quantiles(q, log_density(q) / flatness, levels.expand_as(q))
        return _quantiles(q, log_density(q), uniform.double()[:, None])[:, 0].exp()

    def mean_mixing(self, squared: Tensor, dimension: int) -> Tensor:
        r, beta, squared = 0.5 * dimension, self._beta, squared.double()
        if r - 1 <= -beta:
            # Without a mean, as Student's t: twice that in two dimensions stands in for one.
            return 2 * self.mean_mixing(squared, 2)
        return torch.exp(_log_laplace(beta, r - 1, squared) - _log_laplace(beta, r, squared))

    def mixing_nodes(self, dimension: int) -> tuple[Tensor, Tensor]:
        beta = self._beta
        low, high = _range(beta)
        q = np.linspace(low, high, 4000)
        _, slope = log_density_of_log(beta, q)
        # The posterior's curvature where q is its mode; N at least 2 as its tails are no shorter.
        curvature = max(0.5 * dimension, 1.0) - slope - np.gradient(slope, q)
        spacing = min(0.8 * (1 / beta - 1), 0.55, float(curvature.max()) ** -0.5)
        u = np.arange(low, high + spacing, spacing)
        log_weight = torch.from_numpy(log_density_of_log(beta, u)[0])
        return torch.from_numpy(u).exp(), torch.log_softmax(log_weight, 0)


def _log_laplace(beta: float, r: float, s: Tensor) -> Tensor:
    """log E[W^{−r} exp(−s/2W)], s ≥ 0, by its table."""
    table, scale = _laplace_table(beta, r)
    index = torch.log1p(s / scale)
    return table(index) - (r + beta) * index


@lru_cache(maxsize=64)
def _laplace_table(beta: float, r: float) -> tuple[_Table, float]:
    """log E[W^{−r} exp(−s/2W)] + (r + β) log(1 + s/s₀) against log(1 + s/s₀), and s₀: flat at either end."""
    # Below β = ½ the moments of 1/W grow so fast that ever finer scales count near s = 0.
    scale = 2 * math.exp(min(log_scale(beta, r), log_scale(beta, 2 * r + 6)))
    end = max(math.log(2 * max(r, 1.0) / scale), 0.0) + 21 / beta

    def function(index: Array) -> tuple[Array, Array]:
        index = np.maximum(index, 1e-12)
        s = scale * np.expm1(index)
        value, _ = log_laplace(beta, r, np.log(0.5 * s))
        # d/ds of E[W^{−r} exp(−s/2W)] by the next moment: no digits are lost near s = 0.
        above, _ = log_laplace(beta, r + 1, np.log(0.5 * s))
        slope = -0.5 * (s + scale) * np.exp(above - value)
        return value + (r + beta) * index, slope + (r + beta)

    return _tabulate(function, 0.0, end, _TOLERANCE), scale


@lru_cache(maxsize=64)
def _mixing_table(beta: float, r: float) -> _Table:
    """βq + the log density of q = log W against arsinh(q/κ), κ = 1/β − 1: fine in the bulk, which is κ wide.

    It reaches as far down as the law of q given ε = 0 in 2r dimensions does.
    """
    kappa = 1 / beta - 1

    def function(index: Array) -> tuple[Array, Array]:
        q = kappa * np.sinh(index)
        value, slope = log_density_of_log(beta, q)
        return value + beta * q, (slope + beta) * kappa * np.cosh(index)

    low, high = _lowest(beta, r, 110), 21 / beta + 1
    return _tabulate(function, math.asinh(low / kappa), math.asinh(high / kappa), _COARSE)


@dataclass(frozen=True)
class _Table:
    """A function by cubics on cells of equal length, and straight beyond its ends."""

    start: float
    step: float
    cubics: Tensor  # their coefficients in a cell's own coordinate, `(4, cells)`

    def __call__(self, x: Tensor) -> Tensor:
        cubics = self.cubics.to(x.device)
        at = (x - self.start) / self.step
        cell = at.detach().floor().clamp(0, cubics.shape[1] - 1).long()
        u = at - cell
        inside = u.clamp(0, 1)
        c0, c1, c2, c3 = (c[cell] for c in cubics)
        value: Tensor = c0 + inside * (c1 + inside * (c2 + inside * c3))
        outside = u - inside
        slope = torch.where(outside > 0, c1 + 2 * c2 + 3 * c3, c1)
        return value + outside * slope


def _tabulate(
    function: Callable[[Array], tuple[Array, Array]], start: float, end: float, tolerance: float
) -> _Table:
    """The table of `function`, which gives values and slopes, by halving cells until they serve."""
    at = np.linspace(start, end, 65)
    value, slope = function(at)
    while True:
        length = np.diff(at)
        middle = 0.5 * (at[1:] + at[:-1])
        there, turn = function(middle)
        guess = 0.5 * (value[1:] + value[:-1]) - 0.125 * length * np.diff(slope)
        at, value, slope = _merge(at, middle), _merge(value, there), _merge(slope, turn)
        if np.all(np.abs(guess - there) < tolerance * (1 + 1e-3 * np.abs(there))) or len(at) > _FINEST:
            break
    step = (end - start) / (len(at) - 1)
    rise, s0, s1 = np.diff(value), step * slope[:-1], step * slope[1:]
    cubics = np.stack([value[:-1], s0, 3 * rise - 2 * s0 - s1, s0 + s1 - 2 * rise])
    return _Table(start, step, torch.from_numpy(cubics))


def _merge(ends: Array, middles: Array) -> Array:
    """e₀ m₀ e₁ m₁ … e_n."""
    merged = np.empty(len(ends) + len(middles))
    merged[::2], merged[1::2] = ends, middles
    return merged


def _deviation_at_zero(beta: float, r: float) -> float:
    """The standard deviation of log W given ε = 0 in 2r dimensions."""
    from scipy.special import polygamma

    return math.sqrt(float(polygamma(1, 1 + r / beta) / beta**2 - polygamma(1, 1 + r)))


def _lowest(beta: float, r: float, nats: float) -> float:
    """log W so small that its density given ε = 0 in 2r dimensions is some `nats` below its mode's.

    P(W < w) ~ exp(−A w^{−1/κ}), κ = 1/β − 1, A = (1−β) β^{1/κ}; there w^{−r} has its mode at A w^{−1/κ} = κr.
    """
    kappa = 1 / beta - 1
    mode = kappa * r
    return -kappa * math.log((mode + 14 * math.sqrt(mode) + nats) / ((1 - beta) * beta ** (1 / kappa)))


def _range(beta: float) -> tuple[float, float]:
    """Quantiles of log W that leave out about `_NEGLIGIBLE` on either side."""
    nats = -math.log(_NEGLIGIBLE)
    # Above, P(W > w) ~ w^{−β}/Γ(1−β).
    return _lowest(beta, 0.0, nats), max((nats - math.lgamma(1 - beta)) / beta, 1.0)


def _quantiles(nodes: Tensor, log_density: Tensor, uniform: Tensor) -> Tensor:
    """Where the integral over each row of nodes `(n, m)` reaches the shares `uniform`, `(n, k)`."""
    density = torch.exp(log_density - log_density.amax(1, keepdim=True))
    cell = 0.5 * (density[:, 1:] + density[:, :-1]) * nodes.diff()
    mass = cell.cumsum(1)
    target = uniform * mass[:, -1:]
    at = torch.searchsorted(mass, target.contiguous()).clamp(max=cell.shape[1] - 1)
    d0, d1 = density.gather(1, at), density.gather(1, at + 1)
    left, right = nodes.gather(1, at), nodes.gather(1, at + 1)
    rest = (target - mass.gather(1, at) + cell.gather(1, at)).clamp_min(0) / (right - left)
    # d0 s + ½(d1 − d0) s² = rest, solved without cancellation
    root = torch.sqrt((d0**2 + 2 * (d1 - d0) * rest).clamp_min(0))
    share = (2 * rest / (d0 + root).clamp_min(torch.finfo(torch.float64).tiny)).clamp(0, 1)
    found: Tensor = torch.lerp(left, right, share)
    return found
