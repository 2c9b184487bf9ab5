"""log K_ν(z), the modified Bessel function of the second kind, for orders ν = 0, ½, 1, 3/2, …

Small orders by upward recurrence from K_0 and K_1 or K_½ (stable upwards), large ones by Debye's uniform
expansion (NIST DLMF 10.41.4). Both keep their digits where K itself would over- or underflow.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# From this order on, Debye's expansion to u_6 is good to 3e-10 at every argument.
_DEBYE_ORDER = 16.0


class _LogK0K1(torch.autograd.Function):
    """(log K_0, log K_1); torch has the functions but not their derivatives."""

    @staticmethod
    def forward(ctx: FunctionCtx, z: Tensor) -> tuple[Tensor, Tensor]:
        log_k0 = torch.special.scaled_modified_bessel_k0(z).log() - z
        log_k1 = torch.special.scaled_modified_bessel_k1(z).log() - z
        ctx.save_for_backward(z, log_k0, log_k1)
        return log_k0, log_k1

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, g0: Tensor, g1: Tensor) -> Tensor:
        z, log_k0, log_k1 = ctx.saved_tensors  # type: ignore[attr-defined]
        # K_0' = −K_1 and K_1' = −K_0 − K_1/z (DLMF 10.29.3 and 10.29.2).
        grad: Tensor = -g0 * (log_k1 - log_k0).exp() - g1 * ((log_k0 - log_k1).exp() + 1 / z)
        return grad


def log_bessel_k(order: float, z: Tensor) -> Tensor:
    """log K_order(z) for z > 0, in z's dtype (float64 for full digits), once differentiable.

    Raises:
        ValueError: `order` is not a non-negative multiple of ½.
    """
    if order < 0 or (2 * order) % 1:
        raise ValueError(f"order={order}: give a non-negative multiple of 1/2")
    if order >= _DEBYE_ORDER:
        return _debye(order, z)
    if order % 1:
        # K_{−½} = K_½ = sqrt(π/2z) e^{−z}
        start, log_k = 0.5, 0.5 * math.log(math.pi / 2) - 0.5 * z.log() - z
        ratio = torch.ones_like(z)
    else:
        log_k0, log_k1 = _LogK0K1.apply(z)  # type: ignore[no-untyped-call]
        if order == 0:
            return log_k0  # type: ignore[no-any-return]
        start, log_k, ratio = 1.0, log_k1, (log_k1 - log_k0).exp()
    while start < order:
        # K_{ν+1}/K_ν = 2ν/z + K_{ν−1}/K_ν (DLMF 10.29.1)
        ratio = 2 * start / z + 1 / ratio
        log_k = log_k + ratio.log()
        start += 1
    return log_k


def _debye(order: float, z: Tensor) -> Tensor:
    x = z / order
    root = torch.sqrt(1 + x**2)
    p = 1 / root
    # ν η with η = sqrt(1+x²) + log(x / (1 + sqrt(1+x²)))
    exponent = order * (root + torch.log(x) - torch.log1p(root))
    series = torch.ones_like(p)
    for k, polynomial in enumerate(_debye_polynomials(6), start=1):
        term = torch.zeros_like(p)
        for coefficient in reversed(polynomial):
            term = term * p + coefficient
        series = series + (-1) ** k * term / order**k
    return 0.5 * math.log(math.pi / (2 * order)) - exponent - 0.5 * torch.log(root) + series.log()


def _debye_polynomials(count: int) -> list[list[float]]:
    """u_1 … u_count by rising powers: u_{k+1} = ½p²(1−p²)u_k' + ⅛∫(1−5p²)u_k (DLMF 10.41.9)."""
    polynomials, u = [], [1.0]
    for _ in range(count):
        new = [0.0] * (len(u) + 3)
        for power, c in enumerate(u):
            if power:
                new[power + 1] += 0.5 * power * c
                new[power + 3] -= 0.5 * power * c
            new[power + 1] += c / (8 * (power + 1))
            new[power + 3] -= 5 * c / (8 * (power + 3))
        u = new
        polynomials.append(u)
    return polynomials
