"""Coins: how many of a row show heads, from two peaks of data to the bell of fair tosses.

By the law of each coin the number of heads is a sum of two binomials. With h heads in a row of n at first,

    heads_t = Bin(h, ᾱ + (1 − ᾱ)/2) + Bin(n − h, (1 − ᾱ)/2)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from matplotlib.figure import Figure
from scipy.stats import binom
from torch import Tensor

from unstir.physics import CoinProcess, FairToss
from unstir.picture.canvas import BLUE, GREY, RED, canvas
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

COINS = 64
# Rows of 6 heads and rows of 54, and the share of each.
PEAKS = ((6, 0.6), (54, 0.4))
_TIMES = (0.0, 0.15, 0.4, 0.7, 1.0)


def heads(
    process: CoinProcess, t: float, coins: int = COINS, peaks: Sequence[tuple[int, float]] = PEAKS
) -> Tensor:
    """P(number of heads at t), float64 `(coins + 1,)`, of rows that at first show heads as in `peaks`."""
    kept = float(process.signal(torch.tensor(t, dtype=torch.float64)))
    number = torch.arange(coins + 1).numpy()
    total = torch.zeros(coins + 1, dtype=torch.float64)
    for first, share in peaks:
        up = torch.from_numpy(binom.pmf(number, first, kept + 0.5 * (1 - kept)))
        down = torch.from_numpy(binom.pmf(number, coins - first, 0.5 * (1 - kept)))
        total += (
            share * torch.conv1d(up[None, None], down.flip(0)[None, None], padding=coins)[0, 0, : coins + 1]
        )
    return total


def bell(coins: int = COINS) -> Tensor:
    """The law of fair tosses, `(coins + 1,)`."""
    return torch.from_numpy(binom.pmf(torch.arange(coins + 1).numpy(), coins, 0.5))


class Bell(Picture):
    """Histograms of the number of heads, one moment over the other."""

    name: ClassVar[str] = "bell"

    def fits(self, scene: Scene) -> bool:
        process = scene.bare
        return isinstance(process.toss, FairToss) and process.states == 2

    def draw(self, scene: Scene) -> Figure:
        process: CoinProcess = scene.bare
        figure = canvas(3.2, 1.8)
        for i, share in enumerate(_TIMES):
            axes = figure.add_axes((0.02, 0.1 + 0.176 * (len(_TIMES) - 1 - i), 0.96, 0.172))
            law = heads(process, share * process.t_max)
            axes.bar(range(COINS + 1), (law / law.max()).tolist(), width=0.85, color=BLUE)
            if share == 1.0:
                axes.plot((bell() / bell().max()).tolist(), color=RED, linewidth=0.8)
            axes.text(
                COINS + 1, 0.75, f"t = {share * process.t_max:.0f}", fontsize=5.5, color=GREY, ha="right"
            )
            axes.set(xlim=(-1, COINS + 1), ylim=(0, 1.08))
            axes.axis("off")
        text = f"heads among {COINS} coins, from 0 to {COINS}; red: fair tosses"
        figure.text(0.5, 0.02, text, fontsize=6, color=GREY, ha="center")
        return figure
