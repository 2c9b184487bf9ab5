"""The case of a PDE in its box: three points of unequal weight, exact on the grid by the FFT.

The books must balance with births counted, whatever the row. A row that can generate must come to the flat
density, lose its information on the way (p over its mass against flat: its kernel is a law, so that no step
makes p easier to tell from flat), and give the data back from the flat prior. One that cannot is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure.certificates.case import Case, seeded
from unstir.measure.certificates.check import Check
from unstir.measure.certificates.conservation import Balance
from unstir.measure.certificates.limits import Meeting
from unstir.measure.certificates.refusal import Refusal
from unstir.measure.certificates.samelaw import Equilibrium, Reversal
from unstir.measure.certificates.secondlaw import ExactSecondLaw
from unstir.physics.pde import PDE, GridCurrent, LinearRow, residual

_STEPS = 64
_CELLS = {1: 256, 2: 64}
_EXACT = 1e-5
_ALIASED = 1e-3  # what the grid leaves of |φ|², with twice the data's wavenumbers
_FLAT = 5e-3  # of the density at t_max: a thousandth of the slowest mode is left, seen from few points


@dataclass(frozen=True)
class PDECase(Case[PDE]):
    """A row of the table, or a user's dispersion relation."""

    @cached_property
    def data(self) -> Tensor:
        """Points, the middle one twice, `(4, dimension)`, well inside the box."""
        places = torch.tensor([[-1.0], [0.4], [0.4], [1.3]], dtype=torch.float64)
        return self.process.box.side / 8 * places * torch.ones(1, self.process.box.dimension)

    @cached_property
    def current(self) -> GridCurrent:
        """The exact one."""
        return GridCurrent.of_points(self.process.row, self.process.box, self.data)

    def balance(self) -> float:
        """The residual in a box of this side, finely divided."""
        box = self.process.box
        return residual(self.process.row, box.dimension, self.data, replace(box, cells=_CELLS[box.dimension]))

    def law(self, t: float) -> Tensor:
        """p_t over its mass times the box's volume, on the grid: 1 where it is flat."""
        p = self.current.state(t)[0]
        return p / p.mean()

    def information(self, t: float) -> float:
        """Relative entropy of p_t over its mass to the flat density, nats."""
        p = self.law(t).clamp_min(0)
        return float(torch.special.xlogy(p, p).mean())

    def back(self, n: int, generator: torch.Generator) -> Tensor:
        """The flat prior taken back, births and deaths counted."""
        return self.process.sample(self.data, n, generator, _STEPS)

    def forward(self, n: int, generator: torch.Generator) -> Tensor:
        """The data at t_max."""
        return self.current.draw(n, self.process.t_max, generator)

    def checks(self) -> Iterator[Check]:
        process = self.process
        linear = isinstance(process.row, LinearRow)
        yield Balance(
            "∂p/∂t + ∇·J − R on the grid, relative, at 3 times",
            self.balance,
            _EXACT if linear else _ALIASED,
        )
        if not process.verdict:
            yield Refusal(f"fails {process.verdict.failed}, refuses to sample", self._sample_few, InputError)
            return
        yield Meeting(
            "p at t_max, flat: greatest relative difference",
            lambda: float((self.law(process.t_max) - 1).abs().max()),
            _FLAT,
        )
        yield Equilibrium(
            "data carried to t_max, prior",
            self.forward,
            lambda n, g: self.current.equilibrium(n, process.t_max, g),
        )
        yield Reversal(
            f"prior taken back in {_STEPS} steps, births counted, data at t_min",
            self.back,
            lambda n, g: self.current.draw(n, process.t_min, g),
        )
        start, end = process.t_min, process.t_max
        yield ExactSecondLaw(
            "relative entropy of p over its mass to the flat density never rises",
            self.information,
            [start * (end / start) ** (i / 40) for i in range(41)],
        )

    def _sample_few(self) -> None:
        self.process.sample(self.data, 4, seeded(0), 4)
