"""The part of a data set that is for training, where folders or files are named so.

    train/cat/1.png  test/cat/1.png            images: Hugging Face's imagefolder, Keras, Kaggle
    pets/training_set/1.png  pets/val2017/1.png
    train-00000-of-00002.parquet  test/0.tar   tables and shards

A folder called `test` beside one called `train` is no class: of such parts the first is read, and it is said
of the others that they are passed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from unstir.data.found import Parts
from unstir.data.wording import counted, listed, shown
from unstir.errors import InputError

TRAIN = "train"
_SPLITS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "dev", "val"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_FILLERS = {"", "set", "data", "images", "imgs"}


def split_of(name: str) -> str | None:
    """`train`, `validation` or `test` where a folder's name says no more: `Training_set`, `val2017`."""
    said = [word for word in _words(name) if word not in _FILLERS]
    return _SPLITS.get(said[0].removesuffix("set")) if len(said) == 1 else None


def split_of_file(file: Parts) -> tuple[Parts, str]:
    """The set that a file belongs to, by its folder, and the part, by its name or its folder's, else ''."""
    where, stem = file[:-1], file[-1].lower().rsplit(".", 1)[0]
    for word in _words(stem):
        if word in _SPLITS:
            return where, _SPLITS[word]
    if where and where[-1].lower() in _SPLITS:
        return where[:-1], _SPLITS[where[-1].lower()]
    return where, ""


def _words(name: str) -> list[str]:
    return re.split(r"[-._ 0-9]+", name.lower())


@dataclass(frozen=True)
class Part:
    """What of a place is for training.

    Attributes:
        around: the folders around the parts.
        taken: names of the folders that are for training, or None where the place has no parts.
        passed: what is not, each as 'place: reason'.
    """

    around: Parts = ()
    taken: frozenset[str] | None = None
    passed: tuple[str, ...] = ()

    def holds(self, file: Parts) -> bool:
        """Whether a file is for training."""
        at = len(self.around)
        return self.taken is None or (
            len(file) > at + 1 and file[:at] == self.around and file[at] in self.taken
        )

    def concerns(self, file: Parts) -> bool:
        """Whether a file is for training, or lies around the parts and may tell of all."""
        return self.holds(file) or file[:-1] == self.around[: len(file) - 1]

    def folders(self, file: Parts) -> Parts:
        """The folders that a file lies in, within the part that is for training."""
        return file[:-1] if self.taken is None else file[len(self.around) + 1 : -1]


def training_part(images: Collection[Parts], what: str) -> Part:
    """Which images are for training: those in `train` where that has `test` or `validation` beside it.

    Args:
        images: all names in parts.
        what: the place, for messages.

    Raises:
        InputError: parts of which none is for training.
    """
    at = 0
    while images and all(len(file) > at + 1 for file in images) and len({file[at] for file in images}) == 1:
        at += 1
    around = next(iter(images), ())[:at]
    count = Counter(file[at] if len(file) > at + 1 else "" for file in images)
    splits = {name: split_of(name) for name in count if name}
    said = set(splits.values()) - {None}
    taken = [name for name, split in splits.items() if split == TRAIN]
    if len(splits) < 2 or not said or (None in splits.values() and not (taken and len(said) > 1)):
        return Part()
    if not taken:
        raise InputError(
            f"{what} has the parts {listed(splits)}, and none is {TRAIN}: give one of them alone"
        )
    passed = [
        f"{shown('/'.join((what, *around, *filter(None, [name]))))}: {counted(n, 'image')} beside "
        f"{listed(taken)}, the part that is read"
        for name, n in count.items()
        if name not in taken
    ]
    return Part(around, frozenset(taken), tuple(passed))


def training_files(files: Sequence[Parts], what: str) -> tuple[list[Parts], tuple[str, ...]]:
    """Which files are for training, and what is passed over, each as 'place: reason'.

    Args:
        files: their names in parts.
        what: the place, for messages.

    Raises:
        InputError: files of several parts, of which none is for training.
    """
    splits = [split_of_file(file)[1] for file in files]
    if len(set(splits)) == 1:
        return list(files), ()
    if TRAIN not in splits:
        found = listed(sorted({split or "others" for split in splits}))
        raise InputError(
            f"{what} holds the parts {found}, and none is {TRAIN}: give one file, or a folder of some"
        )
    kept = [file for file, split in zip(files, splits, strict=True) if split == TRAIN]
    left = Counter(split or "others" for split in splits if split != TRAIN)
    return kept, tuple(
        f"{what}, {split}: {counted(n, 'file')} beside {TRAIN}, the part that is read"
        for split, n in sorted(left.items())
    )
