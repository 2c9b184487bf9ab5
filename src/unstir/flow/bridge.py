"""Across a bridge, from degraded to clean: the posterior between two times, with x₀ guessed anew at each.

    x_s = (1 − s/t) D(x_t) + (s/t) x_t + Σ √(s (t − s)/t) n        (Liu 2023, algorithm 2)

With the noise it draws one of the images that the degraded one may come of; without (the paper's `ot_ode`) it
comes to a mean of them, which is smoother and nearer in squares.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unstir.flow.solver import Path, Solver
from unstir.flow.streams import Streams
from unstir.physics import Bridge


class BridgeSolver(Solver[Bridge]):
    """Steps between the process's own times."""

    def walk(
        self, path: Path[Bridge], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(len(path.times) - 1):
            at, start = x.chunk(2, 1)
            clean = path.slices[i](x, label)
            at, deviation = path.process.posterior(at, clean, path.times[i], path.times[i + 1])
            if self.stochastic:
                at = at + deviation * streams.normal(at)[0]
            x = torch.cat([at, start], 1)
            yield x, clean

    def finish(self, path: Path[Bridge], x: Tensor, label: Tensor | None) -> Tensor:
        clean = path.slices[-1](x, label)
        return torch.cat([clean, x[:, clean.shape[1] :]], 1)

    def times(self, process: Bridge, steps: int) -> list[float]:
        return process.times(steps).tolist()

    def evaluations(self, steps: int) -> int:
        return steps


class Posterior(BridgeSolver):
    """One of the clean images that a degraded one may come of."""

    stochastic = True


class Mean(BridgeSolver):
    """The same steps without noise."""
