"""`unstir score`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say
from unstir.cli.options import Device, First, Json, RunFolder, Seed, SkipBad
from unstir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from unstir.data import Dataset
    from unstir.run import Run
    from unstir.scoring import Scores

_NAMED = 8
_USUAL = 1000
_WIDEST = 60  # letters of a name that the figures stand behind


def score(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Option(help="What is to be scored; the held-out data among themselves without.")
    ] = None,
    n: First = None,
    reference: Annotated[
        str | None,
        typer.Option(help="Usual items to compare with; without, held-out data of the run, up to 1,000."),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", help=".csv or .npz with every score, or .png of the most unusual images."),
    ] = None,
    levels: Annotated[int, typer.Option(min=1, help="Times of the process that are looked at.")] = 10,
    draws: Annotated[int, typer.Option(min=1, help="Draws of noise at each.")] = 4,
    skip_bad: SkipBad = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Score how unusual items are for a run, against data it was not trained on."""
    from unstir.bars import items_bar
    from unstir.cli.given import check_apart, given_items, open_run
    from unstir.data.items import spaced
    from unstir.scoring import score as scored

    if target is not None:
        _check_target(target)
    opened = open_run(run, device)
    if target is not None:
        check_apart(target, opened, data, reference)
    if target is not None and target.suffix.lower() == ".png" and opened.info.kind != "image":
        raise InputError(f"out {target}: a picture is of images; give .csv or .npz")
    # Held-out data are in the order of the files, and so of the classes: a thousand are taken from all over.
    usual = given_items(
        opened, reference, n if data is None else None, name="reference", skip_bad=bool(skip_bad)
    )
    if data is not None and reference is None:
        usual = usual.select(spaced(len(usual), _USUAL))
    items = None if data is None else given_items(opened, data, n, skip_bad=bool(skip_bad))
    shown = usual if items is None else items
    with items_bar("scoring", len(usual) + (0 if items is None else len(items)), err) as watch:
        found = scored(
            opened,
            usual.values,
            None if items is None else items.values,
            levels=levels,
            draws=draws,
            seed=seed,
            watch=watch,
        )
    worst = found.scores.argsort(descending=True)[:_NAMED].tolist()
    if target is not None:
        _write(target, opened, shown, found)
    if as_json:
        print_json(_report(found, worst, shown))
        return
    _print(found, worst, shown, data)
    if target is not None:
        say("open    ", (str(target), "bold"), console=out)


def _report(found: Scores, worst: list[int], items: Dataset) -> dict[str, object]:
    unusual = [
        {
            "item": i,
            **({"file": items.files[i]} if items.files else {}),
            "score": float(found.scores[i]),
            "percentile": float(found.percentiles[i]),
            "label": _label(items, i),
        }
        for i in worst
    ]
    return {
        "n": len(found.scores),
        "reference": len(found.reference.scores),
        "median": float(found.scores.median()),
        "above_99": found.share_above(99),
        "auroc": found.auroc,
        "most_unusual": unusual,
    }


def _print(found: Scores, worst: list[int], items: Dataset, data: str | None) -> None:
    say(
        f"{len(found.scores):,} items{'' if data is None else ' of ' + data}: median score ",
        (f"{float(found.scores.median()):.2f}", "bold"),
        f" (1 as usual as {len(found.reference.scores):,} reference items), "
        f"{100 * found.share_above(99):.1f} % above the 99th percentile of these",
        console=out,
    )
    if found.auroc is not None:
        say(f"AUROC {found.auroc:.4f}: how often an item scores above a reference item", console=out)
    names = [_name(items, i) for i in worst]
    wide = min(_WIDEST, max(map(len, ["most unusual  ", *names])))
    say(f"{'most unusual':<{wide}}  score   percentile", console=out)
    for i, name in zip(worst, names, strict=True):
        say(f"{name:<{wide}} {found.scores[i]:6.2f}   {found.percentiles[i]:6.1f}", console=out)


def _name(items: Dataset, i: int) -> str:
    """An item's file, or its number where it has none, with its class where the file does not tell it."""
    label, file = _label(items, i), items.files[i] if items.files else None
    name = f"item {i}" if file is None else file
    told = label is None or (file is not None and label in file.split("/"))
    return name if told else f"{name} ({label})"


def _label(items: Dataset, i: int) -> str | None:
    return None if items.labels is None else items.label_names[int(items.labels[i])]


def _check_target(target: Path) -> None:
    from unstir.data.target import check_place
    from unstir.itemwise import check_itemwise

    if target.suffix.lower() == ".png":
        check_place(target)
    else:
        check_itemwise(target)


def _write(target: Path, run: Run, items: Dataset, found: Scores) -> None:
    if target.suffix.lower() == ".png":
        from unstir.scoring_picture import unusual_picture
        from unstir.train.storage import explained

        with explained(target):
            unusual_picture(items.values, found, _training_images(run), target, items.files)
        return
    import torch

    from unstir.itemwise import write_itemwise

    columns: dict[str, Tensor | Sequence[str]] = {"item": torch.arange(len(items))}
    if items.files:
        columns["file"] = items.files
    columns |= {"score": found.scores, "percentile": found.percentiles}
    if items.labels is not None:
        columns["label"] = [items.label_names[number] for number in items.labels.tolist()]
    write_itemwise(target, columns)


def _training_images(run: Run) -> Tensor | None:
    """The training images, or None where they cannot be read again."""
    try:
        return run.seen(run.data()[0]).values
    except InputError:
        return None
