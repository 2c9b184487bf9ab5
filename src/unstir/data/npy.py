"""NumPy's files: .npy holds one array, with labels in `x-labels.npy` beside `x.npy`; .npz is a zip of them.

In an .npz the data are the array `samples`, `images`, `signals`, `x` or `data`, else that of these for
training (`x_train` as Keras has it, `train_images` as MedMNIST), else the only one there is; the labels are
the array `labels`, `label` or `y`, if present (`y_train`, `train_labels`); and `kind`, one text, may say what
the data are: an `image`, `table` or `signal`. Nothing is ever unpickled: the header is parsed here and
checked against the bytes that follow, and only then is memory taken.
"""

from __future__ import annotations

import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from unstir.data import labels as label_readers
from unstir.data.arrays import Array, from_array
from unstir.data.categories import CATEGORIES, COLUMNS, from_arrays
from unstir.data.dataset import Dataset
from unstir.data.limits import check_expansion, check_memory, size_text
from unstir.data.splits import TRAIN, split_of
from unstir.data.wording import listed, quoted, reason, shown
from unstir.errors import InputError

DATA_NAMES = ("samples", "images", "signals", "x", "data")
LABELS_BESIDE = "-labels.npy"
LABEL_NAMES = ("labels", "label", "y")
KIND_NAME = "kind"
_LARGEST_HEADER = 2**16
_MOST_AXES = 32

_HEADER = (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError, EOFError)
_ZIP = (
    zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError, LookupError,
    OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


def read_npy(path: Path, name: str) -> Dataset:
    """The images, table or signals of a .npy file.

    Raises:
        InputError: the file is damaged or shorter than its header promises, or the array is no data set.
    """
    what = shown(path)
    try:
        with path.open("rb") as stream:
            array = _read(stream, path.stat().st_size, what)
    except OSError as error:
        raise InputError(f"{what} cannot be read ({reason(error)}): check the file") from error
    return from_array(array, name, what=what)


def with_labels_beside(dataset: Dataset, path: Path) -> Dataset:
    """The data set of `x.npy` with the labels of `x-labels.npy`, where that is there.

    Raises:
        InputError: labels that are damaged or do not fit.
    """
    beside = path.with_name(f"{path.stem}{LABELS_BESIDE}")
    if not beside.is_file():
        return dataset
    labels, names = label_readers.from_array(read_bare(beside), len(dataset), shown(beside))
    return replace(dataset, labels=labels, label_names=names)


def read_bare(path: Path, *names: str) -> Array:
    """The array of a .npy file as it is, or of an .npz the first of `names` that is there, else its first.

    Raises:
        InputError: damaged, promising more than there is, growing beyond reason, or not of numbers.
    """
    what = shown(path)
    try:
        if path.suffix.lower() != ".npz":
            with path.open("rb") as stream:
                return _read(stream, path.stat().st_size, what)
        with zipfile.ZipFile(path) as archive:
            members = {item.filename.removesuffix(".npy"): item for item in archive.infolist()}
            chosen = next((name for name in (*names, *members) if name in members), None)
            if chosen is None:
                raise InputError(f"{what} holds no array: write it again with np.savez")
            return _member(archive, members[chosen], path, chosen)
    except InputError:
        raise
    except _ZIP as error:
        raise InputError(f"{what} cannot be read as an array ({reason(error)}): write it again") from error


def read_npz(path: Path, name: str) -> Dataset:
    """The images, table or signals of an .npz file, with their labels.

    Raises:
        InputError: the file is damaged, promises more than it holds or would grow beyond reason, has no array
            that is clearly the data, or the array is no data set.
    """
    what = shown(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {item.filename.removesuffix(".npy"): item for item in archive.infolist()}
            chosen = _choose(members, what)
            array = _member(archive, members[chosen.data], path, chosen.data)
            label = chosen.label
            labels = None if label is None else _member(archive, members[label], path, label)
            kind = _member(archive, members[KIND_NAME], path, KIND_NAME) if KIND_NAME in members else None
            mixed = [key for key in members if key.startswith(CATEGORIES)]
            names = {key: _member(archive, members[key], path, key) for key in mixed}
            if mixed and COLUMNS in members:
                names[COLUMNS] = _member(archive, members[COLUMNS], path, COLUMNS)
    except InputError:
        raise
    except _ZIP as error:
        raise InputError(
            f"{what} is no whole .npz file ({reason(error)}): write it again with np.savez"
        ) from error
    dataset = from_array(
        array,
        name,
        what=f"{what}, array {quoted(chosen.data)}",
        labels=labels,
        labels_what=f"{what}, array {quoted(label)},",
        kind=None if kind is None else _text(kind, what),
    )
    passed = tuple(
        f"{what}, array {quoted(key)}: beside {chosen.data}, the part that is read" for key in chosen.passed
    )
    return from_arrays(dataset, names, what).passing_over(passed)


def _text(array: Array, what: str) -> str:
    if array.ndim or array.dtype.kind != "U":
        raise InputError(f"{what}, array {quoted(KIND_NAME)}, is no text: give image, table or signal")
    return str(array)


@dataclass(frozen=True)
class _Chosen:
    """Names of arrays.

    Attributes:
        data: of the data.
        label: of their labels, or None.
        passed: of those of other parts, for testing.
    """

    data: str
    label: str | None
    passed: tuple[str, ...] = ()


def _choose(members: Collection[str], what: str) -> _Chosen:
    label = next((key for key in LABEL_NAMES if key in members), None)
    for key in DATA_NAMES:
        if key in members:
            return _Chosen(key, label)
    parts = {key: _in_part(key) for key in members}
    data = [key for key, (name, split) in parts.items() if split == TRAIN and name in DATA_NAMES]
    if len(data) == 1:
        own = [key for key, (name, split) in parts.items() if split == TRAIN and name in LABEL_NAMES]
        left = [key for key, (_, split) in parts.items() if split not in (TRAIN, None)]
        return _Chosen(data[0], own[0] if len(own) == 1 else None, tuple(left))
    others = [key for key in members if key not in (*LABEL_NAMES, KIND_NAME)]
    if len(others) != 1:
        held = listed(quoted(key) for key in list(members)[:8]) or "nothing"
        raise InputError(f"{what} holds {held}: name the array of data one of {listed(DATA_NAMES)}")
    return _Chosen(others[0], label)


def _in_part(key: str) -> tuple[str, str | None]:
    """What an array is, and of which part: `x` and `train` of `x_train` and of `train_x`."""
    first, _, last = key.partition("_")
    for name, part in ((first, last), (last, first)):
        if part and split_of(part):
            return name.lower(), split_of(part)
    return key, None


def _member(archive: zipfile.ZipFile, item: zipfile.ZipInfo, path: Path, key: str) -> Array:
    what = f"{shown(path)}, array {quoted(key)}"
    if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{what} is packed in a way of its own: write it again with np.savez")
    packed = min(item.compress_size, path.stat().st_size)
    check_expansion(what, packed, item.file_size, "write it uncompressed with np.savez")
    with archive.open(item) as stream:
        array = _read(stream, item.file_size, what)
        stream.read(1)  # at the end zipfile compares the checksum
    return array


def _read(stream: IO[bytes], size: int, what: str) -> Array:
    shape, fortran, dtype = _header(stream, what)
    if dtype.hasobject:
        raise InputError(f"{what} holds Python objects, which are never unpickled: save an array of numbers")
    if any(n < 0 for n in shape) or len(shape) > _MOST_AXES:
        raise InputError(f"{what} has the shape {shape} in its header: save the array again")
    promised, held = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if promised > held:
        raise InputError(
            f"{what} is cut short: its header promises {size_text(promised)} and {size_text(held)} follow; "
            "copy or save it again"
        )
    check_memory(what, promised)
    buffer = bytearray(promised)
    view, filled = memoryview(buffer), 0
    while filled < promised:
        piece = stream.read(min(promised - filled, 2**24))
        if not piece:
            raise InputError(f"{what} is cut short after {size_text(filled)}: copy or save it again")
        view[filled : filled + len(piece)] = piece
        filled += len(piece)
    if dtype.kind == "U":
        _check_text(np.frombuffer(buffer, dtype=dtype.byteorder + "u4"), what)
    flat = np.frombuffer(buffer, dtype=dtype, count=math.prod(shape))
    return flat.reshape(shape, order="F" if fortran else "C")


class _Head:
    """What a header is read from: it cannot ask for gigabytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _LARGEST_HEADER:
            raise ValueError(f"a header of {size_text(size)}")
        return self._stream.read(size)


def _check_text(codes: Array, what: str) -> None:
    """NumPy makes texts of any numbers, also of those that are no letters, and Python breaks on them."""
    strange = codes[(codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))]
    if len(strange):
        raise InputError(f"{what} holds text with the letter 0x{strange[0]:x}, which is none: save it again")


def _header(stream: IO[bytes], what: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 'required additional header parsing', of files by Python 2
            head = _Head(stream)
            version = np.lib.format.read_magic(head)
            if version == (1, 0):
                return np.lib.format.read_array_header_1_0(head)
            if version == (2, 0):
                return np.lib.format.read_array_header_2_0(head)
    except _HEADER as error:
        raise InputError(
            f"{what} is no whole .npy array ({reason(error)}): write it again with np.save"
        ) from error
    raise InputError(
        f"{what} is of .npy version {version}, which holds records: save a plain array of numbers"
    )
