"""The case of every linear process: a Gaussian mixture, whose field and density are closed form at all times.

The particles' own motion, given the law's W, is the linear stochastic equation

    dx_k = f_k x_k dt + √(W (2 B Ḃ − 2 f_k B²)) dw_k        f_k = Ȧ_k/A_k, in each mode k of the basis

whose mean is A_k y and whose variance is B² W; it is simulated step by step, from t_min.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from unstir.fields import MixtureField
from unstir.flow import VelocityHeun, trajectory
from unstir.measure.certificates.case import Case, filled, plane_mixture, seeded
from unstir.measure.certificates.cases.noise import noise_case
from unstir.measure.certificates.cells import Cells
from unstir.measure.certificates.check import Check
from unstir.measure.certificates.conservation import Continuity
from unstir.measure.certificates.limits import Approach, Meeting
from unstir.measure.certificates.microscopic import Histogram
from unstir.measure.certificates.samelaw import Equilibrium, Reversal
from unstir.measure.certificates.secondlaw import SampledSecondLaw
from unstir.physics import Damping, Linear, LinearProcess, Rotation

_SHAPE = (2,)
_ITEMS = 10_000
_HEUN = 40
_MOVES = 200
_MOMENTS = 25


@dataclass(frozen=True)
class Blurred(Damping):
    """A damping whose every blur is narrower by a factor: the way to its limit."""

    inner: Damping
    share: float

    def width(self, s: Tensor, side: int) -> Tensor:
        return self.share * self.inner.width(s, side)

    def width_rate(self, s: Tensor, side: int) -> Tensor:
        return self.share * self.inner.width_rate(s, side)

    @property
    def floor(self) -> float:
        return self.inner.floor


@dataclass(frozen=True)
class LinearCase(Case[LinearProcess]):
    """A linear process with a mixture in the plane, or on a rod of two cells."""

    @classmethod
    def of(cls, process: LinearProcess) -> LinearCase:
        """With a process that knows the data: the prior of inverse heat dissipation is made of them."""
        case = cls(process)
        prepared = process.prepared(case.items)
        if not isinstance(prepared, LinearProcess):
            raise TypeError(f"process {process.name}: is no longer linear when it knows the data")
        return cls(prepared)

    @cached_property
    def field(self) -> MixtureField:
        """The exact field."""
        return MixtureField(self.process, *plane_mixture())

    @cached_property
    def items(self) -> Tensor:
        """Data."""
        return self.field.sample(_ITEMS, seeded(0))

    @cached_property
    def times(self) -> list[float]:
        """Rising times, t_min and t_max the first and last."""
        return self.process.times(_MOMENTS).flip(0).tolist()

    def draw(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        """Data carried forward to `t`, `(n, 2)`."""
        y = self.items[torch.randint(len(self.items), (n,), generator=generator)]
        return self.process.perturb(y, filled(y, t), generator)

    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws of the prior."""
        return self.process.prior(n, _SHAPE, generator, torch.float64)

    def back(self, n: int, generator: torch.Generator) -> Tensor:
        """The prior taken back to t_min by the exact field, `(n, 2)`."""
        x, times = self.prior(n, generator), self.process.times(_HEUN).tolist()
        *_, last = trajectory(self.process, self.field, x, solver=VelocityHeun(), times=times, denoise=False)
        return last.state

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """dx/dt of the exact flow."""
        return self.process.velocity(x, filled(x, t), self.field.at(t)(x, None))

    def wander(self, n: int, generator: torch.Generator) -> Tensor:
        """Particles moved by their own equation from t_min to the time of the histogram, `(n, 2)`."""
        process, basis = self.process, self.process.basis
        times = self._moves
        W = noise_case(process.noise).clock(n, generator)[:, None]
        y = self.field.sample(n, generator)
        start = times[:1]
        normal = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        u = self._signal(start) * basis.coordinates(y) + process.B(start) * W.sqrt() * normal
        for t, h in zip((times[1:] + times[:-1]) / 2, times.diff(), strict=True):
            growth, g = process.drift(t[None], _SHAPE)
            A = self._signal(t[None])
            f = (g.reshape(1, -1) + growth * A) / A
            # Half of the noise before the drift and half after, as it comes all along the step.
            kick = (process.B(t).square() * (growth - f) * h * W).sqrt()
            before, after = kick * torch.randn(2, n, 2, generator=generator, dtype=torch.float64)
            u = u + before
            u = u + f * h * (u + 0.5 * f * h * u) + after
        return basis.state(u)

    def _signal(self, t: Tensor) -> Tensor:
        return self.process.signal(t, _SHAPE).reshape(1, -1)

    @cached_property
    def _moves(self) -> Tensor:
        """The times of the particles' steps, until data and noise are both to be seen."""
        return self.process.times(3 * _MOVES).flip(0)[: _MOVES + 1]

    def checks(self) -> Iterator[Check]:
        process, field = self.process, self.field
        inner, end = self.times[2:-1:5], float(self._moves[-1])
        yield Continuity(
            "∂p/∂t + ∇·(p v) of the exact flow, relative, at 5 times",
            process,
            field.log_density,
            self.velocity,
            lambda t: self.draw(40, t, seeded(5)),
            inner,
        )
        yield Equilibrium(
            "data carried to t_max, prior",
            lambda n, g: self.draw(n, process.t_max, g),
            self.prior,
        )
        yield Reversal(
            "prior taken back by the exact field (Heun), data at t_min",
            self.back,
            lambda n, g: self.draw(n, process.t_min, g),
        )
        yield self.second_law()
        yield Histogram(
            f"particles moved in {_MOVES} random steps, closed-form density, at t = {end:.3g}",
            self.wander,
            lambda: Cells.over(self.draw(4000, end, seeded(6)), 8),
            lambda x: field.log_density(x, end),
        )
        yield from self.limits()
        yield from noise_case(process.noise).checks(process)

    def second_law(self) -> SampledSecondLaw:
        """Entropy where the signal stays as it is, else relative entropy to a start at equilibrium."""
        process, field = self.process, self.field
        ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
        A = process.signal(ends, _SHAPE).reshape(2, -1)
        if torch.equal(A[0], A[1]):
            return SampledSecondLaw(
                "entropy −E log p never falls",
                lambda t: field.log_density(self.draw(4000, t, seeded(7)), t),
                self.times,
            )
        spread = A[1].expand(2).diag()
        basis = process.basis.state(torch.eye(2, dtype=torch.float64))
        covariance = basis.T @ spread @ basis @ self.items.T.cov() @ basis.T @ spread @ basis
        covariance = covariance + float(process.B(ends[1])) ** 2 * torch.eye(2)
        rest = MixtureField(process, torch.ones(1), torch.zeros(1, 2), covariance[None])

        def free_energy(t: float) -> Tensor:
            x = self.draw(4000, t, seeded(7))
            return field.log_density(x, t) - rest.log_density(x, t)

        return SampledSecondLaw(
            "relative entropy to the same physics begun at its equilibrium never rises",
            free_energy,
            self.times,
        )

    def limits(self) -> Iterator[Check]:
        """Undamped, the law depends on B/A alone; damped, it must meet the undamped as the blur vanishes."""
        process = self.process
        damping = process.damping
        if damping is None:
            linear = isinstance(process.schedule, Linear)
            yield Meeting(
                f"log p against {'a spring' if linear else 'edm'} of the same noise, at equal B/A",
                lambda: self._gap_of_schedules(Rotation() if linear else Linear()),
                1e-7,
            )
            return
        yield Approach(
            "blur × 1/8, 1/16, 1/32 against none: the gap in log p falls by 4",
            lambda share: self._gap(replace(process, damping=Blurred(damping, share))),
            (1 / 8, 1 / 16, 1 / 32),
            4.0,
        )

    def _gap(self, process: LinearProcess) -> float:
        """The greatest |log p| between a process and the same without damping."""
        t = self.times[_MOMENTS // 2]
        plain = MixtureField(replace(process, damping=None), *plane_mixture())
        damped = MixtureField(process, *plane_mixture())
        x = plain.process.perturb(self.items[:200], filled(self.items[:200], t), seeded(8))
        return float((damped.log_density(x, t) - plain.log_density(x, t)).abs().max())

    def _gap_of_schedules(self, schedule: Linear | Rotation) -> float:
        """The greatest difference of log density in units of the signal, at equal noise-to-signal ratios."""
        process = self.process
        other = LinearProcess("neighbour", schedule, process.noise, scale=process.scale)
        field = MixtureField(other, *plane_mixture())
        worst = 0.0
        for t in self.times[2:-1:5]:
            now = torch.tensor(t, dtype=torch.float64)
            A = process.A(now)
            then = other.schedule.time_at(process.B(now) / A / other.scale)
            C = other.A(then)
            x = self.draw(200, t, seeded(8))
            here = self.field.log_density(x, t) + 2 * A.log()
            there = field.log_density(x * (C / A), float(then)) + 2 * C.log()
            worst = max(worst, float((here - there).abs().max()))
        return worst
