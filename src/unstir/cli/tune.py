"""`unstir tune`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from unstir.cli.console import err, out, print_json, say
from unstir.cli.options import Device, Json, Seed, SolverName


def tune(
    run: Annotated[Path, typer.Argument(help="A run folder; the times are kept in it.")],
    evaluations: Annotated[int, typer.Option(min=2, help="Field evaluations a sample, at most.")] = 10,
    solver: SolverName = None,
    priors: Annotated[
        int, typer.Option(min=8, help="Prior draws to tune with, and as many to judge by.")
    ] = 64,
    rounds: Annotated[int, typer.Option(min=0, help="Of improvement, at most.")] = 4,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Find better time steps for a trained run, and keep them with it."""
    from dataclasses import asdict

    from unstir.bars import tuning_bar
    from unstir.cli.given import open_run
    from unstir.tuning import FILE, tune_run

    opened = open_run(run, device)
    with tuning_bar(err) as watch:
        outcome = tune_run(
            opened, evaluations, solver=solver, priors=priors, rounds=rounds, seed=seed, watch=watch
        )
    found, steps = outcome.found, len(outcome.found.times)
    if as_json:
        print_json({"steps": steps, **asdict(outcome)})
        return
    figures = f"{found.usual_rms:.4f} with the usual times, {found.rms:.4f} with tuned ones"
    if outcome.previous is not None:
        figures += f", {outcome.previous.rms:.4f} with those kept before"
    say(
        f"{outcome.evaluations} evaluations, {priors} priors not tuned with: rms to the converged flow ",
        (figures, "bold"),
        console=out,
    )
    if not outcome.kept:
        say("no better: nothing was changed", console=out)
        return
    option = "" if solver is None else f" --solver {solver}"
    command = f"unstir sample {shlex.quote(str(run))} --steps {steps}{option}"
    say(f"kept in {opened.path / FILE}: {command} takes them", console=out)
