"""The rows of the table: what is p, the flux J = pv and the births R of each PDE (Liu 2023, GenPhys).

    row           PDE                       p           J = pv          R       ω(k)
    heat          φ_t = ∇²φ                 φ           −∇φ             0       −ik²
    fractional a  φ_t = −(−∇²)^{a/2}φ       φ           −∇(−∇²)^{a/2−1}φ  0     −ik^a
    poisson       φ_tt + ∇²φ = 0            −φ_t        −∇φ             0       −ik
    screened m    φ_tt + ∇²φ − m²φ = 0      −φ_t        −∇φ             −m²φ    −i√(k²+m²)
    helmholtz k0  φ_tt + ∇²φ + k0²φ = 0     −φ_t        −∇φ             +k0²φ   −i√(k²−k0²)
    damped_wave ε φ_tt + 2εφ_t − ∇²φ = 0    φ_t + 2εφ   −∇φ             0       −iε ± √(k²−ε²)
    wave          φ_tt − ∇²φ = 0            φ_t         −∇φ             0       ±k
    schroedinger  iφ_t + ∇²φ = 0            |φ|²        2 Im φ*∇φ       0       k²

All but the last are linear in the data's density: three multipliers, from the solution that is real, even in
k, and does not grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics.pde.box import Box
from unstir.physics.pde.dispersion import Conserving, Fading, LinearRow, Row, at_zero


@dataclass(frozen=True)
class Fractional(Fading, Conserving):
    """Fractional heat of order a: the steps of a Lévy walk; a = 2 is heat, a = 1 has Poisson's density."""

    a: float = 1.5
    name = "fractional"
    equation = "φ_t = −(−∇²)^{a/2} φ"
    hint = "it generates for a <= 2"

    def __post_init__(self) -> None:
        _positive("a", self.a)

    def rate(self, k: Tensor) -> Tensor:
        return k**self.a

    def potential(self, k: Tensor, t: float) -> Tensor:
        return self.density(k, t) * at_zero(k ** (self.a - 2), k, 0.0)


@dataclass(frozen=True)
class Heat(Fading, Conserving):
    """Diffusion."""

    name = "heat"
    equation = "φ_t = ∇²φ"
    hint = "it always generates"

    def rate(self, k: Tensor) -> Tensor:
        return k**2

    def potential(self, k: Tensor, t: float) -> Tensor:
        return self.density(k, t)


@dataclass(frozen=True)
class Poisson(Fading, Conserving):
    """Charges seen from the height t."""

    name = "poisson"
    equation = "φ_tt + ∇²φ = 0"
    hint = "it always generates"

    def rate(self, k: Tensor) -> Tensor:
        return k

    def potential(self, k: Tensor, t: float) -> Tensor:
        return self.density(k, t) * at_zero(1 / k, k, 0.0)


@dataclass(frozen=True)
class Screened(Fading):
    """Yukawa: charges screened by a mass m; mass dies as e^{−mt}."""

    m: float = 1.0
    name = "screened"
    equation = "φ_tt + ∇²φ − m²φ = 0"
    hint = "it always generates"

    def __post_init__(self) -> None:
        _positive("m", self.m)

    def rate(self, k: Tensor) -> Tensor:
        return torch.sqrt(k**2 + self.m**2)

    def potential(self, k: Tensor, t: float) -> Tensor:
        return self.density(k, t) / self.rate(k)

    def source(self, k: Tensor, t: float) -> Tensor:
        return -(self.m**2) * self.potential(k, t)


@dataclass(frozen=True)
class Helmholtz(LinearRow):
    """Waves of one frequency k0: births near the data, deaths far away, and all in all mass cos(k0 t).

    Below k0 the modes swing, cos(qt) with q = √(k0²−k²), instead of decaying. The kernel in free space is
    p = −½ (k0/2πρ)^{(N−1)/2} k0 Y_{(N+1)/2}(k0ρ) t/ρ, ρ² = ‖x−y‖² + t², the principal value at k = k0.
    """

    k0: float = 0.1
    name = "helmholtz"
    equation = "φ_tt + ∇²φ + k0²φ = 0"
    hint = "it generates for small k0: below 0.22 * 2 pi / box, for then cos(k0 t) > 0 until t_max"

    def __post_init__(self) -> None:
        _positive("k0", self.k0)

    def omega(self, k: Tensor) -> Tensor:
        return -1j * torch.sqrt((k**2 - self.k0**2).to(torch.complex128))

    def density(self, k: Tensor, t: float) -> Tensor:
        q = self._size(k)
        return torch.where(k > self.k0, torch.exp(-q * t), torch.cos(q * t))

    def potential(self, k: Tensor, t: float) -> Tensor:
        q = self._size(k)
        over = torch.where(q > 0, 1 / q, 0.0)
        # −sin(qt)/q, and −t at k = k0
        swing = -t * torch.sinc(q * t / torch.pi)
        return torch.where(k > self.k0, torch.exp(-q * t) * over, swing)

    def source(self, k: Tensor, t: float) -> Tensor:
        return self.k0**2 * self.potential(k, t)

    def _size(self, k: Tensor) -> Tensor:
        return torch.sqrt(torch.abs(k**2 - self.k0**2))


@dataclass(frozen=True)
class DampedWave(Conserving):
    """Waves of speed 1 with friction ε, from φ = 0 and φ_t = p_0: Kac's telegraph walk in one dimension."""

    epsilon: float = 50.0
    name = "damped_wave"
    equation = "φ_tt + 2εφ_t − ∇²φ = 0"
    hint = "it generates for large epsilon: in 2-D above 0.32 / blur, the blur being two cells; in 1-D always"

    def __post_init__(self) -> None:
        _positive("epsilon", self.epsilon)

    def omega(self, k: Tensor) -> Tensor:
        return 1j * self._slow(k)

    def density(self, k: Tensor, t: float) -> Tensor:
        # e^{−εt} (cosh γt + (ε/γ) sinh γt)
        gamma = self._gamma(k)
        even = 0.5 * (torch.exp(self._slow(k) * t) + torch.exp(-(gamma + self.epsilon) * t))
        return even.real + self.epsilon * self.potential(k, t)

    def potential(self, k: Tensor, t: float) -> Tensor:
        # e^{−εt} sinh(γt)/γ, by its limit where γ is 0
        gamma = self._gamma(k)
        small = torch.abs(gamma) * t < 1e-6
        safe = torch.where(small, torch.ones_like(gamma), gamma)
        odd = 0.5 * (torch.exp(self._slow(k) * t) - torch.exp(-(gamma + self.epsilon) * t)) / safe
        return torch.where(small, t * torch.exp(torch.full_like(k, -self.epsilon * t)), odd.real)

    def _gamma(self, k: Tensor) -> Tensor:
        return torch.sqrt((self.epsilon**2 - k**2).to(torch.complex128))

    def _slow(self, k: Tensor) -> Tensor:
        # γ − ε without cancellation
        return -(k**2) / (self._gamma(k) + self.epsilon)


@dataclass(frozen=True)
class Wave(Conserving):
    """Ideal waves: nothing decays."""

    name = "wave"
    equation = "φ_tt − ∇²φ = 0"
    hint = "it never generates; with damping it may (damped_wave)"

    def omega(self, k: Tensor) -> Tensor:
        return k.to(torch.complex128)

    def density(self, k: Tensor, t: float) -> Tensor:
        return torch.cos(k * t)

    def potential(self, k: Tensor, t: float) -> Tensor:
        return t * torch.sinc(k * t / torch.pi)


_KINK = 1e-8  # of the greatest density


@dataclass(frozen=True)
class Schroedinger(Row):
    """A quantum particle at rest, φ_0 = √p_0: it spreads and forgets nothing; in imaginary time, heat."""

    name = "schroedinger"
    equation = "iφ_t + ∇²φ = 0"
    hint = "it never generates; in imaginary time it does (heat)"

    def omega(self, k: Tensor) -> Tensor:
        return (k**2).to(torch.complex128)

    def flow(self, spectrum: Tensor, box: Box, t: float) -> Tensor:
        axes = list(range(box.dimension))
        # The truncated series dips below 0 by 1e-8 of its height; a root with a kink there would ring.
        density = box.values(spectrum)
        floor = _KINK * density.max()
        start = torch.fft.fftn(((density + torch.hypot(density, floor)) / 2).sqrt().to(torch.complex128))
        whole = 2 * torch.pi * torch.fft.fftfreq(box.cells, box.spacing, dtype=torch.float64)
        waves = torch.meshgrid(*[whole] * box.dimension, indexing="ij")
        k = torch.stack(waves).square().sum(0).sqrt()
        phi_hat = start * torch.exp(-1j * self.omega(k) * t)
        phi = torch.fft.ifftn(phi_hat, dim=axes)
        flux = [2 * (phi.conj() * torch.fft.ifftn(1j * wave * phi_hat, dim=axes)).imag for wave in waves]
        return box.transform(torch.stack([phi.abs() ** 2, *flux, torch.zeros_like(k)]))

    def mass(self, t: float) -> float:
        return 1.0


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise InputError(f"{name}={value:g}: must be positive and finite, such as {name}=1")


# The closed table.
ROWS: dict[str, type[Row]] = {
    row.name: row for row in (Heat, Fractional, Poisson, Screened, Helmholtz, DampedWave, Wave, Schroedinger)
}
