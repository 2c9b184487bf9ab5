"""Multistep exponential solvers: the DPM-Solver++ family (Lu 2022) for any linear path, with a corrector.

In z = x/B the flow has no linear part: dz = D dρ with ρ = A/B. Between two times D is taken as the polynomial
through the last k evaluations, and its integral over ρ is exact:

    x' = (B'/B) x + B' Σ_j w_j D_j      w_j = ∫ ℓ_j dρ

The corrector (UniPC, Zhao 2023) redoes the last step with the evaluation that the next one needs anyway: one
order more at no further evaluation. The polynomial is in the noise-to-signal ratio B/A. DPM-Solver++ takes
it in λ = ln(A/B), where few and long steps extrapolate too far: on a mixture in 2-D ten steps then end 8
times as far from the true flow, twenty 1.3 times and forty 0.6 times (`benchmarks/solvers.py`). Nothing here
asks what law the noise has, so Poisson flow is served like diffusion. The steps lie where the process's own
`layout` puts them: ten are then worth twenty of even ones (`benchmarks/few_steps.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.flow.solver import Coefficient, LinearPath, LinearSolver, combine
from unstir.flow.streams import Streams
from unstir.physics import LinearProcess

_LARGEST_RATIO = 1e6  # stands in for B/A where A = 0


@dataclass(frozen=True)
class Multistep(LinearSolver):
    """One evaluation a step; the first steps use as many past evaluations as there are.

    Attributes:
        order: 1 (DDIM), 2 or 3 past evaluations; 0 for as many as suit the process.
        corrector: whether each state is corrected once the field is known there.
    """

    order: int = 0
    corrector: bool = True

    def __post_init__(self) -> None:
        if self.order not in (0, 1, 2, 3):
            raise InputError(
                f"order={self.order}: the multistep solver has orders 1, 2 and 3, and 0 for what suits"
            )

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        B, field = path.B, path.slices
        order = self.order or path.process.layout.order
        predict = weights(path, order, 0)
        correct = weights(path, order, 1) if self.corrector else None
        before, past = x, [field[0](x, label)]
        for i, row in enumerate(predict):
            if i:
                past = [field[i](x, label), *past[:order]]
                if correct:
                    x = combine(before, B[i] / B[i - 1], *zip(past, correct[i - 1], strict=False))
            before = x
            x = combine(x, B[i + 1] / B[i], *zip(past, row, strict=False))
            yield x, past[0]

    def times(self, process: LinearProcess, steps: int) -> list[float]:
        return process.few_times(steps).tolist()

    def evaluations(self, steps: int) -> int:
        return steps


def weights(path: LinearPath, order: int, ahead: int) -> list[list[Coefficient]]:
    """B' w_j of each step, newest evaluation first: `order` past ones, and `ahead` (0 or 1) at its end.

    The integral is Gauss–Legendre's with 16 nodes: exact to rounding for any step that is of use, without the
    cancellation of a closed form at small steps. It runs over λ = ln(A/B); where heat damps the modes, over
    the time, with dρ_k = (g_k/B) dt.
    """
    known, nodes, measure = _modes_measure(path) if path.process.damping else _measure(path)
    steps, rows = len(nodes), list[list[Coefficient]]()
    for first in range(min(order, steps)):
        # Steps before `order` have a history of their own length; the rest share one shape.
        which = np.arange(first, steps if first == order - 1 else first + 1)
        past = known[which[:, None] + ahead - np.arange(first + 1 + ahead)]
        row = []
        for j in range(past.shape[1]):
            others = np.delete(past, j, 1)
            lagrange = (nodes[which, :, None] - others[:, None]) / (past[:, j, None, None] - others[:, None])
            one = torch.from_numpy(lagrange.prod(2))
            row.append(torch.einsum("sq,sq...->s...", one, measure[which]))
        if path.process.damping is None:
            rows += torch.stack(row, 1).tolist()
        else:
            rows += [list(step) for step in zip(*(one[:, None] for one in row), strict=True)]
    return rows


def _measure(path: LinearPath) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """B/A at the times, at the nodes between, and B' dρ there, `(steps, nodes)`."""
    ratio = np.minimum(np.asarray(path.ratio), _LARGEST_RATIO)
    unit, weight = np.polynomial.legendre.leggauss(16)
    start, stop = -np.log(ratio[:-1, None]), -np.log(ratio[1:, None])
    level = start + 0.5 * (stop - start) * (unit + 1)
    # dρ = e^λ dλ, taken relative to the step's end: B' e^{λ'} = A'.
    end = np.asarray(path.process.A(torch.tensor(path.times[1:], dtype=torch.float64)))
    measure = weight * np.exp(level - stop) * 0.5 * (stop - start) * end[:, None]
    return ratio, np.exp(-level), torch.from_numpy(measure)


def _modes_measure(path: LinearPath) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """What tells the times apart, at the times and at the nodes between, and B' dρ of each mode there."""
    process, clock = path.process, torch.tensor(path.times, dtype=torch.float64)
    unit, weight = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(16))
    start, stop = clock[:-1, None], clock[1:, None]
    t = start + 0.5 * (stop - start) * (unit + 1)
    _, g = process.drift(t, path.shape)
    factor = weight * 0.5 * (stop - start) * process.B(stop) / process.B(t)
    measure = factor.reshape(*t.shape, *(1,) * len(path.shape)) * g
    return process.progress(clock).numpy(), process.progress(t).numpy(), measure
