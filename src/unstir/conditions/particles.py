"""Particles: the posterior by weighting and choosing, where y given x is not normal (Wu 2023, algorithm 1).

Steps of `Ancestral` with the conditioned denoiser D_o propose; a weight makes up for what is wrong with them.
With p̃(o | x) = N(o; H D(x), r² H Hᵀ + σ² I), r² a number at each time, a particle that goes from x to x' has
its weight multiplied by

    p̃(o | x')/p̃(o | x) · p(x' | x)/p(x' | x, o)

the latter two being normal given the mixing variable W, of one variance and with means by D and by D_o. To a
step's noise that variance adds what is not known of y (Bao 2022), without which it takes far more steps.
Where weights have drifted apart, particles are chosen anew by them (systematically). For ever more particles
and steps the law is the exact posterior, whatever p̃ and D_o are; they only decide how many it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.conditions.conditioned import ConditionedField
from unstir.conditions.view import View, prior_variance
from unstir.errors import InputError
from unstir.flow import LinearPath, LinearSolver, Streams
from unstir.flow.solver import Coefficient, combine
from unstir.physics import LinearProcess

_JUMP = 8.0  # the first step leaps to this B/A, for data of standard deviation ½: before it nothing happens
_DRIFTED = 0.5  # effective share of the particles, below which they are chosen anew


@dataclass(frozen=True)
class Particles(LinearSolver):
    """Samples in groups, each group the particles of one observation; they are equally likely at the end.

    Attributes:
        count: how many in a group.
    """

    count: int = 16
    stochastic = True

    def __post_init__(self) -> None:
        if self.count < 2:
            raise InputError(f"particles: there are {self.count}; give 2 or more (--samples)")

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        field = path.field
        if not isinstance(field, ConditionedField):
            raise InputError(
                "solver: particles need an observation; give unstir restore a task, or a ConditionedField"
            )
        if len(x) % self.count:
            raise InputError(
                f"count={self.count}: does not divide a batch of {len(x)}; give all of each group"
            )
        A, B, basis = path.A, path.B, path.process.basis
        view = field.view(basis.state(x), path.times[0], label)
        fit = self._fit(view, path.times[0])
        log_weight = fit
        for i in range(len(A) - 1):
            a = A[i] / A[i + 1]
            b = _root(B[i] ** 2 - (a * B[i + 1]) ** 2)
            d, led = basis.coordinates(view.denoised), basis.coordinates(field.method.mean(view))
            normal, uniform = streams.normal(x)
            W = view.mixing(uniform)
            # Of one variance with and without o: that of the noise, and of what is not known of y.
            carry, lead = A[i + 1] * b**2 / B[i] ** 2, b * (B[i + 1] / B[i])
            deviation = (lead**2 * W + carry**2 * self._unknown(view)).sqrt()
            x = combine(x, a * (B[i + 1] / B[i]) ** 2, (led, carry)) + normal * deviation
            apart = carry * (led - d) / deviation.clamp_min(torch.finfo(x.dtype).tiny)
            log_ratio = -(apart * normal + 0.5 * apart.square()).flatten(1).double().sum(1)
            view = field.view(basis.state(x), path.times[i + 1], label)
            before, fit = fit, self._fit(view, path.times[i + 1])
            log_weight = log_weight + log_ratio + fit - before
            chosen, anew = self._chosen(log_weight, streams.normal(x)[1], last=i == len(A) - 2)
            if bool(anew.any()):
                x, led, fit = x[chosen], led[chosen], fit[chosen]
                log_weight = torch.where(anew, 0.0, log_weight)
                view = field.view(basis.state(x), path.times[i + 1], label)
            yield x, led

    def times(self, process: LinearProcess, steps: int) -> list[float]:
        return process.times(steps, jump=_JUMP).tolist()

    def evaluations(self, steps: int) -> int:
        return steps

    def usual_steps(self, process: LinearProcess) -> int:
        return 100

    def group(self, shape: Sequence[int]) -> int:
        return self.count

    def _unknown(self, view: View) -> float | Tensor:
        """The variance of y given x, alike for all its numbers; where modes are damped they differ."""
        return view.variance if view.process.damping is None else 0.0

    def _fit(self, view: View, t: float) -> Tensor:
        """log p̃(o | x) up to what all particles share, float64 `(batch,)`."""
        process, shape = view.process, tuple(view.denoised.shape[1:])
        time = torch.tensor([t], dtype=torch.float64)
        variance = prior_variance(process, shape)
        q2 = process.signal(time, shape).square() * variance / process.B(time) ** 2
        spread = (variance / (1 + q2)).mean()
        solved = view.measurement.solve(view.residual, spread.reshape(1).to(view.residual), shape)
        return -0.5 * (view.residual * solved).flatten(1).double().sum(1)

    def _chosen(self, log_weight: Tensor, uniform: Tensor, *, last: bool) -> tuple[Tensor, Tensor]:
        """Which particles go on, and whether theirs is a group that is chosen anew, `(batch,)` each."""
        weight = torch.softmax(log_weight.reshape(-1, self.count), 1)
        anew = (1 / weight.square().sum(1) < _DRIFTED * self.count) | last
        place = (torch.arange(self.count) + uniform.reshape(-1, self.count)[:, :1]) / self.count
        pick = torch.searchsorted(weight.cumsum(1), place.to(weight)).clamp_max(self.count - 1)
        every = torch.arange(len(log_weight), device=pick.device)
        own = pick + every.reshape(-1, self.count)[:, :1]
        anew = anew.repeat_interleave(self.count)
        return torch.where(anew, own.flatten(), every), anew


def _root(squared: Coefficient) -> Coefficient:
    """√max(c, 0) of a number, or of one a mode."""
    return max(squared, 0.0) ** 0.5 if isinstance(squared, float) else squared.clamp_min(0).sqrt()
