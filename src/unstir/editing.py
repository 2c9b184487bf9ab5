"""Editing: given items carried to the prior, changed there, and brought back.

    round trip     item → state → item              what encoding leaves of an item
    interpolate    two items → two states → the states between them → items
    relabel        item → state told one class → item told another: its style, in another class
    vary           item → noise of some strength on it → one of the items that it may have been

The first three go along the deterministic flow (`flow/encode.py`), so that nothing is drawn; states between
two others lie where the prior's own law has them (`flow/between.py`). The last is drawn as samples are
(SDEdit, Meng 2022). All of it works on a run, and on the exact and local fields, that need none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unstir.classes import Asked
from unstir.errors import InputError
from unstir.flow import Solver, Streams, between, decode, default_solver, encode, parse_solver, trajectory
from unstir.flow.encode import STEPS
from unstir.physics import Kac, LangevinProcess, LinearProcess
from unstir.physics.linear import DATA_STD
from unstir.run import Run
from unstir.tuning import chosen_times
from unstir.untrained import Untrained

Source = Run | Untrained
Watch = Callable[[int], None]

BATCH = 256
# Processes whose samplers may begin at any time, from what `perturb` draws there.
_RENOISED = (LinearProcess, Kac, LangevinProcess)


@dataclass(frozen=True)
class RoundTrip:
    """Items after they went to the prior and back.

    Attributes:
        values: in the data's units, `(n, *shape)`.
        error: of each, the root mean square of its change in units of the data's deviation, before rounding,
            `(n,)`.
    """

    values: Tensor
    error: Tensor

    @property
    def rms(self) -> float:
        """Over all items."""
        return float(self.error.square().mean().sqrt())


def round_trip(
    source: Source,
    values: Tensor,
    *,
    label: Asked | None = None,
    steps: int = STEPS,
    watch: Watch | None = None,
) -> RoundTrip:
    """Encode items and decode them again.

    Args:
        source: a run, or a field that needs none.
        values: `(n, *shape)` in the data's units.
        label: the class that the field is told, as in `Run.sample`; by default all classes together.
        steps: of the flow, each way, of four evaluations each.
        watch: called with the number of items done.

    Raises:
        InputError: a process without a flow between data and prior, values of another shape.
    """
    x = _model_units(source, values)
    labels = _labels(source, label, len(values))
    back = _decoded(source, _encoded(source, x, labels, steps), labels, steps, watch)
    # In model units the data have a deviation of ½.
    error = (back - x).double().flatten(1).square().mean(1).sqrt() / DATA_STD
    return RoundTrip(source.scaling.to_data(back), error)


def interpolate(
    source: Source,
    first: Tensor,
    second: Tensor,
    *,
    frames: int = 8,
    label: Asked | None = None,
    steps: int = STEPS,
    watch: Watch | None = None,
) -> Tensor:
    """Items between two, through the prior, `(n, frames, *shape)`: from the first to the second, evenly.

    Args:
        source: as in `round_trip`.
        first: `(n, *shape)` in the data's units.
        second: likewise.
        frames: how many, both ends among them as they come back: 2 or more.
        label: as in `round_trip`.
        steps: as in `round_trip`.
        watch: called with the number of frames done.

    Raises:
        InputError: as in `round_trip`, or fewer than 2 frames.
    """
    if frames < 2:
        raise InputError(f"frames={frames}: give 2 or more, both ends among them")
    if first.shape != second.shape:
        raise InputError(f"items of {tuple(first.shape)} and of {tuple(second.shape)}: give as many of each")
    labels = _labels(source, label, len(first))
    a, b = (_encoded(source, _model_units(source, values), labels, steps) for values in (first, second))
    share = torch.linspace(0, 1, frames, dtype=torch.float64)
    states = between(source.process, a, b, share).transpose(0, 1).flatten(0, 1)
    told = None if labels is None else labels.repeat_interleave(frames)
    found = source.scaling.to_data(_decoded(source, states, told, steps, watch))
    return found.reshape(len(first), frames, *found.shape[1:])


def relabel(
    source: Source,
    values: Tensor,
    to: Asked,
    *,
    label: Asked | None = None,
    steps: int = STEPS,
    watch: Watch | None = None,
) -> Tensor:
    """Items as they would be in another class, `(n, *shape)`: encoded as one, decoded as another.

    Args:
        source: as in `round_trip`; it must know classes.
        values: `(n, *shape)` in the data's units.
        to: the classes that they become, as `label` of `Run.sample`.
        label: those that they are; by default all classes together.
        steps: as in `round_trip`.
        watch: called with the number of items done.

    Raises:
        InputError: as in `round_trip`, or a source without classes.
    """
    return in_classes(source, values, [to], label=label, steps=steps, watch=watch)[:, 0]


def in_classes(
    source: Source,
    values: Tensor,
    goals: Sequence[Asked],
    *,
    label: Asked | None = None,
    steps: int = STEPS,
    watch: Watch | None = None,
) -> Tensor:
    """Items as they would be in each of several classes, `(n, len(goals), *shape)`, encoded once.

    Args:
        source: as in `relabel`.
        values: `(n, *shape)` in the data's units.
        goals: what `to` of `relabel` may be, each.
        label: as in `relabel`.
        steps: as in `round_trip`.
        watch: called with the number of items done.

    Raises:
        InputError: as in `relabel`.
    """
    told = [source.labels(len(values), label=goal) for goal in goals]
    states = _encoded(source, _model_units(source, values), _labels(source, label, len(values)), steps)
    made = [source.scaling.to_data(_decoded(source, states, goal, steps, watch)) for goal in told]
    return torch.stack(made, 1)


@torch.no_grad()
def vary(
    source: Source,
    values: Tensor,
    *,
    strength: float,
    samples: int = 1,
    label: Asked | None = None,
    solver: Solver[Any] | str | None = None,
    steps: int | None = None,
    seed: int = 0,
    watch: Watch | None = None,
) -> Tensor:
    """Variations of items, `(n, samples, *shape)`: noise on each, and a sample from there.

    Args:
        source: as in `round_trip`.
        values: `(n, *shape)` in the data's units.
        strength: the share of the solver's steps that are taken again, from 0, the item itself, to 1, a
            sample that knows nothing of it: the same one that `sample` draws.
        samples: of each item.
        label: as in `round_trip`.
        solver: an object or a specification; by default the process's first.
        steps: of the whole way from the prior; by default the solver's usual number. A run whose times were
            tuned for so many takes those, as its samples do.
        seed: with the place among all variations, all that one depends on.
        watch: called with the number of variations done.

    Raises:
        InputError: a strength outside [0, 1], no samples, a process whose sampler cannot begin half-way, a
            solver that walks samples together, or values of another shape.
    """
    if not 0 <= strength <= 1:
        raise InputError(f"strength={strength:g}: give 0, the item itself, to 1, a sample of its own")
    if samples < 1:
        raise InputError(f"samples={samples}: give 1 or more")
    process, shape = source.process, source.info.model_shape
    if not isinstance(process, _RENOISED):
        raise InputError(
            f"process {process.name}: its sampler cannot begin half-way, so it has no variations"
        )
    given = _model_units(source, values).repeat_interleave(samples, 0)
    labels = _labels(source, label, len(given))
    if strength == 0:
        return values.repeat_interleave(samples, 0).reshape(len(values), samples, *values.shape[1:])
    walker = parse_solver(solver, process, source.field) if isinstance(solver, str) else solver
    walker = walker or default_solver(process, source.field)
    if walker.group(shape) > 1:
        raise InputError(f"solver {solver}: walks samples together; give one of fixed steps, such as heun")
    times = partial_times(_whole_times(source, walker, steps), strength)
    device = source.device
    found = []
    for at in range(0, len(given), BATCH):
        part = given[at : at + BATCH]
        streams = Streams(seed, at, len(part))
        x = _begun(process, part, times[0], streams, fresh=strength == 1).to(device)
        of = None if labels is None else labels[at : at + BATCH].to(device)
        *_, last = trajectory(process, source.field, x, solver=walker, times=times, streams=streams, label=of)
        found.append(process.observed(last.state).cpu())
        if watch is not None:
            watch(len(part))
    out = source.scaling.to_data(torch.cat(found))
    return out.reshape(len(values), samples, *out.shape[1:])


def partial_times(whole: Sequence[float], strength: float) -> list[float]:
    """The last `strength` of falling times, the first of them between two where it falls so."""
    if len(whole) < 2:
        raise InputError("steps=1: a variation needs two steps or more")
    place = (1 - strength) * (len(whole) - 1)
    at = min(math.floor(place), len(whole) - 2)
    first = whole[at] + (place - at) * (whole[at + 1] - whole[at])
    return [first, *whole[at + 1 :]]


def _whole_times(source: Source, solver: Solver[Any], steps: int | None) -> Sequence[float]:
    """The times of a sample: those tuned to the run, or the solver's own."""
    tuned = chosen_times(source, solver, steps, None) if isinstance(source, Run) else None
    usual = solver.usual_steps(source.process) if steps is None else steps
    return solver.times(source.process, usual) if tuned is None else tuned


def _begun(process: Any, items: Tensor, time: float, streams: Streams, *, fresh: bool) -> Tensor:  # noqa: ANN401
    """States where a sampler begins: of the items, or fresh from the prior."""
    if fresh:
        return streams.draw(lambda g: process.prior(1, items.shape[1:], g, items.dtype))
    each, t = iter(torch.split(items, 1)), torch.full((1,), time, dtype=torch.float64)
    return streams.draw(lambda g: process.perturb(next(each), t, g))


def _encoded(source: Source, x: Tensor, labels: Tensor | None, steps: int) -> Tensor:
    device = source.device
    parts = [
        encode(
            source.process, source.field, part.to(device), steps=steps, label=_part(labels, at, device)
        ).cpu()
        for at, part in zip(range(0, len(x), BATCH), torch.split(x, BATCH), strict=True)
    ]
    return torch.cat(parts)


def _decoded(
    source: Source, states: Tensor, labels: Tensor | None, steps: int, watch: Watch | None
) -> Tensor:
    device, shape, parts = source.device, source.info.model_shape, []
    for at, part in zip(range(0, len(states), BATCH), torch.split(states, BATCH), strict=True):
        of = _part(labels, at, device)
        found = decode(source.process, source.field, part.to(device), shape, steps=steps, label=of)
        parts.append(found.cpu())
        if watch is not None:
            watch(len(part))
    x = torch.cat(parts)
    if not bool(x.isfinite().all()):
        raise InputError(f"steps={steps}: the flow came to values that are not finite; take more")
    return x


def _part(labels: Tensor | None, at: int, device: torch.device) -> Tensor | None:
    return None if labels is None else labels[at : at + BATCH].to(device)


def _model_units(source: Source, values: Tensor) -> Tensor:
    if len(values) == 0 or tuple(values.shape[1:]) != tuple(source.info.shape):
        raise InputError(
            f"values: have shape {tuple(values.shape)}; give one item or more of {tuple(source.info.shape)}"
        )
    return source.scaling.to_model(values)


def _labels(source: Source, label: Asked | None, n: int) -> Tensor | None:
    labels = None if label is None else source.labels(n, label=label)
    if labels is None:
        source.check_knows_all("label")
    return labels
