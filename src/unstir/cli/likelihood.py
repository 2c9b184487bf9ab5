"""`unstir likelihood`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say
from unstir.cli.options import Device, Json, RunFolder, Seed, SkipBad

if TYPE_CHECKING:
    from unstir.likelihood import Likelihood


def likelihood(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Option(help="Whose likelihood; the run's held-out data without.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="The first so many at most.")] = 1000,
    draws: Annotated[
        int, typer.Option(min=1, help="Draws for each item; 2 or more tell each item's error.")
    ] = 1,
    probes: Annotated[int, typer.Option(min=1, help="Random directions of the trace, for each draw.")] = 1,
    label: Annotated[
        str | None,
        typer.Option(help="Given this class, or `own` for each item's own; all together without."),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="Write every item's figures here: .csv or .npz.")
    ] = None,
    skip_bad: SkipBad = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Say how likely a run holds data to be: bits per dimension, with their error."""
    from unstir.bars import items_bar
    from unstir.cli.given import check_apart, given_items, open_run
    from unstir.itemwise import check_itemwise
    from unstir.likelihood import likelihood as found_by
    from unstir.likelihood import own_labels

    if target is not None:
        check_itemwise(target)
    opened = open_run(run, device)
    if target is not None:
        check_apart(target, opened, data)
    items = given_items(opened, data, n, skip_bad=bool(skip_bad))
    asked = own_labels(items) if label == "own" else label
    with items_bar("likelihood", len(items) * draws, err) as watch:
        found = found_by(
            opened, items.values, label=asked, draws=draws, probes=probes, seed=seed, watch=watch
        )
    if target is not None:
        _write(target, found, items.files)
    if as_json:
        print_json(
            {
                "bits_per_dimension": found.mean,
                "error": found.mean_error,
                "n": len(found.bits),
                "draws": draws,
                "dimensions": found.size,
                "nats_per_item": float(found.nats.mean()),
                "meaning": found.meaning,
                "process": opened.process.name,
            }
        )
        return
    where = "held-out items" if data is None else f"items of {data}"
    say(
        "bits per dimension ↓  ",
        (f"{found.mean:.4f} ± {found.mean_error:.4f}", "bold"),
        f"   {len(found.bits):,} {where}, {found.size} dimensions",
        console=out,
    )
    say(found.meaning, console=out)
    if target is not None:
        say("open    ", (str(target), "bold"), console=out)


def _write(target: Path, found: Likelihood, files: Sequence[str]) -> None:
    import torch

    from unstir.itemwise import write_itemwise

    named: dict[str, Sequence[str]] = {"file": files} if files else {}
    figures = {"nats": found.nats, "bits": found.bits, "bits_error": found.bits_error}
    write_itemwise(target, {"item": torch.arange(len(found.nats)), **named, **figures})
