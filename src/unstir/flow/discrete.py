"""Coins backward in time: from rows of tossed coins to data, each coin drawn on its own given the whole row.

    ancestral      x_s ~ p(x_s | x_t), averaged over what the field knows of x_0 (Austin 2021, equation 4)
    tau_leaping    coins turn at the rates R̂ of x_t, held from t to s (Campbell 2022, section 4.2)

Both meet the exact reversal as steps grow: what they neglect is that coins of a row turn together. A coin
that would turn more than once within a leap turns once. The rates have no bound at either end, at T forward
and at 0 backward, so the first and the last leap are drawn as ancestral steps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from unstir.flow.solver import Path, Solver
from unstir.flow.streams import Streams
from unstir.physics.coins import CoinProcess

# (x, s, t, prediction) -> the law of x_s of each coin, float64 `(batch, *shape, symbols)`
StepLaw = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

_USUAL_STEPS = 40


class CoinSolver(Solver[CoinProcess]):
    """A walk over falling times, the last of them 0."""

    stochastic = True

    def walk(
        self, path: Path[CoinProcess], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for i, one in enumerate(path.slices[:-1]):
            prediction = one(x, label)
            # On the CPU, where there is float64 and the streams are.
            x = drawn(self.step_law(path, i, x.cpu(), prediction.cpu()), streams).to(x.device)
            yield x, prediction

    def step_law(self, path: Path[CoinProcess], i: int, x: Tensor, prediction: Tensor) -> Tensor:
        """The law of each coin one step on from the time at `i`, float64 `(batch, *shape, symbols)`."""
        t, s = (torch.full((len(x),), time, dtype=torch.float64) for time in path.times[i : i + 2])
        at_an_end = i in (0, len(path.times) - 2)
        law = path.process.posterior if at_an_end else self.law(path.process)
        return law(x, s, t, prediction.double())

    @abstractmethod
    def law(self, process: CoinProcess) -> StepLaw:
        """How a step between the ends is drawn."""

    def finish(self, path: Path[CoinProcess], x: Tensor, label: Tensor | None) -> Tensor:
        """The states at 0 as they are; before it the likeliest state of each coin."""
        return x if path.times[-1] == 0 else path.slices[-1](x, label).argmax(-1)

    def times(self, process: CoinProcess, steps: int) -> list[float]:
        """Evenly spaced, the last one 0, `steps` + 1 of them."""
        return torch.linspace(process.t_max, 0, steps + 1, dtype=torch.float64).tolist()

    def evaluations(self, steps: int) -> int:
        return steps

    def usual_steps(self, process: CoinProcess) -> int:
        return min(process.steps, _USUAL_STEPS)


@dataclass(frozen=True)
class AncestralCoins(CoinSolver):
    """Draw each coin from the way back averaged over x_0."""

    def law(self, process: CoinProcess) -> StepLaw:
        return process.posterior


@dataclass(frozen=True)
class TauLeaping(CoinSolver):
    """Let coins turn at the rates of the leap's beginning."""

    def law(self, process: CoinProcess) -> StepLaw:
        return partial(_leap, process)


def _leap(process: CoinProcess, x: Tensor, s: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
    rates = process.rates(x, t, prediction)
    leap = (t - s).to(rates).reshape(-1, *(1,) * x.ndim)
    total = rates.sum(-1, keepdim=True)
    turned = -torch.expm1(-leap * total)
    law = turned * rates / torch.where(total > 0, total, 1)
    return law.scatter(-1, x.unsqueeze(-1), 1 - turned)


def drawn(law: Tensor, streams: Streams) -> Tensor:
    """A state of each coin, by one number of its sample's own stream, int64 `(batch, *shape)`."""
    shape = law.shape[1:-1]
    uniform = streams.draw(lambda g: torch.rand((1, *shape), generator=g, dtype=torch.float64)).to(law.device)
    below = law.double().cumsum(-1)
    # Scaled by the sum, a state of no weight is never drawn, whatever the rounding.
    return (below <= uniform.unsqueeze(-1) * below[..., -1:]).sum(-1)
