"""The case of a Brownian bridge: Gaussian pairs, whose joint law must come back, and images to start from.

Its randomness is pinned at both ends, and nothing spreads to an equilibrium: there is no second law to check.
Conservation is that of probability in steps: two of the posterior are one (Chapman–Kolmogorov).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from unstir.fields import GaussianPairs
from unstir.flow import Streams, trajectory
from unstir.flow.bridge import Posterior
from unstir.measure.certificates.case import Case, filled, seeded
from unstir.measure.certificates.check import Check
from unstir.measure.certificates.conservation import Balance
from unstir.measure.certificates.limits import Approach
from unstir.measure.certificates.samelaw import Equilibrium, Reversal, SameLaw
from unstir.physics import Bridge

_STEPS = 100
_WALK = 300
_WHEN = 0.6


@dataclass(frozen=True)
class Walk(SameLaw):
    """A walk simulated step by step against the process's own draws."""

    kind: ClassVar[str] = "microscopic"

    n: int = 20_000


@dataclass(frozen=True)
class BridgeCase(Case[Bridge]):
    """Pairs of points in the plane, jointly Gaussian."""

    @cached_property
    def mean(self) -> Tensor:
        """Of clean and degraded, `(4,)`."""
        return torch.tensor([0.3, -0.2, 0.1, 0.4], dtype=torch.float64)

    @cached_property
    def covariance(self) -> Tensor:
        """Of both together."""
        rows = [[0.3, 0.1, 0.2, 0], [0.1, 0.25, 0.05, 0.15], [0.2, 0.05, 0.35, 0.05], [0, 0.15, 0.05, 0.3]]
        return torch.tensor(rows, dtype=torch.float64)

    def pairs(self, n: int, generator: torch.Generator) -> Tensor:
        """Clean beside degraded, `(n, 4)`."""
        normal = torch.randn(n, 4, generator=generator, dtype=torch.float64)
        root: Tensor = torch.linalg.cholesky(self.covariance)
        return self.mean + normal @ root.T

    def back(self, n: int, generator: torch.Generator) -> Tensor:
        """Degraded points taken back to clean ones, beside themselves."""
        start = self.pairs(n, generator)[:, 2:, None, None]
        field = GaussianPairs(self.process, self.mean, self.covariance)
        state = self.process.begin(start, generator)
        *_, last = trajectory(
            self.process, field, state, solver=Posterior(), steps=_STEPS, streams=Streams(0, 0, n)
        )
        return last.state.flatten(1)

    def walk(self, n: int, generator: torch.Generator) -> Tensor:
        """dx = (x₁ − x)/(1 − t) dt + Σ dw from x₀, beside x₁."""
        x, end = self.pairs(n, generator).chunk(2, 1)
        h = _WHEN / _WALK
        for i in range(_WALK):
            before, after = torch.randn(2, n, 2, generator=generator, dtype=torch.float64)
            kick = self.process.sigma * math.sqrt(0.5 * h)
            x = x + kick * before
            rate = h / (1 - (i + 0.5) * h)
            x = x + rate * (end - x) * (1 - 0.5 * rate) + kick * after
        return torch.cat([x, end], 1)

    def between(self, n: int, generator: torch.Generator) -> Tensor:
        """The process's own draws, beside x₁."""
        clean, end = (half[..., None, None] for half in self.pairs(n, generator).chunk(2, 1))
        return self.process.between(clean, end, filled(clean, _WHEN), generator).flatten(1)

    def composed(self) -> float:
        """How far two steps of the posterior are from one, relative."""
        x, clean = torch.ones(1, 1), torch.zeros(1, 1)
        worst = 0.0
        for t, u, s in ((1.0, 0.7, 0.2), (0.9, 0.5, 0.4), (0.3, 0.2, 0.01)):
            middle, first = self.process.posterior(x.double(), clean.double(), t, u)
            twice, second = self.process.posterior(middle, clean.double(), u, s)
            once, whole = self.process.posterior(x.double(), clean.double(), t, s)
            spread = math.hypot(first * s / u, second)
            worst = max(worst, abs(float(twice - once)) / float(once), abs(spread / whole - 1))
        return worst

    def images(self) -> Tensor:
        """Random images with a spectrum, `(2000, 1, 4, 4)`."""
        rough = torch.randn(2000, 1, 4, 4, generator=seeded(0), dtype=torch.float64)
        return 0.35 * (rough + rough.roll(1, 2) + rough.roll(1, 3)) / math.sqrt(3)

    def ends(self, n: int, generator: torch.Generator) -> Tensor:
        """Images carried to t = 1."""
        y = self.images()[torch.randint(2000, (n,), generator=generator)]
        return self.process.perturb(y, filled(y, 1.0), generator)

    def starts(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws of the prior of a process that has seen the images."""
        return self.process.prepared(self.images()).prior(n, (1, 4, 4), generator, torch.float64)

    def gap(self, sigma: float) -> float:
        """How far a path is from the straight line between its ends."""
        clean, end = (half[..., None, None] for half in self.pairs(200, seeded(9)).chunk(2, 1))
        calm = replace(self.process, sigma=sigma)
        at = calm.between(clean, end, filled(clean, _WHEN), seeded(10))[:, :2]
        return float((at - (1 - _WHEN) * clean - _WHEN * end).abs().max())

    def checks(self) -> Iterator[Check]:
        yield Balance("two steps of the posterior, one: mean and spread, relative", self.composed, 1e-9)
        yield Equilibrium("images carried to t = 1, prior (degraded images)", self.ends, self.starts, 1000)
        yield Reversal(
            f"degraded taken back by the exact field in {_STEPS} steps, pairs: their joint law",
            self.back,
            self.pairs,
        )
        yield Walk(
            f"pinned walk in {_WALK} random steps, closed-form law, at t = {_WHEN}", self.walk, self.between
        )
        yield Approach(
            "Σ = 0.04, 0.02, 0.01 against straight lines: the gap halves", self.gap, (0.04, 0.02, 0.01), 2.0
        )
