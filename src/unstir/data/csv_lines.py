"""The lines of a .csv as plain Python reads them: the names above, and the first cell that is at fault."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO

from unstir.data.missing import is_missing, mend_of
from unstir.data.wording import quoted, reason, shown
from unstir.errors import InputError

LONGEST_LINE = 2**24


def head(stream: IO[str], what: str) -> tuple[str, list[str], int]:
    """The first line with anything in it, the columns' names, and how many lines come before the numbers."""
    skip, first = 0, stream.readline(LONGEST_LINE)
    while first and not first.strip():
        skip, first = skip + 1, stream.readline(LONGEST_LINE)
    if not first:
        raise InputError(f"{what} is empty: give at least one row")
    if len(first) >= LONGEST_LINE:
        raise InputError(f"{what}: its first line is longer than {LONGEST_LINE} characters: is it a .csv?")
    if all(number(cell) is not None for cell in first.split(",")):
        return first, [f"x{i}" for i in range(first.count(",") + 1)], skip
    try:
        columns = next(csv.reader([first]))
    except csv.Error as error:
        raise InputError(f"{what}: its first line names no columns ({reason(error)}): mend it") from error
    check_names(columns, what)
    if len(columns) == 1 and (mark := next((mark for mark in ";\t|" if mark in columns[0]), None)):
        raise InputError(f"{what} has {quoted(mark)} between its columns: give commas")
    return first, columns, skip + 1


def check_names(columns: Sequence[str], what: str) -> None:
    """Refuse column names that are missing, repeated, or pandas' row numbers.

    Raises:
        InputError: one of these.
    """
    seen: set[str] = set()
    for i, column in enumerate(columns):
        if not column.strip() or column.startswith("__index_level_"):
            raise InputError(
                f"{what}: column {i + 1} has no name, as pandas' row numbers have none: name it, or write "
                "the table with index=False"
            )
        if column in seen:
            raise InputError(f"{what} has two columns {quoted(column)}: give each its own name")
        seen.add(column)


def number(cell: str) -> float | None:
    """A cell as a number, or None where it is none."""
    try:
        return float(cell)
    except ValueError:
        return None


def blame(path: Path, texts: Collection[str] | None = None, drop: bool = False) -> None:
    """Find the first cell or row at fault, slowly and in plain Python, and say where it is.

    Args:
        path: the file.
        texts: columns that need hold no numbers; None for all of them.
        drop: whether numbers may be missing.

    Raises:
        InputError: there is one.
    """
    what = shown(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            _, columns, skip = head(stream, what)
            stream.seek(0)
            lines = csv.reader(stream)
            for _ in range(skip):
                next(lines)
            for row, cells in enumerate((cells for cells in lines if cells), start=1):
                place = f"{what}: row {row} (line {lines.line_num})"
                if len(cells) != len(columns):
                    raise InputError(
                        f"{place} has {len(cells)} values for {len(columns)} columns: mend the row"
                    )
                for column, cell in zip(columns, cells, strict=True):
                    lacks = is_missing(cell)
                    if texts is None or column in texts or (lacks and drop):
                        continue
                    if lacks:
                        raise InputError(f"{place}, column {quoted(column)} {_lack(cell)}: {mend_of(what)}")
                    found = number(cell)
                    if found is None or not math.isfinite(found):
                        wrong = "is no number" if found is None else "is not finite"
                        raise InputError(
                            f"{place}, column {quoted(column)}: {quoted(cell)} {wrong}: mend it or "
                            "leave the row out"
                        )
    except (OSError, UnicodeError, csv.Error, StopIteration):
        return


def _lack(cell: str) -> str:
    return f"holds {quoted(cell)}, which is no value" if cell.strip() else "has no value"
