"""`unstir picture`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import out, print_json, say, say_skipped
from unstir.cli.options import Json, SkipBad

if TYPE_CHECKING:
    from unstir.data import Dataset


def picture(
    process: Annotated[str, typer.Argument(help="Such as poisson:D=1 or heat; see unstir processes.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the pictures.")] = Path("pictures"),
    data: Annotated[
        str | None, typer.Option(help="What strips show: a built-in set or a path, points or images.")
    ] = None,
    partner: Annotated[
        str | None, typer.Option(help="A second data set, for a process between two (capacitor).")
    ] = None,
    skip_bad: SkipBad = None,
    as_json: Json = False,
) -> None:
    """Draw a physics: strips from data to prior and back, field lines, and what is its own."""
    from unstir.picture import parse, write
    from unstir.train.machine import using_threads

    parse(process)  # refused before data are read
    shown, other = (_read(name, skip_bad=bool(skip_bad)) for name in (data, partner))
    written = []
    # Small tensors: threads that wait for each other cost more than they bring.
    with using_threads(1):
        for path in write(process, folder, shown, other):
            written.append(str(path))
            if not as_json:
                say("open    ", (str(path), "bold"), console=out)
    if as_json:
        print_json({"process": process, "pictures": written})


def _read(name: str | None, *, skip_bad: bool) -> Dataset | None:
    from unstir.data import load

    if name is None:
        return None
    data = load(name, skip_bad=skip_bad)
    say_skipped(data)
    return data
