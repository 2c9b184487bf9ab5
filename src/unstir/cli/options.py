"""Options that several verbs share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from unstir.errors import InputError

Categorical = Annotated[
    str | None, typer.Option(help="Columns of whole numbers that are codes, with commas between.")
]
Guidance = Annotated[
    float | None,
    typer.Option(help="Above 1 more of the class, and less varied; with --guide, further from that run."),
]
Guide = Annotated[
    Path | None,
    typer.Option(help="A weaker run on the same data, or one of its checkpoints, to keep away from."),
]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
LabelColumn = Annotated[str | None, typer.Option(help="The column of a table whose classes are the labels.")]
Seed = Annotated[int, typer.Option(help="Seed: the same one gives the same samples.")]
SolverName = Annotated[
    str | None,
    typer.Option(help="One of the process's own; unstir processes lists them, the first is the default."),
]
Steps = Annotated[int | None, typer.Option(min=1, help="Solver steps; one evaluation each for multistep.")]


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
