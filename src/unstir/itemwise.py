"""Figures of items, one row each, as a file: `.csv`, or `.npz` with an array for each column."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from unstir.data.target import check_place
from unstir.data.whole import write_file, write_whole
from unstir.data.wording import shown
from unstir.errors import InputError

ENDINGS = (".csv", ".npz")


def check_itemwise(path: Path) -> Path:
    """Refuse a target that could not be written, before any time is spent on figures.

    Raises:
        InputError: another ending, or a place that cannot be written.
    """
    path = path.expanduser()
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"out {shown(path)}: give a name that ends in {' or '.join(ENDINGS)}")
    check_place(path)
    return path


def write_itemwise(path: Path, columns: Mapping[str, Tensor | Sequence[str]]) -> None:
    """Write columns of equal length, whole or not at all; a file there is replaced.

    Raises:
        InputError: the disk is full, or takes no such file.
    """
    values = {
        name: column.numpy() if isinstance(column, Tensor) else np.array(column)
        for name, column in columns.items()
    }
    packed = _csv(values) if path.suffix.lower() == ".csv" else _npz(values)
    write_whole(path.expanduser(), lambda target: write_file(target, packed))


def _csv(values: Mapping[str, np.ndarray]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(values)
    writer.writerows(zip(*(column.tolist() for column in values.values()), strict=True))
    return text.getvalue().encode("utf-8", "surrogateescape")  # files have names that are no text


def _npz(values: Mapping[str, np.ndarray]) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **values)  # type: ignore[arg-type]
    return packed.getvalue()
