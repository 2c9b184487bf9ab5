"""Stochastic solvers of Langevin diffusion: Euler–Maruyama, and the symmetric splitting of Dockhorn 2022, section 4.

Backward in time, with s the score in v,

    dx = −β v/M dt        dv = β (x + Γ v/M + 2 Γ s) dt + √(2 Γ β) dw

Euler–Maruyama takes it as it is. The splitting notes that with v turned round, most of it is the forward process
once more, whose law after a time h is known exactly; what remains vanishes at equilibrium:

    A(h):  (x, −v) → Φ(βh) (x, −v) + L n        S(h):  v → v + 2 Γ β h (s + v/M)        step: A(h/2) S(h) A(h/2)
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.flow.solver import Path, Solver
from unstir.flow.streams import Streams
from unstir.physics.langevin import LangevinProcess, apply


class LangevinSolver(Solver[LangevinProcess]):
    """A stochastic solver in phase space; it ends with E[y | u]."""

    stochastic = True

    def walk(
        self, path: Path[LangevinProcess], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(len(path.times) - 1):
            x, prediction = self.step(path, i, x, streams, label)
            yield x, prediction

    @abstractmethod
    def step(
        self, path: Path[LangevinProcess], i: int, x: Tensor, streams: Streams, label: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The states at time i + 1 from those at time i, and the field's last answer."""

    def finish(self, path: Path[LangevinProcess], x: Tensor, label: Tensor | None) -> Tensor:
        """The mean of the data that states tell of, at rest."""
        prediction = path.slices[-1](x, label)
        data = path.process.denoised(x, _batch(path.times[-1], x), prediction)
        return torch.cat([data, torch.zeros_like(data)], 1)

    def times(self, process: LangevinProcess, steps: int) -> list[float]:
        return process.times(steps + 1)[:-1].tolist()

    def evaluations(self, steps: int) -> int:
        return steps


@dataclass(frozen=True)
class Maruyama(LangevinSolver):
    """Euler–Maruyama on the backward process: the simplest, and slow to converge."""

    def step(
        self, path: Path[LangevinProcess], i: int, x: Tensor, streams: Streams, label: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        process, h = path.process, path.times[i] - path.times[i + 1]
        prediction = path.slices[i](x, label)
        score = process.score(_batch(path.times[i], x), prediction)
        position, v = x.chunk(2, 1)
        push = position + process.friction * (v / process.mass + 2 * score)
        # One draw more than is needed: the numbers of both halves belong to a state.
        noise = streams.normal(x)[0].chunk(2, 1)[1]
        scale = math.sqrt(2 * process.friction * process.beta * h)
        v_next = v + process.beta * h * push + scale * noise
        return torch.cat([position - process.beta * h / process.mass * v, v_next], 1), prediction


@dataclass(frozen=True)
class Splitting(LangevinSolver):
    """Symmetric splitting (SSCS): the bath exactly, and the field at the middle of each step."""

    def step(
        self, path: Path[LangevinProcess], i: int, x: Tensor, streams: Streams, label: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        process, h = path.process, path.times[i] - path.times[i + 1]
        middle = path.times[i] - 0.5 * h
        position, v = self._bath(process, 0.5 * h, x, streams).chunk(2, 1)
        state = torch.cat([position, v], 1)
        prediction = path.field.at(middle)(state, label)
        score = process.score(_batch(middle, x), prediction)
        v = v + 2 * process.friction * process.beta * h * (score + v / process.mass)
        return self._bath(process, 0.5 * h, torch.cat([position, v], 1), streams), prediction

    @staticmethod
    def _bath(process: LangevinProcess, h: float, x: Tensor, streams: Streams) -> Tensor:
        mean, root = process.transition(torch.tensor([h], dtype=torch.float64))
        turn = torch.tensor([1.0, -1.0], dtype=torch.float64)
        size = (len(x), 2, 2)
        flow, spread = turn[:, None] * mean * turn, turn[:, None] * root
        return apply(flow.expand(size), x) + apply(spread.expand(size), streams.normal(x)[0])


def _batch(t: float, x: Tensor) -> Tensor:
    return torch.full((len(x),), t, dtype=torch.float64, device=x.device)
