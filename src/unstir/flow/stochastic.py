"""Stochastic solvers, which forget their own errors: churn and ancestral sampling.

Both add noise on the way, and it must be of the process's own law. Given W, a scale mixture's path is a
Gaussian Markov chain with variances times W. So W is drawn anew at each step given how far the state lies
from the data it came from, r² = E‖x − A y‖²/B², and normal noise is scaled by it. For W = 1 that is
Karras' and Ho's; for Poisson flow Gaussian noise in its place would leave the path's law.

That distance has two parts: to the prediction, ‖x − A D‖²/B², and about it, A² tr Cov(y|x)/B². The second is
W̄ A div D for a Gaussian kernel of variance W̄ B², and is estimated by one finite difference along random
signs (Hutchinson): one more evaluation a step, spent only where the law has a tail.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.flow.onestep import heun_coefficients
from unstir.flow.solver import Coefficient, LinearPath, LinearSolver, combine
from unstir.flow.streams import Streams
from unstir.physics.process import per_item

_ROUNDS = 8  # of W̄ = E[W | r²], r² = (seen) + W̄ (spread): a contraction
_PROBE = 0.1  # length of the finite difference, in units of the noise


def law_noise(
    path: LinearPath, i: int, x: Tensor, prediction: Tensor | None, streams: Streams, label: Tensor | None
) -> Tensor:
    """√W n at the state `x` of time i, with W given what x shows, from each sample's own stream."""
    normal, uniform = streams.normal(x)
    noise = path.process.noise
    if not noise.mixed:
        return normal
    A, B, dimension = path.A[i], path.B[i], x[0].numel()
    d = path.slices[i](x, label) if prediction is None else prediction
    signs, _ = streams.normal(x)
    signs = signs.sign()
    change = path.slices[i](x + (_PROBE * B) * signs, label) - d
    divergence = combine(signs * change, A).flatten(1).double().sum(1) / (_PROBE * B)
    squared = (combine(x, 1.0, (d, -A)).flatten(1).double() / B).square().sum(1)
    ends = noise.mean_mixing(torch.tensor([0.0, 1.0]), dimension)
    spread = divergence.clamp(0, min(dimension, 0.8 / max(float(ends[1] - ends[0]), 1e-9)))
    seen = squared
    for _ in range(_ROUNDS):
        seen = squared + spread * noise.mean_mixing(seen, dimension)
    mixing = noise.mixing_given(seen.cpu(), dimension, uniform).sqrt()
    return normal * per_item(mixing.to(x.device), x)


@dataclass(frozen=True)
class Churn(LinearSolver):
    """Heun with noise added before each step (Karras 2022, algorithm 2), in the process's own law.

    Attributes:
        amount: S_churn, spread over the steps.
        low: S_tmin, the noise-to-signal ratio below which none is added.
        high: S_tmax, above which none is added.
        inflation: S_noise, the factor on the standard deviation of what is added.
    """

    amount: float = 20.0
    low: float = 0.05
    high: float = 50.0
    inflation: float = 1.0
    stochastic = True

    def __post_init__(self) -> None:
        if not (self.amount >= 0 and 0 <= self.low <= self.high and self.inflation > 0):
            raise InputError(
                f"churn: amount={self.amount:g}, low={self.low:g}, high={self.high:g}, "
                f"inflation={self.inflation:g}; give amount >= 0, 0 <= low <= high and inflation > 0"
            )

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        process, t, n = path.process, path.times, len(path.times)
        gain = 1 + min(self.amount / n, math.sqrt(2) - 1)
        for i in range(n - 1):
            ratio = path.ratio[i]
            raised = float(process.time_at(torch.tensor(min(ratio * gain, 1e12), dtype=torch.float64)))
            hop, start = path, i
            if self.low <= ratio <= self.high and raised > t[i]:
                hop, start = path.at((raised, t[i + 1])), 0
                shrink = hop.A[0] / path.A[i]
                added = _root(hop.B[0] ** 2 - (shrink * path.B[i]) ** 2) * self.inflation
                noise = law_noise(path, i, x, None, streams, label)
                x = combine(x, shrink, (noise, added))
            first, second = heun_coefficients(hop, start, start + 1)
            d = hop.slices[start](x, label)
            euler = combine(x, first[0], (d, first[1]))
            d_next = hop.slices[start + 1](euler, label)
            x = combine(x, second[0], (d, second[1]), (d_next, second[2]))
            yield x, d_next

    def evaluations(self, steps: int) -> int:
        return 2 * steps - 1


@dataclass(frozen=True)
class Ancestral(LinearSolver):
    """x_s drawn from its law given x_t and y = D: DDPM (Ho 2020, equations 6 and 7) for any path and law.

    Given W: with a = A_t/A_s and b² = B_t² − a²B_s²,

        x_s = (a B_s²/B_t²) x_t + (A_s b²/B_t²) D + √W (b B_s/B_t) n
    """

    stochastic = True

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        A, B = path.A, path.B
        for i in range(len(A) - 1):
            a = A[i] / A[i + 1]
            b = _root(B[i] ** 2 - (a * B[i + 1]) ** 2)
            d = path.slices[i](x, label)
            noise = law_noise(path, i, x, d, streams, label)
            x = combine(
                x,
                a * (B[i + 1] / B[i]) ** 2,
                (d, A[i + 1] * b**2 / B[i] ** 2),
                (noise, b * B[i + 1] / B[i]),
            )
            yield x, d

    def evaluations(self, steps: int) -> int:
        return steps


def _root(squared: Coefficient) -> Coefficient:
    """√max(c, 0) of a number, or of one a mode."""
    return math.sqrt(max(squared, 0.0)) if isinstance(squared, float) else squared.clamp_min(0).sqrt()
