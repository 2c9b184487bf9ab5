"""The preconditionings under which EDM and PFGM++ published weights: D = c_skip x + c_out F(c_in x, c_noise).

x = y + σ ε throughout, ε Gaussian, or for PFGM++ a multivariate t whose σ = r/√D stands in the same place
(Xu 2023, section 4), so that the network knows nothing of D. Karras 2022, table 1:

              c_skip                c_out                  c_in             c_noise
    EDM       σ_d²/(σ² + σ_d²)      σ σ_d/√(σ² + σ_d²)     1/√(σ² + σ_d²)   ¼ ln σ
    VP        1                     −σ                     1/√(σ² + 1)      (M − 1) t(σ)
    VE        1                     σ                      1                ln ½σ
    iDDPM     1                     −σ                     1/√(σ² + 1)      M − 1 − j of the nearest u_j
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.interop.conventions import Convention, Network, on_clock, spread
from unstir.physics import LinearProcess

# σ (batch,), float64 -> c_skip, c_out, c_in, c_noise
Coefficients = Callable[[Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Preconditioned(Convention):
    """One of the table.

    Attributes:
        process: with A = 1.
        coefficients_at: c_skip, c_out, c_in and c_noise at noise levels.
    """

    process: LinearProcess
    coefficients_at: Coefficients

    def denoise(self, network: Network, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        skip, out, scale, noise = self.coefficients_at(self.process.B(on_clock(t)))
        answer = network(spread(scale, x) * x, noise.to(x), label)[:, : x.shape[1]]
        return spread(skip, x) * x + spread(out, x) * answer


@dataclass(frozen=True)
class Precondition:
    """What a preconditioning says beside its network.

    Attributes:
        low: the least σ that it is for.
        high: the largest.
        std: the data's standard deviation that it supposes.
        coefficients: see `Preconditioned`.
    """

    low: float
    high: float
    std: float
    coefficients: Coefficients


def edm(settings: Mapping[str, Any]) -> Precondition:
    """EDM's own."""
    std = _positive(settings, "sigma_data", 0.5)

    def at(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        total = sigma**2 + std**2
        return std**2 / total, sigma * std * total.rsqrt(), total.rsqrt(), 0.25 * sigma.log()

    # Its range is 0 to ∞; what it was trained for is that of EDM's sampler.
    low, high = (
        float(settings.get(name, end)) for name, end in (("sigma_min", 0.0), ("sigma_max", math.inf))
    )
    return Precondition(max(low, 0.002), min(high, 80.0), std, at)


def vp(settings: Mapping[str, Any]) -> Precondition:
    """VP's, t(σ) from β(t) = β_min + β_d t."""
    slope, first = _positive(settings, "beta_d", 19.9), _positive(settings, "beta_min", 0.1)
    steps, end = _positive(settings, "M", 1000), _positive(settings, "epsilon_t", 1e-5)

    def sigma_at(t: float) -> float:
        return math.sqrt(math.expm1(0.5 * slope * t**2 + first * t))

    def at(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        t = ((first**2 + 2 * slope * torch.log1p(sigma**2)).sqrt() - first) / slope
        return torch.ones_like(sigma), -sigma, (sigma**2 + 1).rsqrt(), (steps - 1) * t

    return Precondition(sigma_at(end), sigma_at(1.0), 0.5, at)


def ve(settings: Mapping[str, Any]) -> Precondition:
    """VE's."""
    low, high = _positive(settings, "sigma_min", 0.02), _positive(settings, "sigma_max", 100.0)

    def at(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ones = torch.ones_like(sigma)
        return ones, sigma, ones, (0.5 * sigma).log()

    return Precondition(low, high, 0.5, at)


def iddpm(settings: Mapping[str, Any]) -> Precondition:
    """iDDPM's: u_M = 0, and upwards u_{j−1}² = (u_j² + 1)/max(ᾱ_{j−1}/ᾱ_j, C_1) − 1 (Karras 2022, C.3.4)."""
    floor, offset = _positive(settings, "C_1", 0.001), _positive(settings, "C_2", 0.008)
    M = int(_positive(settings, "M", 1000))
    if M > 100_000:
        raise InputError(f"M={M}: no network was trained with so many steps")
    alphas = [math.sin(0.5 * math.pi * j / M / (offset + 1)) ** 2 for j in range(M + 1)]
    levels = [0.0] * (M + 1)
    for j in range(M, 0, -1):
        levels[j - 1] = math.sqrt((levels[j] ** 2 + 1) / max(alphas[j - 1] / alphas[j], floor) - 1)
    table = torch.tensor(levels, dtype=torch.float64)

    def at(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        nearest = (sigma[:, None] - table).abs().argmin(1)
        return torch.ones_like(sigma), -sigma, (sigma**2 + 1).rsqrt(), M - 1.0 - nearest

    return Precondition(levels[M - 1], levels[0], 0.5, at)


KINDS: dict[str, Callable[[Mapping[str, Any]], Precondition]] = {
    "EDMPrecond": edm,
    "VPPrecond": vp,
    "VEPrecond": ve,
    "iDDPMPrecond": iddpm,
}


def _positive(settings: Mapping[str, Any], name: str, usual: float) -> float:
    value = settings.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InputError(f"{name}={value!r:.60}: must be a number above 0")
    return float(value)
