"""Consistency sampling: to the end of the flow, back to where the same flow passes less noise, and again.

    x̂ = f(x_t, t)      x_s = u_s + κ (x̂ − e)

The skip path of a consistency field has a flow of its own: from x_t it passes u_s and ends in e. So the state
at s of the flow that ends in x̂ is known but for a small part, κ (x̂ − e) (`ConsistencyField.leap`). The last
answer is the sample. Nothing is drawn: with any number of evaluations a sample is a function of its prior
draw, and nearly the teacher's own.

Song 2023 (algorithm 1) draws the noise anew, x_s = A_s x̂ + B_s ε. That law is exact where the law of x̂ is.
But the answers of a field that was trained for a minute vary a little too little, what is put into noise anew
loses variance again at each evaluation, and modes that the noise leaves alone keep what an answer had wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from unstir.errors import InputError
from unstir.fields import ConsistencyField
from unstir.flow.solver import Path, Solver
from unstir.flow.streams import Streams
from unstir.physics import LinearProcess

# Evaluations of a teacher's trajectory, and at how many of its times, from the prior on, a student learns. A
# run is asked at these for ever: they are no option.
CLOCK = 10
LEVELS = 6
# In what order more evaluations use them: answers at the last two err least, but vary too little.
_PLACES = (0, 3, 2, 1, 4, 5)


def clock(process: LinearProcess) -> list[float]:
    """The falling times of a teacher's trajectories."""
    return process.few_times(CLOCK).tolist()


@dataclass(frozen=True)
class Consistency(Solver[LinearProcess]):
    """One evaluation a step, each of which ends at data."""

    def walk(
        self, path: Path[LinearProcess], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        field = path.field
        if not isinstance(field, ConsistencyField):
            raise InputError("solver consistency: is for a run of objective consistency; give multistep")
        for t, s in zip(path.times, path.times[1:], strict=False):
            end, x = field.leap(x, t, s, label)
            yield x, end

    def finish(self, path: Path[LinearProcess], x: Tensor, label: Tensor | None) -> Tensor:
        return path.field.at(path.times[-1])(x, label)

    def times(self, process: LinearProcess, steps: int) -> list[float]:
        """Of the times that it learned at, from the prior's on.

        Raises:
            InputError: more steps than there are places.
        """
        if steps > LEVELS:
            raise InputError(f"steps={steps}: a consistency field takes 1 to {LEVELS} steps")
        known = clock(process)
        # A blur comes off all along its clock: the state after a leap over levels is known less well.
        order = range(LEVELS) if process.prior_holds_data else _PLACES
        return [known[place] for place in sorted(order[:steps])]

    def evaluations(self, steps: int) -> int:
        return steps

    def usual_steps(self, process: LinearProcess) -> int:
        return 2
