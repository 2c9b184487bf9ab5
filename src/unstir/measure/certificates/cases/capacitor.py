"""The case of a capacitor: plates of point charges, whose field is a sum.

There is no equilibrium here and nothing is forgotten: one law goes to the other along lines and comes back.
Checked is that the lines' flux is conserved, that the field has its charges and no others, on surfaces about
charges of either plate, that lines carry P to Q and Q to P, and what one plate alone would do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from unstir.fields import ExactField, ExactPlates
from unstir.flow import Streams, trajectory
from unstir.flow.plates import Lines
from unstir.measure.certificates.case import Case, filled, seeded
from unstir.measure.certificates.cases.noise import noise_case
from unstir.measure.certificates.cells import Cells
from unstir.measure.certificates.check import Check
from unstir.measure.certificates.conservation import Continuity
from unstir.measure.certificates.gauss import GaussLaw
from unstir.measure.certificates.limits import Approach
from unstir.measure.certificates.microscopic import Histogram
from unstir.measure.certificates.samelaw import Reversal
from unstir.measure.certificates.statistics import two_counts
from unstir.physics import Capacitor, StudentT, capacitor, poisson

_LINES = 2000
_STEPS = 80
_WHEN = 0.3


@dataclass(frozen=True)
class CapacitorCase(Case[Capacitor]):
    """Three charges on one plate, four on the other, in the plane."""

    @classmethod
    def of(cls, process: Capacitor) -> CapacitorCase:
        """With four points on the far plate."""
        far = torch.tensor([[0.7, -0.5], [-0.2, 0.6], [-0.5, -0.1], [0.0, 0.2]], dtype=torch.float64)
        return cls(process.prepared(far, far))

    @cached_property
    def near(self) -> Tensor:
        """The plus charges."""
        return torch.tensor([[0.5, 0.1], [-0.6, 0.3], [0.1, -0.4]], dtype=torch.float64)

    @cached_property
    def far(self) -> Tensor:
        """The minus charges."""
        if self.process.far is None:
            raise TypeError(f"process {self.name}: has no points on its far plate; use CapacitorCase.of")
        return self.process.far.double()

    @cached_property
    def field(self) -> ExactPlates:
        """The exact one."""
        return ExactPlates(self.process, self.near)

    def log_density(self, x: Tensor, t: float) -> Tensor:
        """The law of the particles on the lines."""
        return self.process.log_kernel(x, self.near, filled(x, t)).logsumexp(1) - math.log(len(self.near))

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """dx/dt along the lines."""
        return self.process.velocity(x, filled(x, t), self.field(x, filled(x, t)))

    def fluxes(self) -> Sequence[tuple[float, float]]:
        """(flux, charge inside) of spheres about one plus, all pluses, some minuses, all, and nothing."""
        L = self.process.length((2,))
        places = torch.cat([torch.nn.functional.pad(self.near, (0, 1)),
                            torch.nn.functional.pad(self.far, (0, 1), value=L)])  # fmt: skip
        charges = torch.tensor([1 / len(self.near)] * len(self.near) + [-1 / len(self.far)] * len(self.far))
        nodes, weights = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(80))
        angle = 2 * math.pi * torch.arange(96, dtype=torch.float64) / 96
        ring = (1 - nodes**2).sqrt()[:, None, None] * torch.stack([angle.cos(), angle.sin()], 1)
        normal = torch.cat([ring, nodes[:, None, None].expand(-1, 96, 1)], 2).reshape(-1, 3)
        area = (weights[:, None] * (2 * math.pi / 96)).expand(-1, 96).flatten()
        found = []
        for centre, radius in (
            ((0.6, 0.1, 0.05), 0.4),
            ((0.0, 0.0, 0.1), 1.0),
            ((-0.3, 0.05, L), 0.45),
            ((0.0, 0.0, L / 2), 2 * L),
            ((0.0, 0.0, L / 2), 0.3 * L),
        ):
            middle = torch.tensor(centre, dtype=torch.float64)
            point = middle + radius * normal
            x, t = point[:, :2], point[:, 2] / L
            log_weight = torch.logaddexp(
                self.field.near.pull(x, point[:, 2])[0], self.field.far.pull(x, point[:, 2] - L)[0]
            )
            along = (self.field(x, t) * normal).sum(1) * log_weight.exp() / (4 * math.pi)
            inside = (places - middle).norm(dim=1) < radius
            found.append((float((along * area).sum()) * radius**2, float(charges[inside].sum())))
        return found

    def carried(self, n: int, direction: str) -> Tensor:
        """Which charge of the other plate each of n lines comes to, `(n, 1)`; lines start to all sides."""
        start, end = (self.near, self.far) if direction == "forward" else (self.far, self.near)
        index = torch.randint(len(start), (n,), generator=seeded(11))
        solver = Lines(direction, side="both")
        times = solver.times(self.process, _STEPS)
        *_, last = trajectory(
            self.process, self.field, start[index], solver=solver, times=times, streams=Streams(0, 0, n)
        )
        return torch.cdist(last.state, end).argmin(1, keepdim=True)

    def wander(self, n: int, generator: torch.Generator) -> Tensor:
        """Brownian motion in three dimensions, from either plate to the plane between, `(n, 2)`."""
        L = self.process.length((2,))
        time = noise_case(StudentT(1.0)).clock(n, generator)
        normal = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        side = torch.rand(n, generator=generator) < 0.5
        near = self.near[torch.randint(len(self.near), (n,), generator=generator)]
        far = self.far[torch.randint(len(self.far), (n,), generator=generator)]
        height = L * torch.where(side, _WHEN, 1 - _WHEN).double()
        return torch.where(side[:, None], near, far) + (height * time.sqrt())[:, None] * normal

    def gap(self, distance: float) -> float:
        """Between dx/dz near a plate and that of its charges alone, half a length over it."""
        wide = capacitor(distance).prepared(self.near, self.far)
        L, z = wide.length((2,)), 0.5
        x = torch.randn(50, 2, generator=seeded(12), dtype=torch.float64)
        t = filled(x, z / L)
        here = wide.velocity(x, t, ExactPlates(wide, self.near)(x, t)) / L
        alone = poisson(1.0)
        there = alone.velocity(x, filled(x, z), ExactField(alone, self.near)(x, filled(x, z)))
        return float((here - there).abs().max())

    def checks(self) -> Iterator[Check]:
        process = self.process
        yield Continuity(
            "∂p/∂t + ∇·(p v) of the lines, relative, at 3 times",
            process,
            self.log_density,
            self.velocity,
            lambda t: torch.randn(40, 2, generator=seeded(5), dtype=torch.float64),
            (0.1, 0.5, 0.85),
        )
        for direction, start, end in (("forward", "P", "Q"), ("backward", "Q", "P")):
            other = self.far if direction == "forward" else self.near
            yield Reversal(
                f"lines from {start}, charges of {end}: how often each is reached",
                lambda n, g, direction=direction: self.carried(n, direction),  # type: ignore[misc]
                lambda n, g, other=other: torch.randint(len(other), (n, 1), generator=g),  # type: ignore[misc]
                _LINES,
                two_counts,
            )
        yield Histogram(
            f"Brownian motion from both plates to a plane, law of the lines there, at t = {_WHEN}",
            self.wander,
            self._cells,
            lambda x: self.log_density(x, _WHEN),
        )
        yield GaussLaw("flux of E through spheres about charges of both plates, charge inside", self.fluxes)
        yield Approach(
            "L = 100, 200, 400 against one plate alone (Poisson flow): the gap falls by 4",
            self.gap,
            (100.0, 200.0, 400.0),
            4.0,
        )

    def _cells(self) -> Cells:
        y = self.near[torch.randint(len(self.near), (4000,), generator=seeded(7))]
        return Cells.over(self.process.perturb(y, filled(y, _WHEN), seeded(6)), 8)
