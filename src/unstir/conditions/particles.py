"""Particles: the posterior by weighting and choosing, where y given x is not normal.

A step stirs a particle and lets it settle. Noise carries it from t up to t' > t, in the process's own law,
and the flow without o carries it down to s < t; both keep the law p_t, whatever the law of noise. What o says
comes in twice (Wu 2023, for steps of another kind). The noise b √W n is drawn about a mean that leads where o
is likely, n + c in place of n, for which a weight makes up:

    c = b √W ∇ log p(o | x)/(1 + b² W w/B²)    b² = B'² − (A'/A)² B²    N(n + c)/N(n) = e^{−c·n − ‖c‖²/2}

with ∇ log p(o | x) = A w (D_o − D)/B² from the conditioned denoiser, and c no longer than 1: what is sent far
is lost for good. And with p̃(o | x) = N(o; H D(x), r² H Hᵀ + σ² I), r² what a Wiener filter leaves unknown
of y, the weight grows by p̃(o | x_s)/p̃(o | x_t). Where weights have drifted apart, particles are chosen anew
by them (systematically). For ever more particles and steps the law is the exact posterior, whatever p̃ and
D_o are; they only decide how many it takes. Heavy tails are stirred by their own independent increments
(`physics/increment.py`), others by W drawn given x (`view.py`): exact where W is one number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.conditions.conditioned import ConditionedField
from unstir.conditions.measurement import across, power
from unstir.conditions.view import View
from unstir.errors import InputError
from unstir.flow import LinearPath, LinearSolver, Path, Streams
from unstir.flow.solver import Coefficient, combine
from unstir.physics import LinearProcess

_JUMP = 8.0  # the first step leaps to this B/A, for data of standard deviation ½: before it nothing happens
_JUMPING = 0.25  # of a step: how far noise in jumps stirs
_DRIFTED = 0.5  # effective share of the particles, below which they are chosen anew


@dataclass(frozen=True)
class Particles(LinearSolver):
    """Samples in groups, each group the particles of one observation; they are equally likely at the end.

    Attributes:
        count: how many in a group.
        stir: how far up noise carries a particle, over the step that it goes down; by default 1, as far, or ¼
            for noise in jumps. More lead further towards o, less leave smaller errors of few steps.
    """

    count: int = 16
    stir: float | None = None
    stochastic = True

    def __post_init__(self) -> None:
        if self.count < 2:
            raise InputError(f"particles: there are {self.count}; give 2 or more (--samples)")
        if self.stir is not None and not 0 <= self.stir <= 1:
            raise InputError(f"stir={self.stir:g}: give a share of the step, from 0 to 1")

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        field = _conditioned(path)
        if len(x) % self.count:
            raise InputError(
                f"count={self.count}: does not divide a batch of {len(x)}; give all of each group"
            )
        basis, times = path.process.basis, path.times
        view = field.view(basis.state(x), times[0], label)
        fit = self._fit(view)
        log_weight = fit
        stir = usual_stir(path.process) if self.stir is None else self.stir
        for i in range(len(times) - 1):
            raised = times[i] + stir * (times[i] - times[i + 1])
            raised = min(raised, path.process.t_max) if i else times[i]
            hop = LinearPath(path.process, field.field, (raised, times[i + 1]), path.shape)
            x, log_ratio = self._stirred(path, i, hop, x, view, streams)
            x, denoised = self._settled(hop, x, label)
            view = field.view(basis.state(x), times[i + 1], label)
            before, fit = fit, self._fit(view)
            log_weight = log_weight + log_ratio + fit - before
            chosen, anew = self._chosen(log_weight, streams.normal(x)[1], last=i == len(times) - 2)
            if bool(anew.any()):
                x, denoised, fit = x[chosen], denoised[chosen], fit[chosen]
                log_weight = torch.where(anew, 0.0, log_weight)
                view = field.view(basis.state(x), times[i + 1], label)
            yield x, denoised

    def finish(self, path: Path[LinearProcess], x: Tensor, label: Tensor | None) -> Tensor:
        """E[y | x]: what o says is in the weights."""
        return _conditioned(path).field.at(path.times[-1])(x, label)

    def _stirred(
        self, path: LinearPath, i: int, hop: LinearPath, x: Tensor, view: View, streams: Streams
    ) -> tuple[Tensor, Tensor]:
        """States at the first time of `hop`, from those at time i, and ln of what their weights take."""
        field, basis = _conditioned(path), path.process.basis
        shrink = hop.A[0] / path.A[i]
        b = _root(hop.B[0] ** 2 - (shrink * path.B[i]) ** 2)
        normal, uniform = streams.normal(x)
        moved = basis.coordinates(field.method.mean(view) - view.denoised)
        W = view.mixing(shrink * path.B[i], hop.B[0], uniform, streams.normal(x)[1])
        size = b * (W * view.precision).sqrt() / path.B[i]
        lead = moved * view.precision.sqrt() * (path.A[i] / path.B[i]) * (size / (1 + size**2))
        lead = lead / across((lead.flatten(1).square().mean(1).sqrt()).clamp_min(1.0), lead)
        log_ratio = -(lead * normal + 0.5 * lead.square()).flatten(1).double().sum(1)
        return combine(x, shrink, ((normal + lead) * W.sqrt(), b)), log_ratio

    def _settled(self, hop: LinearPath, x: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """States at the second time of `hop`, by the flow that knows nothing of o, and the last D on the way.

        x/B goes by d(x/B) = D d(A/B), with D a straight line in B/A from here to where it alone would lead.
        """
        (upper, lower), (A, A_s), (B, B_s) = hop.slices, hop.A, hop.B
        keep = B_s / B
        carry = A_s - A * keep
        d = upper(x, label)
        d_s = lower(combine(x, keep, (d, carry)), label)
        share = _share(A, A_s, keep)
        return combine(x, keep, (d, carry * share), (d_s, carry * (1 - share))), d_s

    def times(self, process: LinearProcess, steps: int) -> list[float]:
        return process.times(steps, jump=_JUMP).tolist()

    def evaluations(self, steps: int) -> int:
        return 3 * steps - 1

    def usual_steps(self, process: LinearProcess) -> int:
        return 100

    def group(self, shape: Sequence[int]) -> int:
        return self.count

    def _fit(self, view: View) -> Tensor:
        """log p̃(o | x) up to what all particles share, float64 `(batch,)`."""
        H, shape, residual = view.measurement, tuple(view.denoised.shape[1:]), view.residual
        spread = view.spread.flatten(1).double().mean(1)
        solved = H.solve(residual, spread.to(residual), shape)
        fit = (residual * solved).flatten(1).double().sum(1)
        if len(spread) > 1:  # they differ, and so do the widths of p̃
            fit = fit + residual[0].numel() * (spread * power(H, view.denoised) + H.sigma**2).log()
        return -0.5 * fit

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


def _conditioned(path: Path[LinearProcess]) -> ConditionedField:
    """The field of a walk.

    Raises:
        InputError: it knows no observation.
    """
    if not isinstance(path.field, ConditionedField):
        raise InputError(
            "solver: particles need an observation; give unstir restore a task, or a ConditionedField"
        )
    return path.field


def _root(squared: Coefficient) -> Coefficient:
    """√max(c, 0) of a number, or of one a mode."""
    return max(squared, 0.0) ** 0.5 if isinstance(squared, float) else squared.clamp_min(0).sqrt()


def _share(A: Coefficient, A_s: Coefficient, keep: float) -> Coefficient:
    """How much the first of two D counts: the mean over A/B of a line that falls from 1 to 0 in B/A."""
    k = (torch.as_tensor(A_s, dtype=torch.float64) / (keep * torch.as_tensor(A))).clamp(1 + 1e-3, 1e12)
    share: Tensor = (k.log() - 1 + 1 / k) / ((k - 1) * (1 - 1 / k))
    return float(share) if isinstance(A, float) else share


def usual_stir(process: LinearProcess) -> float:
    """How far noise carries particles up where nobody says."""
    return _JUMPING if process.noise.jumps else 1.0
