"""What a place holds: names of files in parts, `('cat', '1.png')`, sorted into images and others.

Hidden files, and what a Mac adds to an archive, are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unstir.data import labels as class_labels
from unstir.data.decode import SUFFIXES
from unstir.data.wording import counted, listed, shown
from unstir.errors import InputError

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a folder or an archive holds.

    Attributes:
        images: names of images, in natural order.
        others: those of other files.
        passed: folders that are not looked into, each as 'name: reason'.
    """

    images: tuple[Parts, ...]
    others: tuple[Parts, ...]
    passed: tuple[str, ...] = ()


def in_parts(name: str) -> Parts:
    """A name in an archive as parts, without a root and without `.`."""
    return tuple(part for part in re.split(r"[\\/]", name) if part not in ("", "."))


def is_image(name: Parts) -> bool:
    """Whether the name ends as one of an image, and is not hidden."""
    return name[-1].lower().endswith(SUFFIXES) and not hidden(name)


def sort_out(names: Iterable[Parts], passed: Sequence[str] = ()) -> Found:
    """Images and others among names, without the hidden ones."""
    open_names = [name for name in names if not hidden(name)]
    images = [name for name in open_names if is_image(name)]
    others = [name for name in open_names if not is_image(name)]
    return Found(tuple(sorted(images, key=class_labels.path_key)), tuple(sorted(others)), tuple(passed))


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
