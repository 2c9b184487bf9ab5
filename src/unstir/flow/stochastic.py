"""Stochastic solvers, which forget their own errors: churn and ancestral sampling.

Both add noise on the way, and it must be of the process's own law. Given W, a scale mixture's path is a
Gaussian Markov chain with variances times W; so W is drawn anew at each step from its law given how
far the state lies from the prediction, ‖x − A D‖²/B², and normal noise is scaled by it. For W = 1
that is Karras' and Ho's; for Poisson flow Gaussian noise in its place would leave the path's law.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.flow.onestep import heun_coefficients
from unstir.flow.solver import Path, Solver, combine
from unstir.flow.streams import Streams


def law_noise(path: Path, x: Tensor, prediction: Tensor, A: float, B: float, streams: Streams) -> Tensor:
    """√W n with W drawn given (x − A D)/B, from each sample's own stream, shaped as `x`."""
    noise, dimension = path.process.noise, x[0].numel()
    squared = ((x - A * prediction).flatten(1).double() / B).square().sum(1).cpu()
    drawn = torch.cat(
        [
            torch.randn((1, *x.shape[1:]), generator=g, dtype=x.dtype)
            * noise.mixing_given(squared[i : i + 1], dimension, g)
            .sqrt()
            .to(x.dtype)
            .reshape(1, *(1,) * (x.ndim - 1))
            for i, g in enumerate(streams.generators)
        ]
    )
    return drawn.to(x.device)


@dataclass(frozen=True)
class Churn(Solver):
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

    def walk(
        self, path: Path, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        process, t, n = path.process, path.times, len(path.times)
        gain = 1 + min(self.amount / n, math.sqrt(2) - 1)
        prediction = path.slices[0](x, label) if math.isfinite(process.noise.tail) else x
        for i in range(n - 1):
            ratio = path.B[i] / path.A[i] if path.A[i] > 0 else math.inf
            raised = float(process.time_at(torch.tensor(min(ratio * gain, 1e12), dtype=torch.float64)))
            hop, start = path, i
            if self.low <= ratio <= self.high and raised > t[i]:
                hop, start = Path(process, path.field, (raised, t[i + 1])), 0
                shrink = hop.A[0] / path.A[i]
                added = math.sqrt(max(hop.B[0] ** 2 - (shrink * path.B[i]) ** 2, 0.0)) * self.inflation
                noise = law_noise(path, x, prediction, path.A[i], path.B[i], streams)
                x = combine(x, shrink, (noise, added))
            first, second = heun_coefficients(hop, start, start + 1)
            d = hop.slices[start](x, label)
            euler = combine(x, first[0], (d, first[1]))
            prediction = hop.slices[start + 1](euler, label)
            x = combine(x, second[0], (d, second[1]), (prediction, second[2]))
            yield x, prediction

    def evaluations(self, steps: int) -> int:
        return 2 * steps - 1


@dataclass(frozen=True)
class Ancestral(Solver):
    """x_s drawn from its law given x_t and y = D: DDPM (Ho 2020, equations 6 and 7) for any path and law.

    Given W: with a = A_t/A_s and b² = B_t² − a²B_s²,

        x_s = (a B_s²/B_t²) x_t + (A_s b²/B_t²) D + √W (b B_s/B_t) n
    """

    stochastic = True

    def walk(
        self, path: Path, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        A, B = path.A, path.B
        for i in range(len(A) - 1):
            a = A[i] / A[i + 1]
            b2 = max(B[i] ** 2 - (a * B[i + 1]) ** 2, 0.0)
            d = path.slices[i](x, label)
            noise = law_noise(path, x, d, A[i], B[i], streams)
            x = combine(
                x,
                a * (B[i + 1] / B[i]) ** 2,
                (d, A[i + 1] * b2 / B[i] ** 2),
                (noise, math.sqrt(b2) * B[i + 1] / B[i]),
            )
            yield x, d

    def evaluations(self, steps: int) -> int:
        return steps
