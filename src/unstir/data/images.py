"""Folders of images: .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif and .tiff, at any depth, in natural order.

Where every image lies in a sub-folder, the immediate sub-folders are the classes; a lone folder around all
classes, as unpacking leaves it, is passed through. Hidden files, and files with other endings, are not looked
at. What becomes of each image is said in `decode.py`, and how many become one array in `album.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unstir.data import labels as class_labels
from unstir.data.album import Album, read_album
from unstir.data.dataset import Dataset
from unstir.data.decode import SUFFIXES
from unstir.data.limits import MAX_IMAGE_BYTES, size_text
from unstir.data.wording import counted, listed, reason, shown
from unstir.errors import InputError

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a folder or an archive holds, as names in parts, `('cat', '1.png')`.

    Attributes:
        images: those of images, in natural order.
        others: those of other files.
    """

    images: tuple[Parts, ...]
    others: tuple[Parts, ...]


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
    files = found.images
    album = Album(
        what,
        len(files),
        lambda i: "/".join(files[i]),
        lambda: ((i, partial(_content, folder.joinpath(*file))) for i, file in enumerate(files)),
        lambda kept: class_labels.from_folders([files[i][:-1] for i in kept]),
    )
    return read_album(album, name, skip_bad, size)


def find_files(folder: Path) -> Found:
    """The files of a folder and its sub-folders.

    Raises:
        InputError: a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(
            f"{shown(error.filename)} cannot be listed ({reason(error)}): check who may read it"
        ) from error

    names = list[Parts]()
    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [item for item in folders if not hidden((item,))]
        inner = Path(where).relative_to(folder).parts
        names.extend((*inner, file) for file in files)
    return sort_out(names)


def sort_out(names: Iterable[Parts]) -> Found:
    """Images and others among names in parts, without the hidden ones."""
    open_names = [name for name in names if not hidden(name)]
    images = [name for name in open_names if name[-1].lower().endswith(SUFFIXES)]
    others = [name for name in open_names if not name[-1].lower().endswith(SUFFIXES)]
    return Found(tuple(sorted(images, key=class_labels.path_key)), tuple(sorted(others)))


def hidden(name: Sequence[str]) -> bool:
    """Whether a part of the name begins with a dot or is what a Mac adds to an archive."""
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in name)


def check_found(found: Found, what: str) -> None:
    """Refuse a place without images.

    Raises:
        InputError: it holds none.
    """
    if not found.images:
        held = "no images and no other files"
        if found.others:
            first = shown(found.others[0][-1])
            held = f"no images but {counted(len(found.others), 'other file')}, such as {first}"
        raise InputError(f"{what} holds {held}: give a place with {listed(SUFFIXES)}")


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
