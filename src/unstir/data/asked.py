"""What is asked for behind a data's name: `photos:size=64`, `people.csv:missing=drop`, `x.parquet:label=y`.

Several may stand one behind the other. A file or folder of that very name, colon and all, is taken for
itself.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from unstir.data.wording import shown
from unstir.errors import InputError

_LARGEST_SQUARE = 4096
_DROP = "drop"


@dataclass(frozen=True)
class Asked:
    """A place, and how its data are to be read.

    Attributes:
        place: a path or a built-in name.
        size: the pixels of the square that each image is cropped and scaled to, or None to leave them.
        drop: whether the rows of a table that lack a number are left out.
        label: the column of a table of images whose classes are the labels, or None for the usual one.
    """

    place: str
    size: int | None = None
    drop: bool = False
    label: str | None = None

    def check_none(self, name: str) -> None:
        """Refuse what data of another kind are asked for.

        Raises:
            InputError: anything is asked for.
        """
        if self.size is not None:
            raise InputError(f"data {shown(name)}: size is for images in files of their own; leave it out")
        self.check_no_table(name)

    def check_no_table(self, name: str) -> None:
        """Refuse `missing=drop` and `label`, of what is no table.

        Raises:
            InputError: one of them is asked for.
        """
        if self.label is not None:
            raise InputError(
                f"data {shown(name)}: label is for images in .parquet, .arrow, .feather; leave it out"
            )
        if self.drop:
            raise InputError(
                f"data {shown(name)}: missing is for tables (.csv, .parquet, .arrow, .feather); leave it out"
            )


def asked(name: str) -> Asked:
    """A data's name as the place and what is asked for behind it.

    Raises:
        InputError: a size that is no number, or beyond reason; another way with what is missing; a label
            without a name; or one thing asked for twice.
    """
    place, wishes = name, dict[str, str]()
    while found := re.fullmatch(r"(.+):(size|missing|label)=([^:/\\]*)", place, re.DOTALL):
        if os.path.exists(os.path.expanduser(place)):
            break
        place, key, value = found.groups()
        if key in wishes:
            raise InputError(f"data {shown(name)}: {key} is asked for twice; give it once")
        wishes[key] = value
    if wishes.get("missing", _DROP) != _DROP:
        raise InputError(
            f"data {shown(name)}: missing={wishes['missing']} is not known; give missing={_DROP}"
        )
    if wishes.get("label") == "":
        raise InputError(f"data {shown(name)}: label= has no name; give that of a column")
    size = None if "size" not in wishes else _size(name, wishes["size"])
    return Asked(place, size, "missing" in wishes, wishes.get("label"))


def _size(name: str, value: str) -> int:
    size = int(value) if re.fullmatch(r"[0-9]{1,9}", value) else 0
    if not 1 <= size <= _LARGEST_SQUARE:
        raise InputError(
            f"data {shown(name)}: size={value} is no number of pixels from 1 to {_LARGEST_SQUARE}; "
            "give one such as size=64"
        )
    return size


def short_name(name: str) -> str:
    """What files made of these data may be called: `my-pictures-size64` for `~/my-pictures/:size=64`."""
    found = asked(name)
    stem = Path(os.path.expanduser(found.place)).absolute().stem or "data"
    return stem + (f"-size{found.size}" if found.size else "")
