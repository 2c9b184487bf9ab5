"""Class labels: from names or from numbers to int64 class numbers from 0, with a name for each.

Names are numbered in natural order, so that `2` comes before `10`. Numbers stay as they are: a file that
holds only the classes 3 and 7 keeps 3 and 7, and samples of one class can be compared with data of all.
A column of classes is called by one of `COLUMN_NAMES`, in that order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unstir.data.wording import counted
from unstir.errors import InputError

MAX_CLASSES = 100_000
COLUMN_NAMES = ("label", "labels", "class", "cls", "y")
_LONGEST = 200  # letters in a class's name

Labels = tuple[Tensor, tuple[str, ...]]
Class = int | str


def natural_key(text: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """The key that sorts `image2` before `image10`, the same on every machine."""
    parts = re.split(r"([0-9]+)", text.casefold())
    # Numbers as their length and digits: Python turns no text of thousands of digits into a number.
    return tuple(_rank(part) if i % 2 else part for i, part in enumerate(parts)), text


def _rank(digits: str) -> tuple[int, str]:
    significant = digits.lstrip("0")
    return len(significant), significant


def path_key(parts: Sequence[str]) -> list[tuple[tuple[str | tuple[int, str], ...], str]]:
    """The key that sorts paths, given in parts, naturally and folder by folder."""
    return [natural_key(part) for part in parts]


def from_folders(folders: Sequence[tuple[str, ...]]) -> Labels | None:
    """Labels of items from the folders each lies in, outermost first, or None where some lie in none.

    The immediate sub-folders are the classes; a lone folder around all of them is passed through.
    """
    depth = 0
    while all(len(inner) > depth + 1 for inner in folders) and len({inner[depth] for inner in folders}) == 1:
        depth += 1
    return from_names([inner[depth] for inner in folders]) if all(folders) else None


def as_class(value: object) -> Class | None:
    """A value in a file as a class: a number, a name that can be shown, or None for what is neither."""
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(r"-?[0-9]{1,9}", text):
            return int(text)
        return text if 0 < len(text) <= _LONGEST and text.isprintable() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def from_classes(classes: Sequence[Class], what: str = "classes of samples") -> Labels:
    """Labels from classes: numbers stay as they are, unless there are names among them.

    Args:
        classes: one for each item.
        what: where they come from, for messages.

    Raises:
        InputError: a number below 0 or from `MAX_CLASSES`.
    """
    if all(isinstance(found, int) for found in classes):
        return from_array(np.array(classes, dtype=np.int64), len(classes), what)
    return from_names([str(found) for found in classes])


def from_names(names: Sequence[str]) -> Labels:
    """Numbers `(n,)` int64 for `names`, and the distinct names in order of number."""
    distinct = sorted(set(names), key=natural_key)
    number = {name: i for i, name in enumerate(distinct)}
    return torch.tensor([number[name] for name in names], dtype=torch.int64), tuple(distinct)


def from_array(array: np.ndarray[Any, Any], n: int, what: str) -> Labels:
    """Labels of `n` items from an array of integers or of text.

    Args:
        array: `(n,)` or, as Keras and MedMNIST have them, `(n, 1)`; whole numbers of any type or booleans are
            class numbers, text is named classes.
        n: how many items there are.
        what: where the array comes from, for messages.

    Raises:
        InputError: another shape, length or type, or a class number below 0 or from `MAX_CLASSES`.
    """
    if array.shape == (n, 1):
        array = array[:, 0]
    if array.shape != (n,):
        many = array.ndim == 2 and len(array) == n
        rows = ", of rows with one 1 their argmax(1); where an item has several classes leave the array out"
        raise InputError(
            f"{what} have shape {array.shape} for {counted(n, 'item')}: give one label per item, shape ({n},)"
            f"{rows if many else ''}"
        )
    if array.dtype.kind == "U":
        return from_names([str(name) for name in array])
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} have dtype {array.dtype}: give integers from 0, or text")
    if array.dtype.kind == "f" and (broken := ~np.isfinite(array) | (array != np.floor(array))).any():
        raise InputError(
            f"{what} hold {array[broken][0]:g}: give integers from 0, or text; leave out what is no class"
        )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MAX_CLASSES:
        wrong = array.min() if low < 0 else array.max()
        raise InputError(
            f"{what} hold {wrong!s}: class numbers lie from 0 to {MAX_CLASSES - 1}, number them anew"
        )
    return torch.from_numpy(array.astype(np.int64)), tuple(str(i) for i in range(high + 1))
