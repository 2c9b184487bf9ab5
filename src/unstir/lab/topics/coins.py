"""Coins by the thousand: rows tossed anew, coin by coin, and how many heads each shows. `{"kind": "coins"}`.

Each row has so many heads at first, at places by chance, so that every row with as many heads is as likely.
By the law of each coin that stays so, and what the rows are like is all in the number of heads m:

    P_t(m): two binomials for each peak (`picture.coins.heads`), at last the bell Bin(n, ½) ≈ N(n/2, n/4)
    H_t = Σ_m P_t(m) [log₂ C(n, m) − log₂ P_t(m)]      bits, from what the data are worth to n

Backward, coins turn as the exact posterior of the rows at the beginning says (`ExactCoins`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field as Bounded
from pydantic import model_validator
from torch import Tensor

from unstir import flow, physics
from unstir.errors import InputError
from unstir.fields import ExactCoins
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.points import LIMITS
from unstir.lab.requests import Request
from unstir.physics import CoinProcess
from unstir.picture.coins import bell, heads

_SHOWN = 24  # rows that are sent coin by coin
_KNOWN = 400  # rows whose posterior is the way back
_COARSE = 300
_BACK = 100_000  # coins that are turned back, of all rows together

Peak = tuple[Annotated[int, Bounded(ge=0, le=256)], Annotated[float, Bounded(gt=0, le=1)]]


class Moment(NamedTuple):
    """Rows of coins at one time.

    Attributes:
        time: on the process's clock.
        heads: of each row, `(rows,)`.
        shown: the first rows, bits uint8 `(24, coins)`.
    """

    time: float
    heads: Tensor
    shown: Tensor


def _moment(time: float, rows: Tensor) -> Moment:
    return Moment(time, rows.sum(1), rows[:_SHOWN].to(torch.uint8))


def first_rows(coins: int, rows: int, peaks: Sequence[tuple[int, float]], seed: int) -> Tensor:
    """Rows of the data, bits `(rows, coins)`: the peaks by their shares, heads at places by chance."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.tensor([share for _, share in peaks], dtype=torch.float64)
    edges = (shares / shares.sum()).cumsum(0)
    # Shares are kept to within one row: what is seen is the coins' chance, not the choice of rows.
    place = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    number = torch.tensor([first for first, _ in peaks])[
        torch.searchsorted(edges, place).clamp_max(len(peaks) - 1)
    ]
    rank = torch.rand(rows, coins, generator=generator).argsort(1).argsort(1)
    return (rank < number[:, None]).long()[torch.randperm(rows, generator=generator)]


def tossed(process: CoinProcess, first: Tensor, frames: int, seed: int) -> Iterator[Moment]:
    """The rows forward, the same coins tossed with the same outcome at every later moment too."""
    for time in torch.linspace(process.t_min, process.t_max, frames, dtype=torch.float64).tolist():
        t = torch.full((len(first),), time, dtype=torch.float64)
        yield _moment(time, process.perturb(first, t, torch.Generator().manual_seed(seed)))


def untossed(process: CoinProcess, known: Tensor, rows: int, frames: int, seed: int) -> Iterator[Moment]:
    """Fair rows taken back by the exact posterior of the `known` ones."""
    streams = flow.Streams(seed, 0, rows)
    x = streams.draw(lambda g: process.prior(1, known.shape[1:], g))
    field = ExactCoins(process, known)
    for step in flow.trajectory(process, field, x, steps=frames - 1, streams=streams, denoise=False):
        yield _moment(step.time, step.state)


def entropy(law: Tensor) -> float:
    """H in bits of rows whose number of heads has this law `(coins + 1,)`, all rows of a number alike."""
    n = len(law) - 1
    number = torch.arange(n + 1, dtype=torch.float64)
    ways = math.lgamma(n + 1) - torch.lgamma(number + 1) - torch.lgamma(n - number + 1)
    nats = law * ways - torch.xlogy(law, law)
    return float(nats.sum()) / math.log(2)


class Coins(Request):
    """Tosses coins.

    Attributes:
        coins: in a row.
        rows: how many; backward fewer, where that would be more than 100,000 coins.
        peaks: numbers of heads that rows show at first, each with its share.
        frames: moments.
        direction: forward to fair coins, or backward from them.
        seed: of all tosses.
    """

    lasting: ClassVar[bool] = True

    kind: Literal["coins"]
    coins: Annotated[int, Bounded(ge=8, le=256)] = 64
    rows: Annotated[int, Bounded(ge=1, le=5000)] = 3000
    peaks: Annotated[list[Peak], Bounded(min_length=1, max_length=6)] = Bounded(default=[(6, 0.6), (54, 0.4)])
    frames: Annotated[int, Bounded(ge=2, le=LIMITS.frames)] = 41
    direction: Literal["forward", "backward"] = "forward"
    seed: Annotated[int, Bounded(ge=0, le=2**31 - 1)] = 0

    @model_validator(mode="after")
    def _fits(self) -> Coins:
        for number, _ in self.peaks:
            if number > self.coins:
                raise ValueError(f"peaks: {number} heads of {self.coins} coins; give at most as many")
        return self

    def answer(self, context: Context) -> Iterator[Answer]:
        process = physics.parse("coins")
        if not isinstance(process, CoinProcess):
            raise TypeError("coins: are no coins any more")
        backward = self.direction == "backward"
        rows = min(self.rows, _BACK // self.coins) if backward else self.rows
        if rows > _COARSE and backward:
            yield self._stage(process, context, _COARSE, done=False)
        yield self._stage(process, context, rows, done=True)

    def _stage(self, process: CoinProcess, context: Context, rows: int, *, done: bool) -> Answer:
        total = sum(share for _, share in self.peaks)
        peaks = [(number, share / total) for number, share in self.peaks]
        if self.direction == "forward":
            first = first_rows(self.coins, rows, peaks, self.seed)
            walk = tossed(process, first, self.frames, self.seed + 1)
        else:
            known = first_rows(self.coins, _KNOWN, peaks, self.seed)
            walk = untossed(process, known, rows, self.frames, self.seed + 1)
        found = list[Moment]()
        for moment in walk:
            context.check()
            found.append(moment)
        laws = torch.stack([heads(process, moment.time, self.coins, peaks) for moment in found])
        counts = torch.stack([torch.bincount(moment.heads, minlength=self.coins + 1) for moment in found])
        number = torch.arange(self.coins + 1, dtype=torch.float64)
        normal = (
            torch.exp(-2 * (number - self.coins / 2) ** 2 / self.coins) * (2 / (math.pi * self.coins)) ** 0.5
        )
        if not torch.isclose(laws.sum(1), torch.ones(()).double()).all():
            raise InputError("peaks: their shares give no law; give positive ones")
        arrays = {
            "times": torch.tensor([moment.time for moment in found]),
            "counts": counts,
            "law": laws,
            "bell": bell(self.coins),
            "normal": normal,
            "rows": torch.stack([moment.shown for moment in found]),
            "entropy": torch.tensor([entropy(law) for law in laws]),
            "distance": 0.5 * (counts / rows - laws).abs().sum(1),
        }
        return Answer({"process": process.name, "rows": rows, "coins": self.coins}, arrays, done)
