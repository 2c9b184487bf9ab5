"""The telegraph law: where a particle of speed c is after a time t, turning round at rate a (Kac 1974).

    K_t = c ∫ (−1)^{N_s} ds, N Poisson of rate a, either first direction: u_tt + 2a u_t = c² u_xx

Both fronts ±ct carry atoms of mass e^{−at}/2, the particles that never turned. With r² = c²t² − x², z = ar/c
the rest has the density p and the velocity v = E[dK/dt | K_t = x] (Duong 2025, from Masoliver & Weiss 1996)

    p = (a e^{−at} / 2c) (I₀(z) + at I₁(z)/z)        v = a x (I₁(z)/z) / (I₀(z) + at I₁(z)/z)

which is below act/(2 + at) inside and ±c at the fronts. As a → ∞ with c²/a fixed it is diffusion, v = x/2t.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def telegraph_log_density(x: Tensor, t: Tensor | float, a: float, c: float) -> Tensor:
    """log of the continuous part's density, of mass 1 − e^{−at}, in nats; −inf at the fronts and beyond.

    Args:
        x: float64 positions of any shape.
        t: times, 0 or more, that broadcast against `x`.
        a: rate of turning.
        c: speed.
    """
    t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
    z, growth, ratio = _bessel(x, t, a, c)
    inside = math.log(a / (2 * c)) - growth + torch.log(torch.special.i0e(z) * (1 + a * t * ratio))
    return torch.where(x.abs() < c * t, inside, -math.inf)


def telegraph_velocity(x: Tensor, t: Tensor | float, a: float, c: float) -> Tensor:
    """E[dK/dt | K_t = x]; ±c at the fronts, and beyond them, where a numerical path may stray.

    Arguments as for `telegraph_log_density`.
    """
    t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
    _, _, ratio = _bessel(x, t, a, c)
    return torch.where(x.abs() < c * t, a * x * ratio / (1 + a * t * ratio), c * x.sign())


def telegraph_variance(t: Tensor | float, a: float, c: float) -> Tensor:
    """Var K_t = (c²/a) (t − (1 − e^{−2at})/2a)."""
    t = torch.as_tensor(t, dtype=torch.float64)
    turns = 2 * a * t
    # The difference loses its digits where there are few turns: there it is the head of its series.
    head = turns**2 * (1 / 2 - turns / 6 + turns**2 / 24 - turns**3 / 120)
    return 0.5 * (c / a) ** 2 * torch.where(turns < 1e-3, head, turns + torch.expm1(-turns))


def draw_telegraph(t: Tensor, a: float, c: float, generator: torch.Generator) -> Tensor:
    """Draw K_t at times of any shape, float64, with no steps in time.

    n turns cut [0, t] into n + 1 parts of one law; those in the first direction, ⌈(n+1)/2⌉ of them, have a
    Beta share of the time.
    """
    t = t.double().to(generator.device)
    turns = torch.poisson(a * t, generator=generator)
    back = torch.floor((turns + 1) / 2)
    ahead_time: Tensor = torch._standard_gamma(turns + 1 - back, generator=generator)
    back_time: Tensor = torch._standard_gamma(back.clamp_min(1), generator=generator)
    back_time = torch.where(back > 0, back_time, 0.0)
    sign = 2 * torch.randint(0, 2, t.shape, generator=generator, device=t.device) - 1
    # The quotient first: it is 1, and the particle just on its front, where nothing turned.
    return sign * c * t * ((ahead_time - back_time) / (ahead_time + back_time))


def _bessel(x: Tensor, t: Tensor, a: float, c: float) -> tuple[Tensor, Tensor, Tensor]:
    """z, at − z without cancellation, and I₁(z)/(z I₀(z)), for |x| ≤ ct (held within)."""
    front = c * t
    x = x.abs().minimum(front)
    root = torch.sqrt((front - x) * (front + x))
    z = (a / c) * root
    growth = (a / c) * x**2 / (front + root).clamp_min(torch.finfo(x.dtype).tiny)
    small = z.clamp_min(1e-30)
    return z, growth, torch.special.i1e(small) / (small * torch.special.i0e(small))
