"""Consistency sampling: to the end of the flow, back into the noise, and again (Song 2023, algorithm 1).

    x̂ = f(x_t, t)      x_s = A_s x̂ + B_s ε      ε anew in the process's own law, W with it

x̂ has the data's law and ε has seen nothing of it, so x_s has the law of the path at s exactly, for any law
of noise. What is left of x_t's noise, (x_t − A x̂)/B, would not do: it is what x̂ was made of. Nor would the
old W, of which x̂ may tell.

Where the prior is blurred data (`LinearProcess.told`) a state tells its coarse modes already. Drawn anew
about x̂ they would take on the errors of each answer. So mode k keeps the share c of its noise,
r = (x_t − A x̂)/B:

    x_s = A_s x̂ + B_s (c r + √(1 − c²) ε)      c = A_t² S_k/(A_t² S_k + B_t²)

S_k being the variance of the data's mode, and c how much of the mode's own variance x_t explains. With c = 1
it is a step of the flow with x̂ for the denoiser, with c = 0 the line above. This law is not exact: where a
mode is normal and f exact it has 2c √S (√V − A √S)(A_s − cA) too much variance, V = A²S + B²: nothing at
c = 0, and little beside V_s where c is near 1. It is worth it while f errs by more
(`benchmarks/consistency.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.flow.solver import LinearPath, LinearSolver, combine
from unstir.flow.streams import Streams
from unstir.physics import LinearProcess

# The clock of teachers' trajectories, which leaps from the prior to B/A = 4, and how many of its times, from
# the prior on, a student learns at. A run is asked at these for ever: they are no option. Going back to high
# noise is best: what an evaluation leaves out is drawn anew, and does not add up.
CLOCK, _LEAP = 10, 4.0
LEVELS = 6


def clock(process: LinearProcess) -> list[float]:
    """The falling times of a teacher's trajectories."""
    return process.times(CLOCK, jump=_LEAP).tolist()


@dataclass(frozen=True)
class Consistency(LinearSolver):
    """One evaluation a step, each of which ends at data."""

    stochastic = True

    def step(
        self, path: LinearPath, x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        process, basis = path.process, path.process.basis
        for i in range(len(path.times) - 1):
            end = path.slices[i](x, label)
            noise = streams.draw(partial(process.noise.draw, 1, path.shape, dtype=x.dtype)).to(x.device)
            fresh = basis.coordinates(noise)
            told = process.told(torch.tensor(path.times[i], dtype=torch.float64), path.shape)
            if told is not None:
                left = combine(x, 1 / path.B[i], (end, -path.A[i] / path.B[i]))
                fresh = combine(left, told, (fresh, (1 - told.square()).sqrt()))
            x = combine(end, path.A[i + 1], (fresh, path.B[i + 1]))
            yield x, end

    def times(self, process: LinearProcess, steps: int) -> list[float]:
        """The first of the times that it learned at; after blurred data, the first two and the last of them.

        Answers from a small blur mend most: `docs/consistency.md`.

        Raises:
            InputError: more steps than there are places.
        """
        if steps > LEVELS:
            raise InputError(f"steps={steps}: a consistency field takes 1 to {LEVELS} steps")
        known = clock(process)[:LEVELS]
        near = max(0, steps - 2) if process.prior_holds_data else 0
        return known[: steps - near] + known[LEVELS - near :]

    def evaluations(self, steps: int) -> int:
        return steps

    def usual_steps(self, process: LinearProcess) -> int:
        return 2
