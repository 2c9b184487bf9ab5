"""Options that several verbs share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from unstir.errors import InputError

_DEVICES = "auto, cpu, cuda or mps."

BudgetMinutes = Annotated[float | None, typer.Option(help="Budget in time; 1 by default.")]
BudgetSteps = Annotated[int | None, typer.Option(help="Budget in steps, in place of minutes.")]
Categorical = Annotated[
    str | None, typer.Option(help="Columns of whole numbers that are codes, with commas between.")
]
Device = Annotated[str, typer.Option(help=_DEVICES)]
DeviceOrNone = Annotated[str | None, typer.Option(help=_DEVICES)]
Exact = Annotated[
    str | None, typer.Option(help="In place of a run: the exact field of data, which gives them back.")
]
First = Annotated[int | None, typer.Option("-n", "--number", min=1, help="The first so many only.")]
Guidance = Annotated[
    float | None,
    typer.Option(help="Above 1 more of the class, and less varied; with --guide, further from that run."),
]
Guide = Annotated[
    Path | None,
    typer.Option(help="A weaker run on the same data, or one of its checkpoints, to keep away from."),
]
HoldoutOfData = Annotated[float, typer.Option(help="Share of --data to compare with.")]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
LabelColumn = Annotated[str | None, typer.Option(help="The column of a table whose classes are the labels.")]
RunFolder = Annotated[Path, typer.Argument(help="A run folder.")]
Seed = Annotated[int, typer.Option(help="Seed: the same one gives the same samples.")]
SkipBad = Annotated[
    bool | None, typer.Option("--skip-bad", help="Pass over unreadable files among the data, and name them.")
]
SolverName = Annotated[
    str | None,
    typer.Option(help="One of the process's own; unstir processes lists them, the first is the default."),
]
Steps = Annotated[int | None, typer.Option(min=1, help="Solver steps; one evaluation each for multistep.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads.")]


def given(**options: object) -> dict[str, Any]:
    """Those options that were given: the others are None."""
    return {name: value for name, value in options.items() if value is not None}


def mapping(text: str | None) -> dict[str, Any] | None:
    """A network's own options from JSON.

    Raises:
        InputError: it is no mapping.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise InputError(f'network-options={text!r}: give a JSON mapping such as {{"width": 512}}')
    return value


def names_in(text: str | None) -> list[str] | None:
    """Names with commas between."""
    return None if text is None else text.split(",")
