"""Walks: the frames of a path, forward from data to prior or backward from prior to data.

Forward, every frame draws x_t given the same data with the same random numbers, so that what is seen moving
is the physics and not the dice. Backward, a solver runs the exact field of the data, or another.

Particle i depends on the seed and i alone: a coarse answer's particles are the first of the fine one's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unstir import flow
from unstir.errors import InputError
from unstir.fields.field import Field, Slice

_PAIRS = 2**19  # of states and items that a field is asked for at once
PART = 200  # particles that share a generator
_STREAM = 1_000_003  # generators of one seed's parts are so far apart


@dataclass(frozen=True)
class Ask:
    """What is asked of a walk.

    Attributes:
        n: particles.
        frames: at most.
        seed: of all that is random.
        field: that drives it backward.
        solver: a specification, or None for the family's own.
        steps: of that solver, or None for one a frame.
        check: raises where nobody waits any more.
    """

    n: int
    frames: int
    seed: int
    field: Field
    solver: str | None = None
    steps: int | None = None
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Walk:
    """What came of it.

    Attributes:
        times: of the frames, on the process's clock, in the order of the walk.
        states: what is seen, `(frames, n, *shape)`, model units; NaN where there is no particle.
        evaluations: of the field; None where a solver chose its own steps.
        kept: whether particle i of one frame is particle i of the next.
    """

    times: list[float]
    states: Tensor
    evaluations: int | None
    kept: bool = True


class Parted:
    """A field that is asked for a few states at a time: memory is bounded, and long work can step aside.

    Args:
        field: any.
        items: that it is made of.
        check: called before each part.
    """

    def __init__(self, field: Field, items: int, check: Callable[[], None]) -> None:
        self._field, self._rows, self._check = field, max(32, _PAIRS // items), check

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The prediction at times `t`, `(batch,)`."""
        parts = zip(torch.split(x, self._rows), torch.split(t, self._rows), strict=True)
        return torch.cat([self._one(lambda part: self._field(*part), pair) for pair in parts])

    def at(self, t: float) -> Slice:
        """The field at one time."""
        one = self._field.at(t)

        def answer(x: Tensor, label: Tensor | None) -> Tensor:
            return torch.cat(
                [self._one(lambda part: one(part, label), part) for part in torch.split(x, self._rows)]
            )

        return answer

    def _one(self, ask: Callable[[Any], Tensor], part: object) -> Tensor:
        self._check()
        return ask(part)


def first_items(items: Tensor, n: int) -> Tensor:
    """`n` items, again from the first where there are fewer."""
    return items[torch.arange(n) % len(items)]


def perturbed(scene: Any, ask: Ask) -> Walk:  # noqa: ANN401  # a LabScene, which imports this module
    """Forward, by the process's own law at each time."""
    times = scene.family.clock(scene.process, ask.frames)
    first = first_items(scene.items, -(-ask.n // PART) * PART)  # whole parts, whatever part of them is wanted
    states = []
    for time in times:
        ask.check()
        parts = [_part(scene, part, time, ask.seed, k) for k, part in enumerate(torch.split(first, PART))]
        states.append(torch.cat(parts)[: ask.n])
    states[0] = first[: ask.n].to(states[0].dtype)
    return Walk(times, torch.stack(states), 0)


def _part(scene: Any, first: Tensor, time: float, seed: int, k: int) -> Tensor:  # noqa: ANN401
    drawn: Tensor = scene.family.drawn(scene, first, time, generator_of(seed, k))
    return drawn


def generator_of(seed: int, part: int) -> torch.Generator:
    """The generator of one part of the particles."""
    return torch.Generator().manual_seed((seed * _STREAM + part) % 2**63)


def observed(scene: Any, first: Tensor, time: float, generator: torch.Generator) -> Tensor:  # noqa: ANN401
    """x_t of items at a time, as it is seen."""
    t = torch.full((len(first),), time, dtype=torch.float64)
    seen: Tensor = scene.process.observed(scene.process.perturb(first, t, generator))
    return seen


def flown(scene: Any, ask: Ask) -> Walk:  # noqa: ANN401
    """Backward, by a solver."""
    process, family = scene.process, scene.family
    text = ask.solver or family.solver
    solver = flow.default_solver(process) if text is None else flow.parse_solver(text, process)
    if solver.needs_start:
        raise InputError(f"solver={text}: goes from data to the far plate; give it for the way forward")
    if ask.steps is None and ask.solver is None:
        times = family.clock(process, ask.frames)[::-1]
        times = times[: len(times) - family.singular]
    else:
        times = solver.times(process, ask.steps or solver.usual_steps(process))
    streams = flow.Streams(ask.seed, 0, ask.n)
    x = streams.draw(lambda g: process.prior(1, tuple(scene.items.shape[1:]), g))
    states = []
    field = Parted(ask.field, len(scene.items), ask.check)
    for step in flow.trajectory(process, field, x, solver=solver, times=times, streams=streams):
        ask.check()
        states.append(process.observed(step.state))
    if times[-1] > process.t_min:
        times = [*times, process.t_min]
    else:  # the last step, which ends at the data, starts at their own time
        states[-2:] = states[-1:]
    return _thinned(times, states, ask.frames, solver.evaluations(len(times)))


def carried(scene: Any, ask: Ask) -> Walk:  # noqa: ANN401
    """Forward along field lines to the far plate, where each item has more than one line."""
    process = scene.process
    solver = flow.Lines(direction="forward")
    steps = min(ask.frames, 2 * solver.usual_steps(process)) - 1
    first = first_items(scene.items, ask.n)
    states = []
    streams = flow.Streams(ask.seed, 0, ask.n)
    field = Parted(ask.field, len(scene.items), ask.check)
    for step in flow.trajectory(
        process, field, first, solver=solver, steps=steps, streams=streams, denoise=False
    ):
        ask.check()
        states.append(step.state)
    times = torch.linspace(process.t_min, process.t_max, len(states), dtype=torch.float64).tolist()
    return _thinned(times, states, ask.frames, solver.evaluations(steps))


def clouds_forward(scene: Any, ask: Ask) -> Walk:  # noqa: ANN401
    """Particles of a PDE from the data, with births and deaths."""
    walk = scene.process.forward(scene.items.double(), ask.n, generator_of(ask.seed, 0), steps=ask.frames - 1)
    return _clouds(walk, ask)


def clouds_backward(scene: Any, ask: Ask) -> Walk:  # noqa: ANN401
    """Particles of a PDE from the flat prior."""
    walk = scene.process.backward(
        scene.items.double(), ask.n, generator_of(ask.seed, 1), steps=ask.frames - 1
    )
    return _clouds(walk, ask)


def _clouds(walk: Any, ask: Ask) -> Walk:  # noqa: ANN401
    times, clouds, kept = [], [], True
    for cloud in walk:
        ask.check()
        times.append(cloud.time)
        clouds.append(cloud.position)
        kept = kept and not cloud.born and not cloud.died
    most = max(len(cloud) for cloud in clouds)
    states = torch.full((len(clouds), most, 2), torch.nan)
    for frame, cloud in zip(states, clouds, strict=True):
        frame[: len(cloud)] = cloud
    return Walk(times, states, 2 * (len(times) - 1), kept)


def _thinned(times: Sequence[float], states: list[Tensor], frames: int, evaluations: int | None) -> Walk:
    """At most so many frames, both ends among them."""
    last = len(states) - 1
    if last < frames:
        return Walk(list(times), torch.stack(states), evaluations)
    picks = [round(i * last / (frames - 1)) for i in range(frames)]
    return Walk([times[i] for i in picks], torch.stack([states[i] for i in picks]), evaluations)


def rising(times: Sequence[float]) -> list[float]:
    """Times that a solver takes, the other way round, each once."""
    ordered = sorted(times)
    return [time for time, later in itertools.pairwise([*ordered, float("inf")]) if time < later]
