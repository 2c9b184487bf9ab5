"""The case of Kac flow: a mixture on the line, its density and velocity by quadrature of the telegraph law.

Particles are moved by their flips: each goes at ±c and turns round at rate a, and the data fade beside them.
Position alone is no Markov process, so that no theorem forbids its relative entropy to rise; position and
direction together are one. Checked is that of position, to the same flips begun at one wide Gaussian.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unstir.flow import VelocityHeun, trajectory
from unstir.measure.certificates.case import Case, filled
from unstir.measure.certificates.cells import Cells
from unstir.measure.certificates.check import Check
from unstir.measure.certificates.conservation import Continuity
from unstir.measure.certificates.limits import Approach
from unstir.measure.certificates.microscopic import Histogram
from unstir.measure.certificates.samelaw import Equilibrium, Reversal
from unstir.measure.certificates.secondlaw import ExactSecondLaw
from unstir.physics.kac import Kac, mixture_density, mixture_velocity
from unstir.physics.telegraph import telegraph_log_density

_HEUN = 30
_GRID = 400
_FLIPS = 300
_WHEN = 0.4
_LAST = 0.999  # at the end itself the law has atoms


@dataclass(frozen=True)
class KacCase(Case[Kac]):
    """Three unequal Gaussians on the line."""

    @property
    def data(self) -> tuple[Tensor, Tensor, Tensor]:
        """(weights, means, standard deviations)."""
        rows = torch.tensor([[0.45, 0.3, 0.25], [0.6, -0.7, -0.24], [0.17, 0.15, 0.2]], dtype=torch.float64)
        return rows[0], rows[1], rows[2]

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Data, `(n, 1)`."""
        weights, means, stds = self.data
        k = torch.multinomial(weights, n, replacement=True, generator=generator)
        normal = torch.randn(n, generator=generator, dtype=torch.float64)
        return (means[k] + stds[k] * normal)[:, None]

    def draw(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        """Data carried forward to `t`."""
        y = self.sample(n, generator)
        return self.process.perturb(y, filled(y, t), generator)

    def log_density(self, x: Tensor, t: float) -> Tensor:
        """log p_t at `(batch, 1)`."""
        return mixture_density(self.process, *self.data, x[:, 0], t).log()

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """dx/dt at `(batch, 1)`, by the process from its exact field."""
        exact = mixture_velocity(self.process, *self.data, x[:, 0], t)[:, None]
        return self.process.velocity(x, filled(x, t), exact)

    def back(self, n: int, generator: torch.Generator) -> Tensor:
        """The prior taken back to t_min."""
        x = self.process.prior(n, (1,), generator, torch.float64)
        times = torch.linspace(_LAST, self.process.t_min, _HEUN, dtype=torch.float64).tolist()

        def field(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
            # A quadrature for each particle is dear; between places this near the velocity is straight.
            grid = torch.linspace(float(x.min()), float(x.max()), _GRID, dtype=torch.float64)
            v = mixture_velocity(self.process, *self.data, grid, float(t[0]))
            return torch.from_numpy(np.interp(x.numpy(), grid.numpy(), v.numpy()))

        *_, last = trajectory(self.process, field, x, solver=VelocityHeun(), times=times, denoise=False)
        return last.state

    def wander(self, n: int, generator: torch.Generator) -> Tensor:
        """Particles that fly and flip until `_WHEN`, beside their fading data, `(n, 1)`."""
        y = self.sample(n, generator)[:, 0]
        h = _WHEN / _FLIPS
        direction = 2.0 * torch.randint(2, (n,), generator=generator) - 1
        place = torch.zeros(n, dtype=torch.float64)
        for _ in range(_FLIPS):
            place += 0.5 * h * direction
            # An odd number of turns within the step.
            odd = torch.rand(n, generator=generator) < -0.5 * math.expm1(-2 * self.process.a * h)
            direction = torch.where(odd, -direction, direction)
            place += 0.5 * h * direction
        t = torch.tensor(_WHEN, dtype=torch.float64)
        return (self.process.f(t) * y + self.process.speed * place)[:, None]

    def information(self, t: float) -> float:
        """Relative entropy of p_t to the law of the same flips begun at a Gaussian, by quadrature."""
        weights, means, stds = self.data
        wide = (weights * (means**2 + stds**2)).sum().sqrt()
        reach = float(self.process.f(torch.tensor(t))) * 1.8 + self.process.speed * t
        x = torch.linspace(-reach, reach, _GRID + 1, dtype=torch.float64)
        p = mixture_density(self.process, *self.data, x, t)
        one = torch.ones(1, dtype=torch.float64)
        q = mixture_density(self.process, one, 0 * one, wide * one, x, t)
        terms = torch.where(p > 1e-200, p * (p.clamp_min(1e-300) / q.clamp_min(1e-300)).log(), 0)
        return float(torch.trapezoid(terms, x))

    def gap(self, a: float) -> float:
        """|log p| between flips at rate a and diffusion of the same c²/a, within two deviations."""
        x = torch.linspace(-2, 2, 41, dtype=torch.float64)
        flips = telegraph_log_density(x, 1.0, a, math.sqrt(a))
        return float((flips + 0.5 * x**2 + 0.5 * math.log(2 * math.pi)).abs().max())

    def checks(self) -> Iterator[Check]:
        process = self.process
        yield Continuity(
            "∂p/∂t + ∇·(p v) on the line, relative, at 4 times",
            process,
            self.log_density,
            self.velocity,
            lambda t: self.draw(40, t, torch.Generator().manual_seed(5)),
            (0.1, 0.3, 0.6, 0.9),
        )
        yield Equilibrium(
            "data carried to t_max, prior",
            lambda n, g: self.draw(n, process.t_max, g),
            lambda n, g: process.prior(n, (1,), g, torch.float64),
        )
        yield Reversal(
            "prior taken back by the exact velocity (Heun), data at t_min",
            self.back,
            lambda n, g: self.draw(n, process.t_min, g),
        )
        yield ExactSecondLaw(
            "relative entropy to the same flips begun at one Gaussian never rises",
            self.information,
            [0.02 + 0.08 * i for i in range(12)],
            1e-6,
        )
        yield Histogram(
            f"particles that fly and flip in {_FLIPS} steps, closed-form density, at t = {_WHEN}",
            self.wander,
            lambda: Cells.over(self.draw(4000, _WHEN, torch.Generator().manual_seed(6)), 40),
            lambda x: self.log_density(x, _WHEN),
        )
        yield Approach(
            "a = 1000, 2000, 4000 at c²/a = 1 against diffusion: the gap in log p halves",
            self.gap,
            (1e3, 2e3, 4e3),
            2.0,
        )
