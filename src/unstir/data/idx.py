"""idx files, the format of MNIST, plain or gzipped.

    0, 0, type, d        four bytes: the code of the numbers' type, and how many axes there are
    n_1 ... n_d          each axis as a big-endian uint32
    numbers              big-endian, last axis fastest

The labels of `train-images-idx3-ubyte.gz` are read from `train-labels-idx1-ubyte.gz` where that lies
beside it, zipped or not.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from unstir.data.arrays import Array, from_array
from unstir.data.dataset import Dataset
from unstir.data.limits import check_expansion, check_memory, size_text
from unstir.data.wording import reason, shown
from unstir.errors import InputError

_MOST_AXES = 4
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx(path: Path) -> bool:
    """Whether the name is that of an idx file: `...idx3-ubyte`, `....idx`, either with `.gz` or without."""
    return re.search(r"idx[0-9]*(-u?byte)?(\.gz)?$", path.name.lower()) is not None


def read_idx(path: Path, name: str) -> Dataset:
    """The images or table of an idx file, with the labels that lie next to it.

    Raises:
        InputError: damaged, shorter or longer than its header promises, a decompression bomb, or no data set.
    """
    array = _read(path)
    beside = labels_beside(path)
    if array.ndim == 1:
        raise InputError(
            f"{shown(path)} holds one axis of {len(array)} numbers, as labels do: give the images file"
        )
    labels = None if beside is None else _read(beside)
    return from_array(array, name, what=shown(path), labels=labels, labels_what=f"labels in {shown(beside)}")


def labels_beside(path: Path) -> Path | None:
    """The file of labels that goes with a file of images by the usual naming, or None."""
    stem = path.name.removesuffix(".gz")
    renamed = re.sub(r"idx[0-9]", "idx1", stem.replace("images", "labels"))
    if "images" not in stem:
        return None
    endings = (".gz", "") if path.name.endswith(".gz") else ("", ".gz")
    return next((beside for end in endings if (beside := path.with_name(renamed + end)).is_file()), None)


def _read(path: Path) -> Array:
    what = shown(path)
    packed = path.name.lower().endswith(".gz")
    try:
        size = path.stat().st_size
        with gzip.open(path) if packed else path.open("rb") as stream:
            shape, dtype = _header(stream, what)
            promised = math.prod(shape) * dtype.itemsize
            if packed:
                check_expansion(what, size, promised, "unpack it with gunzip and give the result")
            elif promised > size:
                raise _cut_short(what, promised)
            check_memory(what, promised)
            data = bytearray(stream.read(promised))
            more = stream.read(1)
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(f"{what} cannot be read ({reason(error)}): copy or download it again") from error
    if len(data) < promised:
        raise _cut_short(what, promised)
    if more:
        raise InputError(
            f"{what} holds more than the {size_text(promised)} its header promises: write it again"
        )
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _header(stream: IO[bytes] | gzip.GzipFile, what: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in TYPES or not start[3]:
        raise InputError(
            f"{what} starts with 0x{start.hex()}, no idx file (0x00000803 for images): check the file"
        )
    axes = stream.read(4 * start[3])
    if len(axes) < 4 * start[3]:
        raise InputError(f"{what} is cut short within its header: copy or download it again")
    shape = struct.unpack(f">{start[3]}I", axes)
    if start[3] > _MOST_AXES or 0 in shape:
        told = f"{start[3]} axes" if start[3] > _MOST_AXES else f"the shape {shape}"
        raise InputError(f"{what} has {told} in its header: give images (n, h, w) or a table (n, columns)")
    return shape, np.dtype(TYPES[start[2]])


def _cut_short(what: str, promised: int) -> InputError:
    return InputError(
        f"{what} is cut short: its header promises {size_text(promised)} and fewer follow; copy or "
        "download it again"
    )
