"""Files: the pictures of a process, one after another, under names such as `poisson-D1-lines.png`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from unstir.data.load import Source
from unstir.data.whole import write_bytes
from unstir.picture.registry import parse, pictures, view_of


def write(
    process: str, folder: Path, data: Source | None = None, partner: Source | None = None
) -> Iterator[Path]:
    """Draw every picture of a process into a folder, and yield each path as soon as it is there.

    Args:
        process: a specification, as `physics.parse` takes it.
        folder: made where it does not exist; files of the same names are replaced.
        data: what strips show; by default what suits the process.
        partner: a second data set, for processes that take one.

    Raises:
        InputError: an unknown process, data that it cannot take, or a folder that cannot be written to.
    """
    view = view_of(parse(process), data, partner)
    for picture in pictures(view):
        figure = picture.draw(view)
        path = folder / f"{slug(view.bare.name)}-{picture.name}.png"
        stream = BytesIO()
        figure.savefig(stream, format="png")
        write_bytes(path, stream.getvalue())
        yield path


def slug(name: str) -> str:
    """A process's name as part of a file's: `poisson:D=1` gives `poisson-D1`."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", re.sub(r"=(?=\d)", "", name))
