"""`unstir distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unstir.cli.options import BudgetMinutes, BudgetSteps, DeviceOrNone, Json, Threads, given


def distill(
    run: Annotated[Path, typer.Argument(help="The teacher: a trained run of a linear process.")],
    target: Annotated[
        Path | None, typer.Option("--out", help="Run folder of the student; a new one beside the teacher's.")
    ] = None,
    minutes: BudgetMinutes = None,
    steps: BudgetSteps = None,
    seed: Annotated[int | None, typer.Option(help="Seed of priors and their order.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate; the teacher's by default.")] = None,
    device: DeviceOrNone = None,
    threads: Threads = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the student in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Distil a trained run into one that samples in one to four evaluations."""
    from unstir.cli.training import resumed, train_through
    from unstir.train.cluster import leave
    from unstir.train.distill import student_config, student_path
    from unstir.train.session import start

    options = given(minutes=minutes, steps=steps, seed=seed, lr=lr, device=device, threads=threads)
    if resume:
        session = resumed(target, options)
    else:
        session = start(student_config(run, **options), target or student_path(run))
    train_through(session, as_json=as_json)
    leave()
