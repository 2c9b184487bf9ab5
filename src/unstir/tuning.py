"""Time steps tuned to a trained run, and kept in its folder as `times.json`.

Half of some prior draws tune the times, the other half judge them: they are kept only where these end nearer
to the converged flow than with the usual times, and than with those that were kept before. A run then takes
them of itself wherever so many steps of that solver are asked for.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unstir import spec
from unstir.errors import InputError
from unstir.fields.learned import check_denoises
from unstir.flow import Solver, Streams, default_solver, parse_solver, solvers
from unstir.flow.timesteps import ROUNDS, Trial, end, nearest_share, tune
from unstir.physics import FlowProcess, Process
from unstir.train.storage import json_text, write_text

if TYPE_CHECKING:
    from unstir.run import Run

FILE = "times.json"
USUAL = "usual"
_REFERENCE_STEPS = 100
_MOST_STEPS = 1000
_FIRST = 2**31  # index of the first prior draw: sampling the same seed does not meet them


@dataclass(frozen=True)
class TunedTimes:
    """Times of one solver and count.

    Attributes:
        solver: its specification.
        times: falling, one a step.
        trained: steps that the run was trained when they were tuned.
        usual_rms: distance to the converged flow with the solver's usual times, of the nearest 95 % of the
            judging draws, per coordinate in model units (data of standard deviation ½).
        rms: with these.
    """

    solver: str
    times: tuple[float, ...]
    trained: int
    usual_rms: float
    rms: float


@dataclass(frozen=True)
class Outcome:
    """What a tuning found.

    Attributes:
        found: the times, better or not.
        previous: those kept before, judged by the same draws, or None.
        kept: whether `found` was written to the run.
        evaluations: of the field that K steps cost.
    """

    found: TunedTimes
    previous: TunedTimes | None
    kept: bool
    evaluations: int


def tune_run(
    run: Run,
    evaluations: int = 10,
    *,
    solver: Solver[Any] | str | None = None,
    priors: int = 64,
    rounds: int = ROUNDS,
    seed: int = 0,
    watch: Callable[[Trial], None] | None = None,
) -> Outcome:
    """Tune the times of a run for so many field evaluations, and keep them where they are better.

    Args:
        run: the run; its folder gets, or has changed, `times.json`.
        evaluations: at most, the last denoising among them.
        solver: a deterministic one; by default the first that the process has.
        priors: draws to tune with, and as many to judge.
        rounds: of Gauss–Newton, at most.
        seed: of the draws.
        watch: called after each trial.

    Raises:
        InputError: a process without a flow, a stochastic or adaptive solver, an argument out of range.
    """
    process = run.process
    check_denoises(run.field, "tune")
    solver = default_solver(process) if solver is None else solver
    solver = parse_solver(solver, process) if isinstance(solver, str) else solver
    name = solver_name(solver, process)
    if not isinstance(process, FlowProcess):
        raise InputError(f"process {process.name}: has no flow whose times could be tuned")
    if solver.stochastic or solver.needs_start or solver.evaluations(2) is None:
        raise InputError(f"solver={name}: draws noise on the way or sets its own steps; tune multistep")
    if priors < 8:
        raise InputError(f"priors={priors}: so few settle no times; give 8 or more, such as 64")
    steps = steps_for(solver, evaluations)
    start, label = _draws(run, 2 * priors, seed)
    tuning, judging = slice(None, priors), slice(priors, None)

    def labels(part: slice) -> Tensor | None:
        return None if label is None else label[part]

    fine = solver.times(process, _REFERENCE_STEPS)
    truth = torch.cat(
        [end(process, run.field, start[part], solver, fine, labels(part)) for part in (tuning, judging)]
    )
    before = next((one for one in read_times(run.path, process) if _is(one, solver, steps, process)), None)
    trials = tune(
        process, run.field, start[tuning], truth[tuning], solver=solver, steps=steps, label=labels(tuning),
        known=() if before is None else (before.times,), rounds=rounds,
    )  # fmt: skip
    for trial in trials:
        if watch is not None:
            watch(trial)

    def judge(times: Sequence[float]) -> float:
        states = end(process, run.field, start[judging], solver, times, labels(judging))
        return nearest_share(states, truth[judging])

    usual = judge(solver.times(process, steps))
    found = TunedTimes(name, tuple(trial.times), run.step, usual, judge(trial.times))
    if before is not None:
        before = dataclasses.replace(before, usual_rms=usual, rms=judge(before.times))
    kept = found.rms < min(usual, math.inf if before is None else before.rms)
    if kept:
        _write(run.path, process, solver, steps, found)
    return Outcome(found, before, kept, solver.evaluations(steps) or steps)


def steps_for(solver: Solver[Any], evaluations: int) -> int:
    """The most steps that `evaluations` pay for.

    Raises:
        InputError: they pay for fewer than two.
    """
    costs = ((steps, solver.evaluations(steps)) for steps in range(2, _MOST_STEPS + 1))
    paid = [steps for steps, cost in costs if cost is not None and cost <= evaluations]
    if not paid or evaluations > _MOST_STEPS:
        raise InputError(
            f"evaluations={evaluations}: give {solver.evaluations(2)} to {_MOST_STEPS}, such as 10"
        )
    return paid[-1]


def chosen_times(
    run: Run, solver: Solver[Any] | str | None, steps: int | None, times: Sequence[float] | str | None
) -> tuple[float, ...] | None:
    """The times that `Run.sample` walks: those given, tuned ones that fit, or None for the solver's usual.

    Args:
        run: the run.
        solver: as in `Run.sample`.
        steps: likewise.
        times: `usual` for those of the solver whatever was tuned, or times.

    Raises:
        InputError: another word than `usual`, times off the clock, or a `times.json` that does not read.
    """
    if isinstance(times, str):
        if times != USUAL:
            raise InputError(f"times={times!r}: give {USUAL}, or falling times")
        return None
    if times is not None:
        if steps is not None and steps != len(times):
            raise InputError(f"steps={steps}: {len(times)} times are given; leave steps out")
        return _checked(times, run.process, "times")
    if not (run.path / FILE).is_file():
        return None
    solver = default_solver(run.process) if solver is None else solver
    solver = parse_solver(solver, run.process) if isinstance(solver, str) else solver
    steps = solver.usual_steps(run.process) if steps is None else steps
    fitting = (one for one in read_times(run.path, run.process) if _is(one, solver, steps, run.process))
    return next((one.times for one in fitting), None)


def read_times(path: Path, process: Process) -> list[TunedTimes]:
    """The tuned times of the run folder `path`; none where nothing was tuned.

    Raises:
        InputError: `times.json` is no such file, or of another process.
    """
    file = path / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error}); tune again, or remove it") from None
    try:
        held = json.loads(text)
        if held["process"] != process.name:
            raise InputError(
                f"{file}: is for process {held['process']}, the run has {process.name}; remove it"
            )
        return [_entry(one, process, str(file)) for one in held["tuned"]]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: is not what unstir tune writes; tune again, or remove it") from None


def solver_name(solver: Solver[Any], process: Process) -> str:
    """The specification of a solver among those of a process.

    Raises:
        InputError: it is none of them.
    """
    for name, make in solvers(process).items():
        if make is type(solver) and dataclasses.is_dataclass(solver):
            given = {field.name: getattr(solver, field.name) for field in dataclasses.fields(solver)}
            return spec.name_of(name, make, **given)
    raise InputError(f"solver: a {type(solver).__name__} is none of process {process.name}'s; give its name")


def _draws(run: Run, n: int, seed: int) -> tuple[Tensor, Tensor | None]:
    """Prior draws and their classes, on the field's device."""
    device = run.device
    shape = run.info.model_shape
    streams = Streams(seed, _FIRST, n)
    start = streams.draw(lambda g: run.process.prior(1, shape, g)).to(device)
    label = run.labels(n, seed=seed, first=_FIRST)
    return start, None if label is None else label.to(device)


def _is(one: TunedTimes, solver: Solver[Any], steps: int, process: Process) -> bool:
    return len(one.times) == steps and bool(parse_solver(one.solver, process) == solver)


def _write(path: Path, process: Process, solver: Solver[Any], steps: int, found: TunedTimes) -> None:
    others = [one for one in read_times(path, process) if not _is(one, solver, steps, process)]
    tuned = [dataclasses.asdict(one) for one in (*others, found)]
    write_text(path / FILE, json_text({"process": process.name, "tuned": tuned}) + "\n")


def _entry(value: dict[str, Any], process: Process, what: str) -> TunedTimes:
    rms = {name: float(value[name]) for name in ("usual_rms", "rms")}
    if not all(math.isfinite(one) and one >= 0 for one in rms.values()):
        raise ValueError
    solver = str(value["solver"])
    parse_solver(solver, process)
    if not isinstance(value["times"], list):
        raise TypeError
    times = tuple(float(t) for t in value["times"])
    return TunedTimes(solver, _checked(times, process, what), int(value["trained"]), **rms)


def _checked(times: Sequence[float], process: Process, what: str) -> tuple[float, ...]:
    times = tuple(float(t) for t in times)
    falling = len(times) >= 1 and all(b < a for a, b in itertools.pairwise(times))
    if not falling or not process.t_min <= times[-1] or times[0] != process.t_max:
        raise InputError(
            f"{what}: times must fall from t_max = {process.t_max:g}, where the prior is, "
            f"and stay above t_min = {process.t_min:g}"
        )
    return times
