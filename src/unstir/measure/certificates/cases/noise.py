"""What a law of noise ε = √W n adds to a linear process's case.

W is the time for which a particle's Brownian motion in the data's space lasts, in units of B². For diffusion
that is 1. For charges it is random: the motion goes on in a height too, and ends on the plane of height 0.
Each law simulates that second motion step by step, and knows nothing of its closed form.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from unstir.measure.certificates.check import Check
from unstir.measure.certificates.gauss import GaussLaw
from unstir.measure.certificates.limits import Approach, Meeting
from unstir.measure.certificates.surfaces import current_fluxes, field_fluxes
from unstir.physics import Gaussian, InverseGaussianMixture, LinearProcess, Noise, StudentT
from unstir.physics.kinds import serving
from unstir.physics.stable import StableMixture

L = TypeVar("L", bound=Noise)
_SHARE = 0.01  # of the time that a fall has lasted, a step
_JUMPS = 400
_NEAR = -8.0  # ln of a height whose square, the time left, no longer counts


@dataclass(frozen=True)
class NoiseCase(ABC, Generic[L]):
    """A law of noise, seen from its particles.

    Attributes:
        law: the noise.
    """

    law: L

    @abstractmethod
    def clock(self, n: int, generator: torch.Generator) -> Tensor:
        """W of `n` particles, `(n,)`, by simulation."""

    @abstractmethod
    def checks(self, process: LinearProcess) -> Iterator[Check]:
        """Limits, and Gauss's law where there are charges."""


@dataclass(frozen=True)
class GaussianCase(NoiseCase[Gaussian]):
    """Diffusion: every particle's motion lasts as long."""

    def clock(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.ones(n, dtype=torch.float64)

    def checks(self, process: LinearProcess) -> Iterator[Check]:
        return iter(())


@dataclass(frozen=True)
class ChargesCase(NoiseCase[StudentT]):
    """Poisson flow: a height r that falls as dr = (1 − D)/2r dt + db from √D, a Bessel process, until 0.

    With D = 1 that is Brownian motion, and where it meets the plane has Poisson's kernel for its law. A step
    lasts η r², so that ln r moves by −½Dη + √η n, however near the plane is.
    """

    def clock(self, n: int, generator: torch.Generator) -> Tensor:
        step = min(0.01, 0.04 / self.law.D)
        time = torch.zeros(n, dtype=torch.float64)
        falling = torch.arange(n)
        log_height = torch.zeros(n, dtype=torch.float64)
        while len(falling):
            move = torch.randn(len(falling), generator=generator, dtype=torch.float64)
            lower = log_height + math.sqrt(step) * move - 0.5 * self.law.D * step
            spent = 0.5 * step * ((2 * log_height).exp() + (2 * lower).exp())
            time[falling] += self.law.D * spent
            left = lower > _NEAR
            falling, log_height = falling[left], lower[left]
        return time

    def checks(self, process: LinearProcess) -> Iterator[Check]:
        D = self.law.D
        if process.damping is not None:
            return  # blurred charges are no longer points
        yield GaussLaw(
            f"flux of E through spheres in N + {D:g} dimensions, charge inside, N = 1 and 2",
            lambda: [f for size in (1, 2) for f in field_fluxes(process, D, size)],
        )
        yield Approach(
            "D = 1000, 2000, 4000 against diffusion: the gap in log p halves",
            lambda D: _gap(StudentT(D), Gaussian()),
            (1e3, 2e3, 4e3),
            2.0,
        )


@dataclass(frozen=True)
class YukawaCase(NoiseCase[InverseGaussianMixture]):
    """Screened charges: those not absorbed fall from √κ with a drift √κ, and diffuse, until they land."""

    def clock(self, n: int, generator: torch.Generator) -> Tensor:
        drift = math.sqrt(self.law.kappa)
        # Without drift a fall lasts for κ, with it for 1 ± 1/√κ.
        first, share = min(self.law.kappa, 1.0), _SHARE / max(1.0, drift)
        time = torch.zeros(n, dtype=torch.float64)
        alive = torch.arange(n)
        height = torch.full((n,), drift, dtype=torch.float64)
        now = 0.0
        while len(alive):
            h = share * (first + now)
            move = torch.randn(len(alive), generator=generator, dtype=torch.float64)
            uniform = torch.rand(len(alive), generator=generator, dtype=torch.float64)
            below = height + math.sqrt(h) * move - drift * h
            # Between the ends of a step the path may have touched the plane (Brownian bridge).
            landed = (below <= 0) | (uniform < torch.exp(-2 * height * below.clamp_min(0) / h))
            time[alive[landed]] = now + h * torch.rand(
                int(landed.sum()), generator=generator, dtype=torch.float64
            )
            alive, height = alive[~landed], below[~landed]
            now += h
        return time

    def checks(self, process: LinearProcess) -> Iterator[Check]:
        yield GaussLaw(
            "flux of (p v, p) through closed surfaces in (x, σ), charge inside, N = 1 and 2",
            lambda: [f for size in (1, 2) for f in current_fluxes(process, size)],
        )
        yield Approach(
            "κ = 1000, 2000, 4000 against diffusion: the gap in log p halves",
            lambda kappa: _gap(InverseGaussianMixture(kappa), Gaussian()),
            (1e3, 2e3, 4e3),
            2.0,
        )
        yield Meeting(
            "κ = 1e-8 against Poisson flow with D = 1, in units of the height",
            lambda: _gap(InverseGaussianMixture(1e-8), StudentT(1), 1e-4),
            1e-3,
        )


@dataclass(frozen=True)
class LevyCase(NoiseCase[StableMixture]):
    """Lévy flow: time runs in jumps, as many longer than w as w^{−β}/Γ(1−β), and W is their sum, β = α/2.

    The k-th longest is (Γ(1−β) G_k)^{−1/β}, G_k the k-th arrival of a Poisson process; of those after the
    400th only the mean is added, as their spread no longer counts (LePage 1981).
    """

    def clock(self, n: int, generator: torch.Generator) -> Tensor:
        beta = 0.5 * self.law.alpha
        arrival = torch.zeros(n, dtype=torch.float64)
        time = torch.zeros(n, dtype=torch.float64)
        scale: float = math.gamma(1 - beta)
        for _ in range(_JUMPS):
            arrival += torch.empty_like(arrival).exponential_(generator=generator)
            time += (scale * arrival) ** (-1 / beta)
        # ∫ over g > G of (cg)^{−1/β}
        rest: Tensor = scale ** (-1 / beta) * arrival ** (1 - 1 / beta) / (1 / beta - 1)
        return time + rest

    def checks(self, process: LinearProcess) -> Iterator[Check]:
        yield Approach(
            "α = 1.96, 1.98, 1.99 against diffusion: the gap in log p halves",
            lambda alpha: _gap(StableMixture(alpha), Gaussian(), reach=1.0),
            (1.96, 1.98, 1.99),
            2.0,
        )
        yield Meeting(
            "α = 1 against Poisson flow with D = 1 over √2",
            lambda: _gap(StableMixture(1.0), StudentT(1), math.sqrt(0.5)),
            1e-5,
        )


_CASES: dict[type[Noise], type[NoiseCase[Any]]] = {
    Gaussian: GaussianCase,
    StudentT: ChargesCase,
    InverseGaussianMixture: YukawaCase,
    StableMixture: LevyCase,
}


def noise_case(law: Noise) -> NoiseCase[Any]:
    """The case of a law of noise, by its nearest class.

    Raises:
        InputError: a law that is not listed.
    """
    return serving(_CASES, law, f"noise: no case is listed for a {type(law).__name__}")(law)


def _gap(law: Noise, other: Noise, scale: float = 1.0, reach: float = 3.0) -> float:
    """The greatest |log p| between ε of a law and `scale` times that of another, within `reach` lengths."""
    worst = 0.0
    for size in (1, 2, 8):
        r = torch.linspace(0, reach * math.sqrt(size), 61, dtype=torch.float64)
        a = law.log_density((scale * r).square(), size) + size * math.log(scale)
        worst = max(worst, float((a - other.log_density(r.square(), size)).abs().max()))
    return worst
