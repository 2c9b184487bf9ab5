"""Train one process of a comparison and draw its samples.

    python -m unstir.compare.worker OUT NUMBER DEVICE

A process of its own for each, so that its peak memory is its own and several devices work at once. It says
how far it is in lines of JSON on standard output, stops with all work kept on SIGINT or when its parent is
gone, and goes on where it stopped. Exit status as of the command line.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unstir.compare.plan import COMPARED, Plan, read_plan
from unstir.errors import InputError

if TYPE_CHECKING:
    import torch

    from unstir.run import Run
    from unstir.train.session import Session

DRAWN, DRAWN_JSON = "drawn.safetensors", "drawn.json"
USUAL = "usual"
_EVERY = 0.25  # seconds between reports


@dataclass(frozen=True)
class Report:
    """How far a worker is.

    Attributes:
        stage: `training` or `sampling`.
        done: share of the stage, in [0, 1].
        loss: the last, or None.
        rate: items a second, or None.
    """

    stage: str
    done: float
    loss: float | None = None
    rate: float | None = None


Say = Callable[[Report], None]


def work(plan: Plan, out: Path, process: str, device: str, say: Say) -> bool:
    """Train and draw; False where it was stopped on the way, with all work kept.

    Raises:
        InputError: as of training and sampling.
    """
    from unstir.run import load
    from unstir.train.session import resume, start

    path = plan.folder(out, process)
    begun = (path / "config.yaml").exists()
    session = resume(path) if begun else start(plan.config(process, device), path)
    finished = _train(session, say)
    _note_memory(path)
    if not finished:
        return False
    run = load(path, device=session.config.device)
    _draw(plan, run, session, say)
    return True


def is_done(path: Path) -> bool:
    """Whether the process of the run folder `path` is trained and drawn."""
    return (path / DRAWN_JSON).is_file() and (path / DRAWN).is_file()


def _train(session: Session, say: Say) -> bool:
    from unstir.train.session import training

    trainer, config = session.trainer, session.config
    parent, told, done = os.getppid(), time.monotonic(), trainer.step
    for step in training(session):
        now = time.monotonic()
        if now - told < _EVERY and step.index != step.total:
            continue
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGINT)  # ends the training after this step, with a checkpoint
        amount = step.seconds / (60 * config.minutes) if config.minutes else step.index / max(step.total, 1)
        loss = step.arrived.loss
        rate = (step.index - done) * config.batch / max(now - told, 1e-9)
        told, done = now, step.index
        finite = loss if loss is not None and math.isfinite(loss) else None
        say(Report("training", min(amount, 1.0), finite, rate))
    return trainer.budget.done(trainer.step)


def _draw(plan: Plan, run: Run, session: Session, say: Say) -> None:
    import torch
    from safetensors.torch import save

    from unstir.flow.registry import default_solver
    from unstir.train.machine import using_threads
    from unstir.train.storage import json_text, write_bytes, write_text

    solver, trainer = default_solver(run.process), session.trainer
    usual = solver.usual_steps(run.process)
    wanted = {USUAL: usual} | {
        str(evaluations): steps
        for evaluations in plan.evaluations
        if (steps := _steps(solver.evaluations, evaluations)) is not None
    }
    tensors: dict[str, torch.Tensor] = {}
    seconds: dict[str, float] = {}
    told = [0.0]
    # Few evaluations are held against pairs alone; the usual number against tails too.
    counts = {name: plan.samples if name == USUAL else min(plan.samples, COMPARED) for name in wanted}
    total = sum(counts[name] * steps for name, steps in wanted.items())
    before = 0
    for name, steps in wanted.items():

        def watch(progress: Any, before: int = before) -> None:  # noqa: ANN401
            if (now := time.monotonic()) - told[0] >= _EVERY:
                told[0] = now
                part = progress.first * progress.steps + len(progress.step.state) * progress.step.index
                say(Report("sampling", min((before + part) / total, 1.0)))

        began = time.perf_counter()
        try:
            with using_threads(session.config.threads):
                found = run.sample(counts[name], steps=steps, seed=plan.seed, watch=watch)
        except InputError:
            if name == USUAL:
                raise
            continue  # too few steps for this process: its curve begins later
        tensors[name], seconds[name] = found.contiguous(), time.perf_counter() - began
        before += counts[name] * steps
    write_bytes(run.path / DRAWN, save(tensors))
    device = trainer.data.device
    spent = trainer.budget.spent
    drawn = {
        "steps": trainer.step,
        "seconds": spent,
        "items_per_second": trainer.step * session.config.batch / max(spent, 1e-9),
        "parameters": sum(p.numel() for p in trainer.field.parameters()),
        "network": session.config.network,
        "precision": session.config.precision,
        "device": _device_name(device),
        "threads": session.config.threads,
        "peak_memory": _note_memory(run.path),
        "device_memory": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        "skipped": trainer.skipped,
        "evaluations": {name: solver.evaluations(wanted[name]) for name in tensors},
        "sampling_seconds": seconds,
        "training_items": len(session.trainer.data),
    }
    write_text(run.path / DRAWN_JSON, json_text(drawn))


def _steps(evaluations: Callable[[int], int | None], wanted: int) -> int | None:
    """The most steps that cost at most `wanted` evaluations; None where no number does, or none is known."""
    best = None
    for steps in range(1, wanted + 1):
        cost = evaluations(steps)
        if cost is not None and cost <= wanted:
            best = steps
    return best


def _note_memory(path: Path) -> int | None:
    """Peak memory in bytes over all parts of this training, kept in the run folder; None where unknown."""
    from unstir.train.storage import write_text

    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    noted = path / "memory.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        peak = max(peak, int(json.loads(noted.read_text("utf-8"))))
    write_text(noted, json.dumps(peak))
    return peak


def _device_name(device: torch.device) -> str:
    import platform

    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()})"


def main(arguments: Sequence[str]) -> int:
    """One worker; its status."""

    def write(line: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    out, number, device = Path(arguments[0]), int(arguments[1]), arguments[2]
    try:
        plan = read_plan(out)
        whole = work(plan, out, plan.processes[number], device, lambda report: write(asdict(report)))
    except InputError as error:
        write({"error": str(error)})
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if whole else 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
