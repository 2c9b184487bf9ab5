"""A trained run: what it is of, how its training went, and how it can be sampled. `{"kind": "run"}`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field as Bounded

from unstir.flow import default_solver
from unstir.flow.registry import solvers
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.requests import Request
from unstir.lab.topics.born import TASKS
from unstir.physics import LinearProcess

_METRICS = 2_000_000  # bytes at the end of the figures
_SHOWN = 400  # of them


class RunInfo(Request):
    """Asks after one run.

    Attributes:
        run: its name in the lab's folder.
    """

    kind: Literal["run"]
    run: Annotated[str, Bounded(min_length=1, max_length=200)]

    def answer(self, context: Context) -> Iterator[Answer]:
        opened = context.lab.opened.get(context.lab.runs, self.run)
        run = opened.run
        process: Any = run.process
        told = {
            "run": self.run,
            "process": process.name,
            "data": Path(run.config.data).name,
            "images": opened.images,
            "shape": list(run.info.shape),
            "classes": list(run.classes),
            "network": run.config.network,
            "parameters": sum(p.numel() for p in run.field.parameters()),
            "step": run.step,
            "solvers": list(solvers(process, run.field)),
            "usual": default_solver(process, run.field).usual_steps(process),
            "guides": bool(run.classes) and run.config.label_dropout > 0,
            "tasks": list(TASKS) if opened.images and isinstance(process, LinearProcess) else [],
            "count": run.info.count,
        }
        steps, losses = metrics(run.path)
        yield Answer(told, {"steps": torch.tensor(steps), "loss": torch.tensor(losses)})


def metrics(path: Path) -> tuple[list[int], list[float]]:
    """Steps and losses of a run, at most a few hundred of them; none where the file cannot be read."""
    try:
        with (path / "metrics.jsonl").open("rb") as file:
            file.seek(0, 2)
            whole = file.tell() <= _METRICS
            file.seek(0 if whole else -_METRICS, 0 if whole else 2)
            lines = file.read().splitlines()[0 if whole else 1 :]
    except OSError:
        return [], []
    steps, losses = [], []
    for line in lines[:: max(1, -(-len(lines) // _SHOWN))]:
        try:
            found = json.loads(line)
            step, loss = int(found["step"]), float(found["loss"])
        except (ValueError, KeyError, TypeError):
            continue
        steps.append(step)
        losses.append(loss)
    return steps, losses
