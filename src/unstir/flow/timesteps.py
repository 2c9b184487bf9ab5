"""Time steps for one field: where K steps of a solver end nearest to its converged flow.

On the clock s in [0, 1] on which the process's own times are even, the k-th of K times lies at

    s_k = e_1 + … + e_k     k < K,     e = softmax(θ), with what is left of it, e_K, for the way to t_min

so that times fall whatever θ is, the first is t_max, and the last may lie a little before t_min. For some
prior draws x the flow is solved with many steps once, to x*. What K steps miss,

    r(θ) = x_K(θ) − x*      cost = c² mean ln(1 + ‖r_i‖²/c²),     c = 3 median ‖r_i‖

is a smooth function of K − 1 numbers, and a sum of squares but for the logarithm, which lets a draw at a
watershed that ends elsewhere count little. So it falls by Gauss–Newton: θ' = θ − (JᵀWJ + μ diag)⁻¹ JᵀWr,
with W = 1/(1 + ‖r‖²/c²) a draw and J by differences, a solution of K steps for each column. It begins at the
best of a few layouts. Nothing is asked of solver and process but times; no gradient of the field is needed.

Others choose times by a bound on the error (Xue 2024, DMN), by the curvature of some trajectories (Chen 2024,
GITS), or by a loss of training (Watson 2021; Sabour 2024). Here the error itself is cheap enough to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field, FieldFunction
from unstir.flow.sampling import trajectory
from unstir.flow.solver import Solver
from unstir.physics import FlowProcess

ROUNDS = 4
# Layouts to begin at: where the second time lies and where the last one does, the rest even between.
_LEAPS, _ENDS = (0.0, 0.3, 0.45, 0.6), (1.0, 0.85)
_CLOCK = 2001  # points at which the clock is known
_LEAST = 2e-3  # of an increment that a layout begins with
_DIFFERENCE = 0.1  # in θ, for J: large, so that rounding and a rough network do not matter
_DAMPINGS = (1e-3, 1e-1, 1.0)
_LARGEST_CHANGE = 1.0  # of any θ in a round
_SMALLEST_GAIN = 0.03  # of the cost, below which rounds end


@dataclass(frozen=True, slots=True)
class Trial:
    """The best times after one more solution of K steps.

    Attributes:
        done: solutions so far.
        most: solutions at most.
        times: falling, from t_max.
        cost: as above, mean square per coordinate.
    """

    done: int
    most: int
    times: list[float]
    cost: float


def nearest_share(states: Tensor, truth: Tensor, share: float = 0.95) -> float:
    """RMS distance per coordinate of the `share` of states that end nearest to the truth.

    The rest stood at watersheds, and would hide the others.
    """
    squared = _squared(states, truth).sort().values
    return float(squared[: max(1, round(share * len(squared)))].mean().sqrt())


def end(
    process: FlowProcess,
    field: Field | FieldFunction,
    start: Tensor,
    solver: Solver[Any],
    times: Sequence[float],
    label: Tensor | None = None,
) -> Tensor:
    """Where a solver takes the states `start` along `times`."""
    *_, last = trajectory(process, field, start, solver=solver, times=times, label=label)
    return last.state


def tune(
    process: FlowProcess,
    field: Field | FieldFunction,
    start: Tensor,
    truth: Tensor,
    *,
    solver: Solver[Any],
    steps: int,
    label: Tensor | None = None,
    known: Sequence[Sequence[float]] = (),
    rounds: int = ROUNDS,
) -> Iterator[Trial]:
    """Better times for `steps` steps, one `Trial` a solution; the last has the best.

    Args:
        process: whose clock it is.
        field: its field.
        start: prior draws `(n, *shape)`.
        truth: where the converged flow takes them.
        solver: any deterministic one.
        steps: K, 2 or more.
        label: class numbers `(n,)`, or None.
        known: further times to begin at, of as many steps.
        rounds: of Gauss–Newton, at most.

    Raises:
        InputError: a stochastic solver, fewer than 2 steps, or fewer draws than would settle K times.
    """
    if solver.stochastic:
        raise InputError(f"solver={type(solver).__name__.lower()}: draws noise on the way; tune multistep")
    if steps < 2 or rounds < 0:
        raise InputError(f"steps={steps}, rounds={rounds}: tuning needs 2 steps or more, no rounds below 0")
    if len(start) < 8:
        raise InputError(f"start: {len(start)} prior draws settle no times; give 8 or more")
    clock = process.times(_CLOCK).numpy()
    layouts = [solver.times(process, steps), *(list(times) for times in known), *_layouts(clock, steps)]
    most = len(layouts) + rounds * (steps - 1 + len(_DAMPINGS))

    def missed(times: Sequence[float]) -> Tensor:
        return (end(process, field, start, solver, times, label) - truth).flatten(1).double()

    best = _Best(missed(layouts[0]), _parameters(layouts[0], clock), layouts[0])
    yield Trial(1, most, best.times, best.cost)
    for done, times in enumerate(layouts[1:], 2):
        best.offer(missed(times), _parameters(times, clock), times)
        yield Trial(done, most, best.times, best.cost)
    best.settle()
    for _ in range(rounds):
        before, theta = best.cost, best.theta
        columns = list[Tensor]()
        for k in range(steps - 1):
            moved = theta.copy()
            moved[k] += _DIFFERENCE
            columns.append((missed(_times(moved, clock)) - best.missed) / _DIFFERENCE)
            done += 1
            yield Trial(done, most, best.times, best.cost)
        change = _newton(best, torch.stack(columns, -1))
        for damping in _DAMPINGS:
            moved = theta.copy()
            moved[:-1] += change(damping)
            times = _times(moved, clock)
            best.offer(missed(times), moved, times)
            done += 1
            yield Trial(done, most, best.times, best.cost)
        if best.cost > (1 - _SMALLEST_GAIN) * before:
            break
    yield Trial(most, most, best.times, best.cost)


class _Best:
    """The least cost so far, and what gave it."""

    def __init__(self, missed: Tensor, theta: np.ndarray, times: list[float]) -> None:
        self.missed, self.theta, self.times = missed, theta, times
        self.settle()

    def settle(self) -> None:
        """Take the scale of the cost from the best so far."""
        median = self.missed.square().mean(1).median()
        self.scale = 9 * median.clamp_min(torch.finfo(torch.float64).tiny)
        self.cost = self._cost(self.missed)

    def _cost(self, missed: Tensor) -> float:
        cost = float((self.scale * torch.log1p(missed.square().mean(1) / self.scale)).mean())
        return cost if np.isfinite(cost) else float("inf")

    def offer(self, missed: Tensor, theta: np.ndarray, times: list[float]) -> None:
        cost = self._cost(missed)
        if cost < self.cost:
            self.missed, self.theta, self.times, self.cost = missed, theta, times, cost


def _newton(best: _Best, J: Tensor) -> Callable[[float], np.ndarray]:
    """The change of θ without its last, for a damping μ."""
    weight = 1 / (1 + best.missed.square().mean(1) / best.scale)
    H = torch.einsum("b,bdi,bdj->ij", weight, J, J).cpu().numpy()
    gradient = torch.einsum("b,bdi,bd->i", weight, J, best.missed).cpu().numpy()

    def change(damping: float) -> np.ndarray:
        damped = H + damping * np.diag(np.diag(H).clip(np.finfo(np.float64).tiny))
        step: np.ndarray = -np.linalg.lstsq(damped, gradient, rcond=None)[0]
        return step * min(1.0, _LARGEST_CHANGE / max(float(np.abs(step).max()), 1e-300))

    return change


def _layouts(clock: np.ndarray, steps: int) -> Iterator[list[float]]:
    for leap in _LEAPS if steps > 2 else (0.0,):
        for stop in _ENDS:
            places = np.linspace(leap, stop, steps - (leap > 0))
            yield _at(np.append([0.0] * (leap > 0), places), clock)


def _parameters(times: Sequence[float], clock: np.ndarray) -> np.ndarray:
    """θ of times."""
    places = np.interp(times, clock[::-1], np.linspace(1, 0, len(clock)))
    increments: np.ndarray = np.log(np.maximum(np.diff(np.append(places, 1.0)), _LEAST))
    return increments


def _times(theta: np.ndarray, clock: np.ndarray) -> list[float]:
    """The times of θ."""
    share = np.exp(theta - theta.max())
    return _at(np.append(0.0, np.cumsum(share / share.sum())[:-1]), clock)


def _at(places: np.ndarray, clock: np.ndarray) -> list[float]:
    times: list[float] = np.interp(places, np.linspace(0, 1, len(clock)), clock).tolist()
    return times


def _squared(states: Tensor, truth: Tensor) -> Tensor:
    return (states - truth).double().square().flatten(1).mean(1)
