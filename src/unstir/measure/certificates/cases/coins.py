"""The case of coins: a few of them, so that every state can be listed and every law is a vector.

Every coin is tossed at the rate 1/(T − t), whatever the others show: the master equation is

    dp(x)/dt = 1/(T − t) Σ_c [π(x_c) Σ_j p(x with x_c = j) − p(x)]

The prior's way back is a matrix too, p(x_s | x_t) of each coin times those of the others, step by step. The
relative entropy to what the same tosses make of fair data never rises; where tosses are fair that is to say
that the entropy never falls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unstir.fields import ExactCoins
from unstir.flow.enumeration import all_rows
from unstir.measure.certificates.case import Case, filled
from unstir.measure.certificates.check import Check
from unstir.measure.certificates.conservation import Balance
from unstir.measure.certificates.limits import Meeting
from unstir.measure.certificates.microscopic import Tally
from unstir.measure.certificates.samelaw import Equilibrium, ExactReversal
from unstir.measure.certificates.secondlaw import ExactSecondLaw
from unstir.measure.certificates.statistics import two_counts
from unstir.physics import CoinProcess

_MOST = 300  # states in all
_BACK = 400  # steps of the way back
_TOSSED = 0.5  # of the clock, where particles are counted


@dataclass(frozen=True)
class CoinCase(Case[CoinProcess]):
    """Up to three coins whose data are four items of unequal shares."""

    @cached_property
    def coins(self) -> int:
        """How many: as few as keep the list short."""
        return next((n for n in (3, 2) if self.process.toss.symbols**n <= _MOST), 1)

    @cached_property
    def states(self) -> Tensor:
        """All that the coins can show together, `(states, coins)`."""
        return all_rows(self.process.toss.symbols, (self.coins,))

    @cached_property
    def data(self) -> Tensor:
        """Four items, two alike where there is one coin of two states."""
        K = self.process.states
        items = torch.tensor([[0, 0, 0], [0, 1, 1], [1, 1, 0], [K - 1, 0, K - 1]])
        return items[:, : self.coins]

    @cached_property
    def shares(self) -> Tensor:
        """Of the items."""
        return torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)

    def law(self, t: float) -> Tensor:
        """p_t of every state."""
        x = self.states
        return self.process.log_kernel(x, self.data, filled(x, t)).exp() @ self.shares

    def fair(self, t: float) -> Tensor:
        """What the same tosses make of data that are all alike likely."""
        x = self.states
        every = all_rows(self.process.states, (self.coins,))
        return self.process.log_kernel(x, every, filled(x, t)).exp().mean(1)

    def residual(self) -> float:
        """Of the master equation, relative, over a few times."""
        worst = 0.0
        T = self.process.t_max
        for share in (0.1, 0.5, 0.9):
            t, h = share * T, 1e-3 * T
            far = self.law(t + 2 * h) - self.law(t - 2 * h)
            slope = (8 * (self.law(t + h) - self.law(t - h)) - far) / (12 * h)
            right = self._generator(self.law(t)) / (T - t)
            worst = max(worst, float((slope - right).abs().max() / slope.abs().max()))
        return worst

    def _generator(self, p: Tensor) -> Tensor:
        """Σ over coins of what tossing that one does to p."""
        symbols, pi = self.process.toss.symbols, self.process.toss.law
        p = p.reshape((symbols,) * self.coins)
        change = torch.zeros_like(p)
        for axis in range(self.coins):
            shape = [1] * self.coins
            shape[axis] = symbols
            change = change + p.sum(axis, keepdim=True) * pi.reshape(shape) - p
        return change.flatten()

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Data carried to T."""
        y = self.data[torch.multinomial(self.shares, n, replacement=True, generator=generator)]
        return self.process.perturb(y, filled(y, self.process.t_max), generator)

    def missed(self) -> float:
        """Total variation between the prior taken back by the exact field and the data."""
        field, process, x = ExactCoins(self.process, self.data, self.shares), self.process, self.states
        T = process.t_max
        p = process.toss.law[x].prod(1)
        for i in range(_BACK, 0, -1):
            t, s = filled(x, T * i / _BACK), filled(x, T * (i - 1) / _BACK)
            each = process.posterior(x, s, t, field(x, t))
            # Of all coins at once: from every state to every other.
            to = each[:, torch.arange(self.coins), x].prod(2) if self.coins > 1 else each[:, 0, x[:, 0]]
            p = p @ (
                to / to.sum(1, keepdim=True).clamp_min(1e-300)
            )  # states that never come have no way back
        return 0.5 * float((p - self.law(0.0)).abs().sum())

    def toss(self, n: int, generator: torch.Generator) -> Tensor:
        """Counts of n sets of coins, tossed by chance β_t = 1/(T − t + 1) at t = 1, 2, …, `(states,)`."""
        T = self.process.steps
        x = self.data[torch.multinomial(self.shares, n, replacement=True, generator=generator)]
        for t in range(1, round(_TOSSED * T) + 1):
            chosen = torch.rand(x.shape, generator=generator) < 1 / (T - t + 1)
            x[chosen] = self.process.toss.draw((int(chosen.sum()),), generator)
        powers = self.process.toss.symbols ** torch.arange(self.coins - 1, -1, -1)
        return torch.bincount(x @ powers, minlength=len(self.states))

    def information(self, t: float) -> float:
        """Relative entropy of p_t to what comes of fair data, nats."""
        p, q = self.law(t), self.fair(t)
        return float((torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum())

    def rate_gap(self) -> float:
        """How far the posterior over a short step is from the rate back times the step, relative."""
        process, x = self.process, self.states
        t, step = filled(x, 0.5 * process.t_max), process.t_max / 4000
        field = ExactCoins(process, self.data, self.shares)(x, t)
        short = process.posterior(x, t - step, t, field)
        shown = torch.nn.functional.one_hot(x, process.toss.symbols)
        rate = process.rates(x, t, field)
        gap = (short / short.sum(-1, keepdim=True).clamp_min(1e-300) * (1 - shown) / step - rate).abs()
        come = self.law(float(t[0])) > 1e-12
        return float(gap[come].max() / rate[come].max())

    def checks(self) -> Iterator[Check]:
        process, T = self.process, self.process.t_max
        middle = round(_TOSSED * process.steps)
        yield Balance(
            f"master equation of {self.coins} coins, all {len(self.states)} states, at 3 times",
            self.residual,
            1e-8,
        )
        yield Equilibrium(
            "data tossed to T, prior: how often each state comes",
            self.draw,
            lambda n, g: process.prior(n, (self.coins,), g),
            test=two_counts,
        )
        yield ExactReversal(
            f"prior taken back by the exact posterior in {_BACK} steps, data: total variation",
            self.missed,
            5e-3,
        )
        yield ExactSecondLaw(
            "relative entropy to the same tosses of fair data never rises",
            self.information,
            [T * i / 50 for i in range(50)],
        )
        yield Tally(
            f"coins tossed one by one, closed-form probabilities, at t = {middle}",
            self.toss,
            lambda: self.law(float(middle)),
        )
        yield Meeting(
            "posterior over T/4000, rate back in continuous time, relative",
            self.rate_gap,
            2e-3,  # the next order is the step over what is left of the clock, 5e-4
        )
