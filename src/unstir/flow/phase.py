"""Exponential multistep in phase space: exact wherever D = E[y | u] stands still.

Written by D, the flow of Langevin diffusion is linear in u and D. With the letters of `physics/langevin.py`,

    du/dt = K u + (ȧ − K a) D      K = β (F + Γ e eᵀ Σ⁻¹)      e = (0, 1)

A step from t to s, with λ = −ln σ and r = (λ_s − λ_t)/(λ_t − λ_before), is

    u_s = Ψ u_t + w₀ D_t + w₁ r (D_t − D_before)

where Ψ, w₀ and w₁ solve one small equation, in float64, before the field is ever called:

    X = [Ψ | w₀ | w₁]      dX/dt = K X + (ȧ − K a) [0 | 1 | φ]      φ = (λ − λ_t)/(λ_s − λ_t)

Of one data point any step is exact. The second order is that of DPM-Solver++(2M) (Lu 2022); that phase
space has such solvers is gDDIM's insight (Zhang 2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.flow.langevin import PhaseSolver, denoised
from unstir.flow.solver import Path
from unstir.flow.streams import Streams
from unstir.physics.langevin import LangevinProcess, apply

# Runge–Kutta steps within each step of the flow: with 30 of those, coefficients are good to 1e-8.
_WITHIN = 64
# Of the clock: before this nothing has happened yet.
_SMALLEST = 1e-6


@dataclass(frozen=True)
class PhaseMultistep(PhaseSolver):
    """Second order at one evaluation a step."""

    def walk(
        self, path: Path[LangevinProcess], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        process, level = path.process, [-float(v.log()) for v in _sigmas(path)]
        last: Tensor | None = None
        for i, matrix in enumerate(coefficients(process, path.times)):
            d, prediction = denoised(path, i, x, label)
            turned = torch.zeros_like(d)
            if last is not None:
                turned = (d - last) * ((level[i + 1] - level[i]) / (level[i] - level[i - 1]))
            x = apply(matrix[None], torch.cat([x, d, turned], 1))
            last = d
            yield x, prediction

    def evaluations(self, steps: int) -> int:
        return steps

    def usual_steps(self, process: LangevinProcess) -> int:
        return 30


def coefficients(process: LangevinProcess, times: Sequence[float]) -> Tensor:
    """[Ψ | w₀ | w₁] from each time to the next, float64 `(times − 1, 2, 4)`."""
    # By the logarithm of time, since K is about 1/t near the data.
    clock = torch.tensor(times, dtype=torch.float64).clamp_min(_SMALLEST * process.t_max).log()
    start, length = clock[:-1], clock.diff()
    level = -process.sigma(clock.exp()).log()
    h = length[:, None, None] / _WITHIN

    def slope(share: float, X: Tensor) -> Tensor:
        t = torch.exp(start + share * length)
        K, g = process.flow(t)
        phi = (-process.sigma(t).log() - level[:-1]) / level.diff()
        source = torch.stack([0 * phi, 0 * phi, torch.ones_like(phi), phi], -1)
        return t[:, None, None] * (K @ X + g[..., None] * source[:, None])

    X = torch.eye(2, 4, dtype=torch.float64).expand(len(start), 2, 4)
    for i in range(_WITHIN):
        low, middle, high = i / _WITHIN, (i + 0.5) / _WITHIN, (i + 1) / _WITHIN
        k1 = slope(low, X)
        k2 = slope(middle, X + 0.5 * h * k1)
        k3 = slope(middle, X + 0.5 * h * k2)
        k4 = slope(high, X + h * k3)
        X = X + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return X


def _sigmas(path: Path[LangevinProcess]) -> Tensor:
    return path.process.sigma(torch.tensor(path.times, dtype=torch.float64))
