"""One door for all data: `load` looks at what it is given and hands it to the reader of that format.

name of a built-in set     `builtin.py`    (a folder of the same name is given as `./digits`)
folder of images           `images.py`
.zip .tar .tar.gz .tgz     `archives.py`; with labels inside, or several of them, shards (`shards.py`)
.npz  .npy  array, tensor  `npy.py`, `arrays.py`; a .npy too large for memory `mapped.py`
.csv  .parquet             `tables.py`
.parquet .arrow .feather   `arrow.py`, where there are images in them; Hugging Face's folders `hub.py`
.txt                       `text.py`, one item a line
idx, plain or .gz          `idx.py`

`photos:size=64`, of any place with images, crops and scales each to 64 x 64 pixels; of any table
`people.csv:missing=drop` leaves out the rows that lack a number; of a table of images `x.parquet:label=fine`
takes that column's classes (`asked.py`).
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from unstir.data.archives import TAR_SUFFIXES, expand, read_tars, read_zip
from unstir.data.arrays import from_array, from_tensor
from unstir.data.arrow import SUFFIXES as TABLE_SUFFIXES
from unstir.data.arrow import read_tables
from unstir.data.asked import Asked, asked
from unstir.data.builtin import BUILTIN, make
from unstir.data.dataset import Dataset
from unstir.data.decode import SUFFIXES
from unstir.data.hub import is_saved, is_table, read_saved, read_tables_in
from unstir.data.idx import is_idx, read_idx
from unstir.data.images import find_files, read_folder
from unstir.data.labels import path_key
from unstir.data.limits import is_large
from unstir.data.mapped import read_mapped
from unstir.data.metadata import is_metadata
from unstir.data.npy import read_npy, read_npz, with_labels_beside
from unstir.data.splits import training_files
from unstir.data.tables import read_csv
from unstir.data.text import read_text
from unstir.data.wording import listed, reason, shown
from unstir.errors import InputError

READABLE = (
    "a folder of images, .zip, .tar, .npz, .npy, .csv, .parquet, .arrow, .feather, .txt, an idx file "
    "(such as train-images-idx3-ubyte.gz), shards (a folder of them, or shard-{000..004}.tar) or the folder "
    "of a Hugging Face data set"
)

Source = str | os.PathLike[str] | np.ndarray[Any, Any] | Tensor | Dataset

_Reader = Callable[[Path, str, bool, Asked], Dataset]


def _plain(read: Callable[[Path, str], Dataset]) -> _Reader:
    """A reader of one array, in which there is nothing to pass over, to scale or to drop."""

    def plain(path: Path, name: str, skip_bad: bool, wish: Asked) -> Dataset:
        wish.check_none(name)
        return read(path, name)

    return plain


def _npy(path: Path, name: str) -> Dataset:
    read = read_mapped if is_large(path.stat().st_size) else read_npy
    return with_labels_beside(read(path, name), path)


def _csv(path: Path, name: str, skip_bad: bool, wish: Asked) -> Dataset:
    replace(wish, drop=False).check_none(name)
    return read_csv(path, name, wish.drop)


def _zip(path: Path, name: str, skip_bad: bool, wish: Asked) -> Dataset:
    wish.check_no_table(name)
    return read_zip(path, name, skip_bad, wish.size)


def _tar(path: Path, name: str, skip_bad: bool, wish: Asked) -> Dataset:
    wish.check_no_table(name)
    return read_tars([path], shown(path), name, skip_bad, wish.size)


def _table(path: Path, name: str, skip_bad: bool, wish: Asked) -> Dataset:
    return read_tables([path], shown(path), name, skip_bad, wish.size, drop=wish.drop, label=wish.label)


_READERS: dict[str, _Reader] = {
    ".npz": _plain(read_npz),
    ".npy": _plain(_npy),
    ".csv": _csv,
    ".txt": _plain(read_text),
    ".zip": _zip,
    **dict.fromkeys(TAR_SUFFIXES, _tar),
    **dict.fromkeys(TABLE_SUFFIXES, _table),
}


def load(source: Source, *, skip_bad: bool = False) -> Dataset:
    """Read a data set into memory, or lay a map over a .npy that is too large for it.

    Args:
        source: a built-in name (`BUILTIN`), a path, a numpy array, a tensor, or a `Dataset`, which comes back
            as it is. Arrays and tensors are copied; shape and dtype tell images from tables (`arrays.py`).
            Behind a path of images, `:size=64` has each cropped at its centre to a square, and scaled;
            behind one of a table, `:missing=drop` leaves out the rows that lack a number and says so in
            `Dataset.skipped`; behind one of a table of images, `:label=NAME` takes that column's classes.
        skip_bad: in a folder, an archive or a table of images, pass over those that cannot be read and name
            them in `Dataset.skipped`.

    Returns:
        Images as uint8 `(n, channels, height, width)`, a table as float32 `(n, columns)` or text as int32
        code points `(n, length)`, labels if any.

    Raises:
        InputError: anything wrong with the source, in one line that names it and the mend.
    """
    if isinstance(source, Dataset):
        return source
    if isinstance(source, Tensor):
        return from_tensor(source, "tensor", what="the tensor")
    if isinstance(source, np.ndarray):
        if np.ma.is_masked(source):
            raise InputError("the array has masked values: fill them or leave those items out")
        return from_array(np.asarray(source), "array", what="the array")
    if isinstance(source, str) and source in BUILTIN:
        return make(source)
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"data of type {type(source).__name__}: give a name, a path, an array, a tensor or a Dataset"
        )
    return _read(source, skip_bad)


def _read(source: str | os.PathLike[str], skip_bad: bool) -> Dataset:
    name = os.fsdecode(source)
    wish = asked(name)
    place, path = wish.place, Path(os.path.expanduser(wish.place))
    try:
        mode = path.stat().st_mode if place.strip() else 0
    except FileNotFoundError as error:
        several = expand(str(path))
        if len(several) > 1 or several != [str(path)]:
            return _read_shards(several, name, skip_bad, wish)
        if place in BUILTIN:
            wish.check_none(name)
        raise _missing(name, place) from error
    except (OSError, ValueError) as error:
        raise InputError(f"data {shown(name)} cannot be read ({reason(error)}): check the path") from error
    if stat.S_ISDIR(mode):
        return _read_folder(path, name, skip_bad, wish)
    if not stat.S_ISREG(mode):
        raise InputError(f"data {shown(name)} is neither a file nor a folder: give {READABLE}")
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        raise InputError(f"data {shown(name)} is a single image: give the folder it lies in")
    endings = ("".join(path.suffixes[-2:]).lower(), suffix)
    reader = _plain(read_idx) if is_idx(path) else next((_READERS[e] for e in endings if e in _READERS), None)
    if reader is None:
        kind = f"is of a kind {suffix!r} that" if suffix else "has no ending, and"
        raise InputError(f"data {shown(name)} {kind} cannot be read: give {READABLE}")
    return reader(path, name, skip_bad, wish)


def _read_folder(folder: Path, name: str, skip_bad: bool, wish: Asked) -> Dataset:
    """A folder is of images, of shards or of tables; one that holds several of these is refused."""
    if is_saved(folder):
        return read_saved(folder, name, skip_bad, wish.size, drop=wish.drop, label=wish.label)
    found = find_files(folder)
    tars = [item for item in found.others if item[-1].lower().endswith(TAR_SUFFIXES)]
    tables = [item for item in found.others if is_table(item) and not (found.images and is_metadata(item))]
    if bool(found.images) + bool(tars) + bool(tables) > 1:
        held = [files[0] for files in (found.images, tars, tables) if files]
        raise InputError(
            f"{shown(folder)} holds {' as well as '.join(shown('/'.join(first)) for first in held)}: "
            "give the folder, or the file, of one of them"
        )
    if tables:
        return read_tables_in(folder, tables, name, skip_bad, wish.size, drop=wish.drop, label=wish.label)
    wish.check_no_table(name)
    if tars:
        chosen, passed = training_files(sorted(tars, key=path_key), shown(folder))
        paths = [folder.joinpath(*item) for item in chosen]
        return read_tars(paths, shown(folder), name, skip_bad, wish.size).passing_over(passed)
    return read_folder(folder, name, skip_bad, wish.size)


def _read_shards(files: list[str], name: str, skip_bad: bool, wish: Asked) -> Dataset:
    wish.check_no_table(name)
    paths = [Path(file) for file in files]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"data {shown(name)} stands for {len(paths)} files, and {shown(missing[0])} is not there: "
            "give the numbers that there are"
        )
    other = next((path for path in paths if not path.name.lower().endswith(TAR_SUFFIXES)), None)
    if other is not None:
        raise InputError(f"data {shown(name)}: {shown(other)} is no .tar file: give shards, or one file")
    return read_tars(paths, shown(name), name, skip_bad, wish.size)


def _missing(name: str, place: str) -> InputError:
    if re.search(r"[*?]", place):
        return _pattern(name, place)
    near = difflib.get_close_matches(name.lower(), BUILTIN, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return InputError(
        f"data {shown(name)} is no path and no built-in set: {guess}give {listed(BUILTIN)} or a path"
    )


def _pattern(name: str, place: str) -> InputError:
    """The mend of `shard-*.tar`, of which a shell in quotes, or Python, makes no files."""
    folder, last = os.path.split(place)
    numbered = os.path.join(
        folder, _numbered(os.path.expanduser(folder) or ".", last) or "shard-{000..004}.tar"
    )
    return InputError(
        f"data {shown(name)}: patterns are not looked up; give the folder that holds the files, or shards by "
        f"their numbers, as {shown(numbered)}"
    )


def _numbered(folder: str, pattern: str) -> str | None:
    """`shard-{000..004}.tar` of `shard-*.tar` where the folder has just these; else None."""
    if pattern.count("*") != 1 or "?" in pattern or not pattern.lower().endswith(TAR_SUFFIXES):
        return None
    before, after = pattern.split("*")
    try:
        names = os.listdir(folder)
    except (OSError, ValueError):
        return None
    every = re.compile(f"{re.escape(before)}([0-9]+){re.escape(after)}")
    numbers = sorted((found[1] for file in names if (found := every.fullmatch(file))), key=int)
    if not numbers:
        return None
    first, last = int(numbers[0]), int(numbers[-1])
    whole = last - first + 1 == len(numbers) and all(
        number == f"{first + i:0{len(numbers[0])}}" for i, number in enumerate(numbers)
    )
    return f"{before}{{{numbers[0]}..{numbers[-1]}}}{after}" if whole else None
