"""Solvers of dx/dt = v(x, t) for any process that says what its velocity is: Euler, Heun, Dormand–Prince.

They serve the processes with a law of their own. Of n steps the last one goes to t_min by Euler's rule, so
that no velocity is asked for at t_min itself, where many a one is 0/0.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.flow.grouped import check_tolerances, dormand_prince, in_groups
from unstir.flow.solver import Path, Solver
from unstir.flow.streams import Streams
from unstir.physics import FlowProcess

# Numbers that are solved together; fixed, since the steps chosen depend on all of them.
_GROUP = 16384
# The adaptive solver leaves the last of so many steps to Euler.
_FINE = 1000


class VelocitySolver(Solver[FlowProcess]):
    """A solver that sees a process by its velocity alone."""

    def finish(self, path: Path[FlowProcess], x: Tensor, label: Tensor | None) -> Tensor:
        """The state at t_min, one Euler step on, where the times end above it."""
        h = path.process.t_min - path.times[-1]
        return x + h * velocity(path, -1, x, label)[0] if h < 0 else x


class FixedSteps(VelocitySolver):
    """The same times for every sample: the process's own, or evenly spaced ones."""

    def walk(
        self, path: Path[FlowProcess], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(len(path.times) - 1):
            x, prediction = self.step(path, i, x, label)
            yield x, prediction

    @abstractmethod
    def step(self, path: Path[FlowProcess], i: int, x: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """The state at time i + 1 from that at time i, and the field's last answer."""

    def times(self, process: FlowProcess, steps: int) -> list[float]:
        return spaced(process, steps)


@dataclass(frozen=True)
class VelocityEuler(FixedSteps):
    """First order: one evaluation a step."""

    def step(self, path: Path[FlowProcess], i: int, x: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        v, prediction = velocity(path, i, x, label)
        return x + (path.times[i + 1] - path.times[i]) * v, prediction

    def evaluations(self, steps: int) -> int:
        return steps


@dataclass(frozen=True)
class VelocityHeun(FixedSteps):
    """Second order, Euler then the trapezoid: two evaluations a step, and one for the last."""

    def step(self, path: Path[FlowProcess], i: int, x: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        h = path.times[i + 1] - path.times[i]
        v, _ = velocity(path, i, x, label)
        v_next, prediction = velocity(path, i + 1, x + h * v, label)
        return x + 0.5 * h * (v + v_next), prediction

    def evaluations(self, steps: int) -> int:
        return 2 * steps - 1


@dataclass(frozen=True)
class VelocityAdaptive(VelocitySolver):
    """torchdiffeq's Dormand–Prince: steps as small as the tolerance asks, and Euler for the last thousandth.

    Samples are solved in whole groups whose size depends on their shape alone, so that a sample does not
    depend on how many others were wanted. `steps` says only how many states are told of on the way.

    Attributes:
        rtol: relative tolerance, of the worst sample in the group.
        atol: absolute tolerance, in units of the state.
    """

    rtol: float = 1e-4
    atol: float = 1e-4

    def __post_init__(self) -> None:
        check_tolerances(self.rtol, self.atol)

    def walk(
        self, path: Path[FlowProcess], x: Tensor, streams: Streams, label: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if len(path.times) < 2:
            return
        solved = in_groups(self.group(x.shape[1:]), x, label, lambda xs, ls: self._solve(path, xs, ls))
        for i in range(1, len(path.times)):
            state = solved[i]
            yield state, path.slices[i](state, label)

    def _solve(self, path: Path[FlowProcess], x: Tensor, label: Tensor | None) -> Tensor:
        # Time runs on as −t. The guess of a first step may look beyond the end.
        clock = -torch.tensor(path.times, dtype=torch.float64)

        def slope(s: Tensor, state: Tensor) -> Tensor:
            time = -float(s.clamp(clock[0], clock[-1]))
            return -velocity(Path(path.process, path.field, [time]), 0, state, label)[0]

        return dormand_prince(slope, x, clock, self.rtol, self.atol)

    def times(self, process: FlowProcess, steps: int) -> list[float]:
        end = spaced(process, _FINE)[-1]
        return torch.linspace(process.t_max, end, steps, dtype=torch.float64).tolist()

    def evaluations(self, steps: int) -> None:
        return None

    def group(self, shape: Sequence[int]) -> int:
        # A power of two: the group of a state then divides that of the data within it.
        return 1 << min(max(int(math.log2(_GROUP / math.prod(shape))), 4), 10)


def velocity(path: Path[FlowProcess], i: int, x: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
    """dx/dt at the path's i-th time, and the field's answer that it is made of."""
    prediction = path.slices[i](x, label)
    t = torch.full((len(x),), path.times[i], dtype=torch.float64, device=x.device)
    return path.process.velocity(x, t, prediction), prediction


def spaced(process: FlowProcess, steps: int) -> list[float]:
    """Where `steps` steps begin, spaced as the process says; the last of them ends at t_min."""
    return process.times(steps + 1)[:-1].tolist()
