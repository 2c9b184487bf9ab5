"""Cells of numbers without a value, and the rows that are left out for them where `missing=drop` asks for it.

A number is missing where a cell is empty, NaN, or one of the words that programs write for nothing: NA, null.
Text that is missing is no trouble: an empty cell is a category of its own. What is left is a table of whole
rows, so a model learns the law of rows in which nothing was missing, which is that of all only where values
are missing at random (Rubin 1976).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unstir.data.arrays import Array
from unstir.data.wording import shown
from unstir.errors import InputError

WORDS = ("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none")
_NAMED = 5


def is_missing(cell: str) -> bool:
    """Whether a cell of a .csv says that there is no number."""
    return cell.strip().lower() in WORDS


def mend_of(what: str) -> str:
    """What helps a table in which numbers are missing."""
    return f"fill it, leave out the column, or give {what}:missing=drop to leave out such rows"


def missing_cells(column: Any) -> Array:  # noqa: ANN401  pyarrow has no types
    """Which cells `(n,)` of an arrow column of numbers or of trimmed text say that there is no number."""
    from pyarrow import array, compute, types

    if types.is_floating(column.type):
        return np.asarray(compute.is_null(column, nan_is_null=True).to_numpy())
    if types.is_string(column.type):
        return np.asarray(compute.is_in(compute.utf8_lower(column), value_set=array(WORDS)).to_numpy())
    return np.asarray(compute.is_null(column).to_numpy())


def whole_rows(missing: Mapping[str, Array], what: str) -> tuple[Array, str]:
    """Which rows have all their numbers, and a line that says what the others lack; empty where none does.

    Args:
        missing: of each column of numbers, which cells are missing.
        what: the table, for messages.

    Raises:
        InputError: no row is whole.
    """
    gone = np.any(list(missing.values()), axis=0)
    counts = {key: int(cells.sum()) for key, cells in missing.items()}
    most = sorted(counts, key=lambda key: -counts[key])
    told = [f"{shown(key)} ({counts[key]:,})" for key in most if counts[key]]
    lacks = ", ".join(told[:_NAMED]) + (f" and {len(told) - _NAMED} more" if len(told) > _NAMED else "")
    if gone.all():
        raise InputError(f"{what}: no row has all its numbers; missing are {lacks}: leave such columns out")
    return ~gone, f"{int(gone.sum()):,} of {len(gone):,} rows of {what}, without {lacks}" if told else ""
