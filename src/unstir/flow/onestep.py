"""Euler and Heun on dx/dt = f x + g D."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from unstir.flow.solver import Coefficient, LinearPath, LinearSolver, combine
from unstir.flow.streams import Streams


@dataclass(frozen=True)
class Euler(LinearSolver):
    """First order: one evaluation a step."""

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        t, field, (f, g) = path.times, path.slices, path.drift
        for i in range(len(t) - 1):
            h = t[i + 1] - t[i]
            d = field[i](x, label)
            x = combine(x, 1 + h * f[i], (d, h * g[i]))
            yield x, d

    def evaluations(self, steps: int) -> int:
        return steps


@dataclass(frozen=True)
class Heun(LinearSolver):
    """Second order, Euler then the trapezoid: two evaluations a step (Karras 2022, algorithm 1)."""

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        t, field = path.times, path.slices
        for i in range(len(t) - 1):
            first, second = heun_coefficients(path, i, i + 1)
            d = field[i](x, label)
            euler = combine(x, first[0], (d, first[1]))
            d_next = field[i + 1](euler, label)
            x = combine(x, second[0], (d, second[1]), (d_next, second[2]))
            yield x, d_next

    def evaluations(self, steps: int) -> int:
        return 2 * steps - 1


def heun_coefficients(
    path: LinearPath, i: int, j: int
) -> tuple[tuple[Coefficient, Coefficient], tuple[Coefficient, Coefficient, Coefficient]]:
    """Of x and D_i in the Euler state, and of x, D_i and D_j in Heun's, from time i to time j."""
    f, g = path.drift
    h = path.times[j] - path.times[i]
    a, b = 1 + h * f[i], h * g[i]
    return (a, b), (1 + 0.5 * h * (f[i] + f[j] * a), 0.5 * h * (g[i] + f[j] * b), 0.5 * h * g[j])
