"""Folders of images: .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif and .tiff, at any depth, in natural order.

Where every image lies in a sub-folder, the immediate sub-folders are the classes; a lone folder around all
classes, as unpacking leaves it, is passed through, and of `train` beside `test` the first is read
(`layout.py`). Links are followed, to each folder once. Hidden files, and files with other endings, are not
looked at. What becomes of each image is said in `decode.py`, and how many become one array in `album.py`.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from unstir.data.album import Album, read_album
from unstir.data.dataset import Dataset
from unstir.data.found import Found, Parts, check_found, hidden, sort_out
from unstir.data.layout import lay_out
from unstir.data.limits import MAX_IMAGE_BYTES, size_text
from unstir.data.wording import reason, shown
from unstir.errors import InputError


def read_folder(folder: Path, name: str, skip_bad: bool = False, size: int | None = None) -> Dataset:
    """All images of a folder, as uint8 `(n, 1 or 3, height, width)`.

    Args:
        folder: where they lie.
        name: the data set's name.
        skip_bad: pass over images that cannot be read, and name them in `Dataset.skipped`.
        size: as in `read_album`.

    Raises:
        InputError: no images; unreadable ones (each is named); more than one size; too many for memory.
    """
    what, found = shown(folder), find_files(folder)
    check_found(found, what)
    layout = lay_out(found.images, found.others, lambda file: _content(folder.joinpath(*file)), what)
    files = [file for file in found.images if layout.part.holds(file)]

    def read(file: Parts) -> bytes:
        if trouble := layout.trouble(file):
            raise ValueError(trouble)
        return _content(folder.joinpath(*file))

    album = Album(
        what,
        len(files),
        lambda i: "/".join(files[i]),
        lambda: ((i, partial(read, file)) for i, file in enumerate(files)),
        lambda kept: layout.labels([files[i] for i in kept]),
        passed=(*(shown(f"{what}/{link}") for link in found.passed), *layout.passed),
    )
    return read_album(album, name, skip_bad, size)


def find_files(folder: Path) -> Found:
    """The files of a folder and its sub-folders, and of those that links in it lead to.

    Raises:
        InputError: a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(
            f"{shown(error.filename)} cannot be listed ({reason(error)}): check who may read it"
        ) from error

    names, passed = list[Parts](), list[str]()
    around, read = {_identity(above) for above in folder.resolve().parents}, set[tuple[int, int]]()
    starts = [folder]
    try:
        for start in starts:  # which grows as links are found; folders proper come before what links lead to
            for where, folders, files in os.walk(start, onerror=refuse):
                here, inner = Path(where), Path(where).relative_to(folder).parts
                this = _identity(here)
                if this in around or this in read:
                    why = "around all of them" if this in around else "that is read by another name"
                    passed.append(f"{'/'.join(inner)}: leads to a folder {why}")
                    folders.clear()
                    continue
                read.add(this)
                names.extend((*inner, file) for file in files)
                links = [item for item in sorted(folders) if (here / item).is_symlink()]
                starts.extend(here / link for link in links if not hidden((link,)))
                folders[:] = sorted(item for item in folders if item not in links and not hidden((item,)))
    except OSError as error:
        refuse(error)
    return sort_out(names, passed)


def _identity(folder: Path) -> tuple[int, int]:
    """What two ways to one folder have in common."""
    found = folder.stat()
    return found.st_dev, found.st_ino


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise OSError("no regular file")
    check_size(file.stat().st_size)
    return file.read_bytes()


def check_size(size: int) -> None:
    """Refuse a file that is larger than any image we read.

    Raises:
        ValueError: above `MAX_IMAGE_BYTES`.
    """
    if size > MAX_IMAGE_BYTES:
        raise ValueError(f"{size_text(size)}, above the limit of {size_text(MAX_IMAGE_BYTES)} for one image")
