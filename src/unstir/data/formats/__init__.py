"""Formats of samples on disk, by the ending of the target's name."""

from __future__ import annotations

from pathlib import Path

from unstir.data.dataset import Dataset
from unstir.data.formats.format import Format, Part
from unstir.data.formats.lines import Csv, Lines
from unstir.data.formats.npz import Npz
from unstir.data.formats.parquet import ImageParquet, TableParquet
from unstir.data.formats.picture import Picture
from unstir.data.formats.pngs import Folder, Zip

SUFFIXES = (".npz", ".png", ".csv", ".parquet", ".txt", ".zip")

__all__ = ["SUFFIXES", "Format", "Part", "format_of"]


def format_of(target: Path, layout: Dataset) -> Format:
    """The format of a target that `check_format` has let through.

    Args:
        target: its ending tells.
        layout: a data set of no items: kind, shape, names, and whether there are labels.
    """
    suffix = target.suffix.lower()
    if suffix == ".parquet":
        return ImageParquet(layout) if layout.kind == "image" else TableParquet(layout)
    others: dict[str, type[Format]] = {
        ".npz": Npz, ".png": Picture, ".csv": Csv, ".txt": Lines, ".zip": Zip, "": Folder,
    }  # fmt: skip
    return others[suffix](layout)
