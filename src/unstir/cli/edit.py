"""`unstir edit`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say
from unstir.cli.options import Device, Exact, Json, Seed, SkipBad
from unstir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from unstir.data import Dataset
    from unstir.editing import Source, Watch

_ITEMS = 8


class Edit(StrEnum):
    """What is done."""

    ROUNDTRIP = "roundtrip"
    INTERPOLATE = "interpolate"
    VARY = "vary"
    RELABEL = "relabel"


_TITLES = {
    Edit.ROUNDTRIP: "To the prior and back",
    Edit.INTERPOLATE: "From one item to another",
    Edit.VARY: "Variations of each item",
    Edit.RELABEL: "The same item in other classes",
}


def edit(
    first: Annotated[
        str, typer.Argument(metavar="[RUN]", help="A run folder; none with --exact or --local.")
    ],
    second: Annotated[
        str | None,
        typer.Argument(
            metavar="HOW",
            show_default=False,
            help="roundtrip: to the prior and back; interpolate: between each two items; vary: noise and a "
            "sample from there; relabel: in other classes.",
        ),
    ] = None,
    *,
    target: Annotated[
        Path, typer.Option("--out", help=".png (a row for each item), .npz, .csv of tables, or a folder.")
    ],
    exact: Exact = None,
    local: Annotated[
        str | None, typer.Option(help="In place of a run: the field of images' patches, with no training.")
    ] = None,
    process: Annotated[
        str | None, typer.Option(help="Of --exact and --local: a linear one, poisson:D=128 by default.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--input", help="A data set or an image; held-out data without, or DATA itself."),
    ] = None,
    items: Annotated[
        str | None, typer.Option(help="Which of them, by number from 0: 3,17,4. The first 8 without.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Their class, or `own` for each one's own label; all classes together without."),
    ] = None,
    to: Annotated[
        str, typer.Option(help="relabel: the classes they become, with commas between, or all.")
    ] = "all",
    frames: Annotated[int, typer.Option(min=2, help="interpolate: how many, both ends among them.")] = 8,
    strength: Annotated[
        float, typer.Option(help="vary: from 0, the item itself, to 1, a sample of its own.")
    ] = 0.6,
    samples: Annotated[int, typer.Option(min=1, help="vary: how many of each item.")] = 7,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of the flow (30), or of the sampler where items are varied.")
    ] = None,
    solver: Annotated[str | None, typer.Option(help="vary: one of the process's own.")] = None,
    skip_bad: SkipBad = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Edit given items: encode and decode, interpolate, vary, or change their class."""
    from unstir.bars import items_bar
    from unstir.cli.given import check_apart, given_items
    from unstir.data import check_target

    run, how = _named(first, second)
    opened = _source(run, exact, local, process, device, skip_bad=bool(skip_bad))
    check_apart(target, opened, source)
    chosen = _chosen(given_items(opened, source, name="input", skip_bad=bool(skip_bad)), items, how)
    rows = {
        Edit.ROUNDTRIP: 2,
        Edit.INTERPOLATE: frames,
        Edit.VARY: 1 + samples,
        Edit.RELABEL: 1 + len(_goals(opened, to)) if how is Edit.RELABEL else 0,
    }[how]
    count = len(chosen) // 2 if how is Edit.INTERPOLATE else len(chosen)
    check_target(target, (rows * count, *chosen.shape), kind=chosen.kind)
    total = count * (1 if how is Edit.ROUNDTRIP else rows - (how is not Edit.INTERPOLATE))
    with items_bar(how.value, total, err) as watch:
        made, figures = _edited(
            opened, how, chosen, label, to, frames, strength, samples, steps, solver, seed, watch
        )
    _write(target, opened, how, made, _headings(opened, how, rows, to))
    report = {"out": str(target), "edit": how.value, "n": count, **figures}
    if as_json:
        print_json(report)
        return
    if "rms" in figures:
        say(
            "round trip: items change by ",
            (f"{100 * figures['rms']:.3g} %", "bold"),
            f" of the data's deviation (the worst by {100 * figures['worst']:.3g} %); "
            f"{100 * figures['unchanged']:.1f} % of numbers are as they were",
            console=out,
        )
    say("open    ", (str(target), "bold"), console=out)


def _named(first: str, second: str | None) -> tuple[Path | None, Edit]:
    """The run, where there is one, and what is done."""
    word = first if second is None else second
    if word not in [one.value for one in Edit]:
        known = ", ".join(Edit)
        raise InputError(f"how={word}: give one of {known}, after the run (or --exact DATA, --local DATA)")
    return None if second is None else Path(first), Edit(word)


def _source(
    run: Path | None,
    exact: str | None,
    local: str | None,
    process: str | None,
    device: str,
    *,
    skip_bad: bool,
) -> Source:
    """A run, or one of the two fields that need none."""
    from unstir.cli.given import open_run, untrained_field

    named = {"RUN": run, "--exact": exact, "--local": local}
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        told = " and ".join(given) or "none of them"
        raise InputError(f"edit: give a run folder, --exact DATA or --local DATA; you gave {told}")
    if run is None:
        return untrained_field(exact, local, process, device, skip_bad=skip_bad)
    if process is not None:
        raise InputError(f"process={process}: a run has its own; leave it out")
    return open_run(run, device)


def _edited(
    run: Source,
    how: Edit,
    chosen: Dataset,
    label: str | None,
    to: str,
    frames: int,
    strength: float,
    samples: int,
    steps: int | None,
    solver: str | None,
    seed: int,
    watch: Watch,
) -> tuple[Tensor, dict[str, float]]:
    """What is to be shown, `(rows, columns, *shape)`, and figures."""
    import torch

    from unstir.editing import in_classes, interpolate, round_trip, vary
    from unstir.flow.encode import STEPS
    from unstir.likelihood import own_labels

    values, usual = chosen.values, STEPS if steps is None else steps
    own = own_labels(chosen) if label == "own" else None
    asked = own if own is not None else label
    if how is Edit.VARY:
        each = None if own is None else [name for name in own for _ in range(samples)]
        found = vary(
            run, values, strength=strength, samples=samples, label=asked if each is None else each,
            solver=solver, steps=steps, seed=seed, watch=watch,
        )  # fmt: skip
        return torch.cat([values[:, None], found], 1), {"strength": strength}
    if solver is not None:
        raise InputError(f"solver={solver}: is for vary; the others follow the flow by steps of fourth order")
    if how is Edit.INTERPOLATE:
        if own is not None:
            if own[::2] != own[1::2]:
                raise InputError(
                    "label=own: there is no class between two others; leave it out, or pair items of one"
                )
            asked = own[::2]
        return interpolate(
            run, values[::2], values[1::2], frames=frames, label=asked, steps=usual, watch=watch
        ), {}
    if how is Edit.ROUNDTRIP:
        trip = round_trip(run, values, label=asked, steps=usual, watch=watch)
        unchanged = float((trip.values == values).double().mean())
        figures = {"rms": trip.rms, "worst": float(trip.error.max()), "unchanged": unchanged}
        return torch.stack([values, trip.values], 1), figures
    made = in_classes(run, values, _goals(run, to), label=asked, steps=usual, watch=watch)
    return torch.cat([values[:, None], made], 1), {}


def _goals(run: Source, to: str) -> list[str]:
    """The classes that items are to become, by name."""
    names, counts = run.classes, run.info.label_counts
    turns = sum(map(bool, counts)) if to == "all" else len(to.split(","))
    numbers = run.labels(max(turns, 1), label=to)
    if numbers is None:
        raise InputError(f"to={to}: name classes, with commas between, or all")
    return [names[number] for number in numbers.tolist()]


def _chosen(data: Dataset, items: str | None, how: Edit) -> Dataset:
    import torch

    if items is None:
        index = list(range(min(_ITEMS, len(data))))
    else:
        try:
            index = [int(part) for part in items.split(",")]
        except ValueError:
            raise InputError(
                f"items={items!r}: give whole numbers with commas between, such as 3,17"
            ) from None
    bad = [i for i in index if not 0 <= i < len(data)]
    if bad:
        raise InputError(f"items={bad[0]}: there are {len(data)}, from 0 to {len(data) - 1}")
    if how is Edit.INTERPOLATE:
        if items is None:
            index = index[: len(index) // 2 * 2]
        if not index or len(index) % 2:
            raise InputError(
                f"items={items or len(index)}: interpolate goes between pairs; give an even number"
            )
    return data.select(torch.tensor(index))


def _write(target: Path, run: Source, how: Edit, made: Tensor, headings: list[str]) -> None:
    """A picture with headings, or all items in their order."""
    from unstir.data import save_samples
    from unstir.data.picture import png_bytes
    from unstir.data.whole import write_bytes
    from unstir.rows import picture_of_rows

    if run.info.kind == "image" and target.suffix.lower() == ".png":
        picture = (
            picture_of_rows(made.transpose(0, 1), _TITLES[how], rows=headings)
            if how is Edit.ROUNDTRIP
            else picture_of_rows(made, _TITLES[how], columns=headings)
        )
        write_bytes(target, png_bytes(picture))
        return
    save_samples(
        target,
        made.flatten(0, 1),
        kind=run.info.kind,
        columns=run.info.columns,
        categories=run.info.categories,
    )


def _headings(run: Source, how: Edit, columns: int, to: str) -> list[str]:
    if how is Edit.ROUNDTRIP:
        return ["given", "back"]
    if how is Edit.INTERPOLATE:
        return ["first", *[""] * (columns - 2), "second"]
    if how is Edit.VARY:
        return ["given", *[""] * (columns - 1)]
    return ["given", *_goals(run, to)]
