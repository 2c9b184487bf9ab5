"""The case of Langevin diffusion: a mixture in phase space, closed form at every time.

Particles move by the process's equation, dx = β v/M dt, dv = −β (x + Γ v/M) dt + √(2Γβ) dw, in small steps:
the forces by Heun's rule, the noise as it comes. The second law is that of the free energy, the relative
entropy to the prior π, which friction can only lower: d/dt E[log p_t − log π] = −βΓ E‖∇_v log p_t/π‖².
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from unstir.fields import LangevinMixture
from unstir.flow import VelocityHeun, trajectory
from unstir.measure.certificates.case import Case, filled, plane_mixture, seeded
from unstir.measure.certificates.cells import Cells
from unstir.measure.certificates.check import Check
from unstir.measure.certificates.conservation import Continuity
from unstir.measure.certificates.limits import Meeting
from unstir.measure.certificates.microscopic import Histogram
from unstir.measure.certificates.samelaw import Equilibrium, Reversal
from unstir.measure.certificates.secondlaw import SampledSecondLaw
from unstir.physics import LangevinProcess

_HEUN = 60
_MOVES = 300
_WHEN = 0.15  # of the clock: data and bath are both to be seen


@dataclass(frozen=True)
class LangevinCase(Case[LangevinProcess]):
    """A mixture in the plane; on the line, where particles are counted in position and velocity."""

    @cached_property
    def field(self) -> LangevinMixture:
        """The exact field in the plane."""
        return LangevinMixture(self.process, *plane_mixture())

    @cached_property
    def line(self) -> LangevinMixture:
        """That of the data's first coordinate."""
        weights, means, covariances = plane_mixture()
        return LangevinMixture(self.process, weights, means[:, :1], covariances[:, 0, 0])

    def draw(self, field: LangevinMixture, n: int, t: float, generator: torch.Generator) -> Tensor:
        """Data carried forward to `t`, with their velocities."""
        y = field.data.sample(n, generator)
        return self.process.perturb(y, filled(y, t), generator)

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """du/dt of the exact flow."""
        return self.process.velocity(x, filled(x, t), self.field(x, filled(x, t)))

    def back(self, n: int, generator: torch.Generator) -> Tensor:
        """The prior taken back to the last time but one by the exact field."""
        x = self.process.prior(n, (2,), generator, torch.float64)
        times = self.process.times(_HEUN)[:-1].tolist()
        *_, last = trajectory(self.process, self.field, x, solver=VelocityHeun(), times=times, denoise=False)
        return last.state

    def wander(self, n: int, generator: torch.Generator) -> Tensor:
        """Particles on the line moved by their own equation, `(n, 2)`."""
        process = self.process
        h = _WHEN * process.t_max / _MOVES
        u = torch.zeros(n, 2, dtype=torch.float64)
        u[:, :1] = self.line.data.sample(n, generator)
        rest = torch.randn(n, generator=generator, dtype=torch.float64)
        u[:, 1] = math.sqrt(process.gamma * process.mass) * rest
        M, beta = process.mass, process.beta
        force = beta * torch.tensor([[0, 1 / M], [-1, -process.friction / M]], dtype=torch.float64)
        move = h * force.T + 0.5 * h**2 * force.T @ force.T
        kick = math.sqrt(process.friction * beta * h)
        for _ in range(_MOVES):
            # Half of the noise before the step and half after: within it, it moves the position too.
            before, after = kick * torch.randn(2, n, generator=generator, dtype=torch.float64)
            u[:, 1] += before
            u = u + u @ move
            u[:, 1] += after
        return u

    def checks(self) -> Iterator[Check]:
        process, when = self.process, _WHEN * self.process.t_max
        rising = process.times(25).flip(0).tolist()
        last = rising[1]
        yield Continuity(
            "∂p/∂t + ∇·(p v) in phase space, relative, at 5 times",
            process,
            self.field.log_density,
            self.velocity,
            lambda t: self.draw(self.field, 40, t, seeded(5)),
            rising[2:-1:5],
        )
        yield Equilibrium(
            "data carried to t_max, prior",
            lambda n, g: self.draw(self.field, n, process.t_max, g),
            lambda n, g: process.prior(n, (2,), g, torch.float64),
        )
        yield Reversal(
            "prior taken back by the exact field (Heun), data and velocities at t_min",
            self.back,
            lambda n, g: self.draw(self.field, n, last, g),
        )
        yield SampledSecondLaw(
            "free energy E[log p − log prior] never rises",
            self._free_energy,
            rising[1:],
        )
        yield Histogram(
            f"particles moved in {_MOVES} random steps, density of (x, v), at t = {when:.3g}",
            self.wander,
            lambda: Cells.over(self.draw(self.line, 4000, when, seeded(6)), 8),
            lambda u: self.line.log_density(u, when),
        )
        yield Meeting(
            "mass × 4 and β × 2 are the same in other units of velocity: log p",
            lambda: self._gap(when),
        )

    def _free_energy(self, t: float) -> Tensor:
        u = self.draw(self.field, 4000, t, seeded(7))
        return self.field.log_density(u, t) - self.process.log_prior(u)

    def _gap(self, t: float) -> float:
        heavy = replace(self.process, mass=4 * self.process.mass, beta=2 * self.process.beta)
        u = self.draw(self.field, 200, t, seeded(8))
        x, v = u.chunk(2, 1)
        there = LangevinMixture(heavy, *plane_mixture()).log_density(torch.cat([x, 2 * v], 1), t)
        gap = self.field.log_density(u, t) - there - 2 * math.log(2)
        return float(gap.abs().max())
