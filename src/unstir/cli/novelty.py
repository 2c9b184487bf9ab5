"""`unstir novelty`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say, say_skipped
from unstir.cli.options import HoldoutOfData, Json, Seed, SkipBad
from unstir.errors import InputError

if TYPE_CHECKING:
    from unstir.data import Dataset
    from unstir.run import Run


def novelty(
    target: Annotated[Path, typer.Option("--out", help="The report: a page, .html, or a picture, .png.")],
    data: Annotated[str | None, typer.Option(help="Images; a run's own by default.")] = None,
    run: Annotated[Path | None, typer.Option(help="A run on the same images, to place beside.")] = None,
    process: Annotated[
        str | None, typer.Option(help="Of the fields without training; the run's, or poisson:D=128.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=20, help="Samples of each field.")] = 200,
    features: Annotated[
        str | None, typer.Option(help="pixels, pca:K or logits; logits where there are labels.")
    ] = None,
    holdout: HoldoutOfData = 0.2,
    skip_bad: SkipBad = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Place exact, local and trained fields on one picture: quality against novelty."""
    from unstir.bars import stage_bar
    from unstir.cli.given import check_apart, open_run
    from unstir.novelty import compare_novelty, conclusion
    from unstir.novelty_page import check_report, write_report

    check_report(target)
    opened = None if run is None else open_run(run)
    check_apart(target, opened, data)
    train, heldout = _parts(data, opened, holdout, seed, skip_bad=bool(skip_bad))
    with stage_bar(5 if opened is not None else 4, err) as stage:
        found = compare_novelty(
            train, heldout, run=opened, process=process, n=n, features=features, seed=seed, watch=stage
        )
    path = write_report(found, target.expanduser(), ("unstir", *sys.argv[1:]))
    if as_json:
        print_json({"out": str(path)} | found.to_dict())
        return
    for line in conclusion(found):
        say(line, console=out)
    say("open    ", (str(path), "bold"), console=out)


def _parts(
    data: str | None, run: Run | None, holdout: float, seed: int, *, skip_bad: bool
) -> tuple[Dataset, Dataset]:
    """The (training, held-out) images: a run's as it saw them, wherever they come from."""
    from unstir.data import load
    from unstir.data.items import parted
    from unstir.train.source import as_read

    if data is None:
        if run is None:
            raise InputError("data: is missing; give images (--data D), or a run (--run RUN)")
        return run.data()
    given = load(data, skip_bad=skip_bad)
    say_skipped(given)
    if run is not None:
        return parted(as_read(given, run.config), run.config.holdout or holdout, run.config.seed).sets
    if holdout == 0:
        raise InputError("holdout=0: nothing is held out to compare with; give a share such as 0.2")
    return parted(given, holdout, seed).sets
