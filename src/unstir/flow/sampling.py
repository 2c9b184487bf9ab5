"""Sampling: draw from the prior, walk backward, and denoise once at the end.

Sample i depends on the seed and i alone: not on the batch, nor on how many workers share the job.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field, FieldFunction, as_field
from unstir.flow.registry import default_solver, parse_solver
from unstir.flow.solver import Solver, Step
from unstir.flow.streams import Streams
from unstir.physics import Process


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of one batch: samples `first … first + len(step.state) − 1` of those asked for."""

    first: int
    step: Step
    steps: int


@torch.no_grad()
def trajectory(
    process: Process,
    field: Field | FieldFunction,
    x: Tensor,
    *,
    solver: Solver[Any] | None = None,
    steps: int | None = None,
    times: Sequence[float] | None = None,
    streams: Streams | None = None,
    label: Tensor | None = None,
    denoise: bool = True,
) -> Iterator[Step]:
    """Walk from the states `x` at t_max to the data, one `Step` at a time.

    Args:
        process: any process.
        field: its field, or a function (x, t, label) -> E[y | x_t = x].
        x: states at the first time, `(batch, *shape)`.
        solver: by default the first of `solvers(process)`.
        steps: how many, the last denoising among them; by default the solver's usual number.
        times: falling times in place of the solver's own; then `steps` is not used.
        streams: random numbers for stochastic solvers, one stream a sample.
        label: class numbers `(batch,)`, or None.
        denoise: end with E[y | x] at the last time; otherwise with the state there.

    Raises:
        InputError: `steps` below 1, times that do not fall, or a stochastic solver without streams.
    """
    solver = solver or default_solver(process, field)
    if times is None:
        steps = solver.usual_steps(process) if steps is None else steps
        if steps < 1:
            raise InputError(f"steps={steps}: at least one step is needed")
        times = solver.times(process, steps)
    if any(b >= a for a, b in itertools.pairwise(times)) or len(times) == 0:
        raise InputError("times: must fall from prior to data, each below the one before")
    if streams is None:
        if solver.stochastic:
            raise InputError("streams: a stochastic solver needs Streams(seed, first, count)")
        streams = Streams(0, 0, 0)
    path = solver.path(process, as_field(field), times, tuple(x.shape[1:]))
    yield Step(0, times[0], x, None)
    index = 0
    for index, (state, prediction) in enumerate(solver.walk(path, x, streams, label), 1):
        x = state
        yield Step(index, times[index], state, prediction)
    if denoise:
        x = solver.finish(path, x, label)
        yield Step(index + 1, 0.0, x, x)


def sample_steps(
    process: Process,
    field: Field | FieldFunction,
    n: int,
    shape: Sequence[int] | None = None,
    *,
    solver: Solver[Any] | str | None = None,
    steps: int | None = None,
    times: Sequence[float] | None = None,
    seed: int = 0,
    first: int = 0,
    batch: int = 256,
    label: Tensor | None = None,
    start: Tensor | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    denoise: bool = True,
) -> Iterator[Progress]:
    """Every step of every batch of `sample`, which has the same arguments: for bars, pages and notebooks."""
    if isinstance(solver, str):
        solver = parse_solver(solver, process, field)
    solver = solver or default_solver(process, field)
    if times is not None:
        steps = len(times)
    steps = solver.usual_steps(process) if steps is None else steps
    shape = _shape(field, shape)
    if start is None and solver.needs_start:
        raise InputError(
            "start: this solver goes from given items; give them (--from DATA on the command line)"
        )
    if start is not None and start.shape != (n, *shape):
        raise InputError(f"start: has shape {tuple(start.shape)}; give one item a sample: {(n, *shape)}")
    if n < 1 or batch < 1 or first < 0:
        raise InputError(
            f"n={n}, batch={batch}, first={first}: give n and batch of 1 or more, first of 0 or more"
        )
    if label is not None and label.shape != (n,):
        raise InputError(f"label: has shape {tuple(label.shape)}; give one class number a sample: ({n},)")
    group = solver.group(shape)
    batch = math.ceil(batch / group) * group
    # Whole groups only, from a group's own start, whatever part of them was asked for.
    at, stop = first // group * group, first + n
    while at < stop:
        count = min(batch, math.ceil((stop - at) / group) * group)
        streams = Streams(seed, at, count)
        low, high = max(first - at, 0), min(stop - at, count)
        index = torch.arange(at, at + count).clamp(first, stop - 1) - first
        x = _first_states(process, shape, streams, dtype, None if start is None else start[index]).to(device)
        labels = None if label is None else label[index].to(device)
        for step in trajectory(
            process, field, x, solver=solver, steps=steps, times=times, streams=streams, label=labels,
            denoise=denoise,
        ):  # fmt: skip
            prediction = None if step.prediction is None else step.prediction[low:high]
            kept = Step(step.index, step.time, step.state[low:high], prediction)
            yield Progress(at + low - first, kept, steps)
        at += count


def sample(
    process: Process,
    field: Field | FieldFunction,
    n: int,
    shape: Sequence[int] | None = None,
    *,
    solver: Solver[Any] | str | None = None,
    steps: int | None = None,
    times: Sequence[float] | None = None,
    seed: int = 0,
    first: int = 0,
    batch: int = 256,
    label: Tensor | None = None,
    start: Tensor | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    denoise: bool = True,
) -> Tensor:
    """Draw `n` samples, `(n, *shape)`.

    Args:
        process: any process.
        field: its field, or a function (x, t, label) -> E[y | x_t = x].
        n: how many.
        shape: of one sample; the field's own by default.
        solver: an object or a specification such as `heun`; by default the first of `solvers(process)`.
        steps: how many, the last denoising among them; by default the solver's usual number.
        times: falling times in place of the solver's own; then `steps` is not used.
        start: items to start from in place of the prior, `(n, *shape)` in model units, where the process
            can: a restoration or a translation of them.
        seed: with the sample's index, all that a sample depends on.
        first: index of the first sample, to go on from earlier ones.
        batch: how many at once; it changes nothing but rounding.
        label: class numbers `(n,)`, or None.
        device: where the field is.
        dtype: of the states.
        denoise: end with E[y | x] at t_min rather than with the state there.

    Raises:
        InputError: a shape that the field does not know, or an argument out of range.
    """
    walk = sample_steps(
        process,
        field,
        n,
        shape,
        solver=solver,
        steps=steps,
        times=times,
        seed=seed,
        first=first,
        batch=batch,
        label=label,
        start=start,
        device=device,
        dtype=dtype,
        denoise=denoise,
    )
    return process.observed(gather(n, walk))


def _first_states(
    process: Process, shape: tuple[int, ...], streams: Streams, dtype: torch.dtype, given: Tensor | None
) -> Tensor:
    """One state a stream: drawn from the prior, or belonging to the `given` items."""
    if given is None:
        return streams.draw(lambda g: process.prior(1, shape, g, dtype))
    items = iter(torch.split(given.to(dtype), 1))
    return streams.draw(lambda g: process.begin(next(items), g))


def gather(n: int, walk: Iterator[Progress], watch: Callable[[Progress], None] | None = None) -> Tensor:
    """The last states of all batches of `sample_steps`, `(n, *shape)`, on the CPU; `watch` sees each step."""
    last: dict[int, Tensor] = {}
    for progress in walk:
        last[progress.first] = progress.step.state
        if watch is not None:
            watch(progress)
    out = torch.cat([last[first].cpu() for first in sorted(last)])
    if len(out) != n:
        raise RuntimeError(f"{len(out)} samples came of {n}")
    return out


def _shape(field: Field | FieldFunction, shape: Sequence[int] | None) -> tuple[int, ...]:
    known = getattr(field, "shape", None) if shape is None else shape
    if known is None:
        raise InputError(
            "shape: this field does not know its own; give the shape of one sample, such as (2,)"
        )
    return tuple(int(size) for size in known)
