"""`unstir distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unstir.cli.options import Json


def distill(
    run: Annotated[Path, typer.Argument(help="The teacher: a trained run of a linear process.")],
    target: Annotated[
        Path | None, typer.Option("--out", help="Run folder of the student; a new one beside the teacher's.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget in time; 1 by default.")] = None,
    steps: Annotated[int | None, typer.Option(help="Budget in steps, in place of minutes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of priors and their order.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate; the teacher's by default.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the student in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Distil a trained run into one that samples in one to four evaluations."""
    from unstir.cli.train import _resumed, _train
    from unstir.train.cluster import leave
    from unstir.train.distill import student_config, student_path
    from unstir.train.session import start

    given = {
        key: value
        for key, value in {
            "minutes": minutes, "steps": steps, "seed": seed, "lr": lr, "device": device, "threads": threads,
        }.items()
        if value is not None
    }  # fmt: skip
    if resume:
        session = _resumed(target, None, given)
    else:
        session = start(student_config(run, **given), target or student_path(run))
    _train(session, as_json)
    leave()
