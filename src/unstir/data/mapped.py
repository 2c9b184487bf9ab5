"""Arrays of .npy that are too large for memory, left on disk: rows are read when they are asked for.

uint8 images and float32 tables and signals are used as they lie in the file, shared with the system's own
cache of it; the tensor must not be written to. What is to be converted, such as float images, is converted a
part at a time, where the result fits. Nothing is unpickled.
"""

from __future__ import annotations

import math
import tokenize
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unstir.data.arrays import Array, from_array
from unstir.data.dataset import Dataset
from unstir.data.limits import is_large, size_text
from unstir.data.wording import reason, shown
from unstir.errors import InputError

_PART = 2**26  # bytes looked at once
_HEADER = (
    ValueError, TypeError, SyntaxError, tokenize.TokenError, OSError, EOFError, MemoryError, OverflowError,
    RecursionError,
)  # fmt: skip


def read_mapped(path: Path, name: str) -> Dataset:
    """The images, table or signals of a large .npy file, on disk where they are of a type that needs no work.

    Raises:
        InputError: damaged or shorter than its header promises; not finite; of a type that would have to be
            converted and is too large for that; or no data set.
    """
    what = shown(path)
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except _HEADER as error:
        raise InputError(
            f"{what} is no whole .npy array of numbers ({reason(error)}): copy or write it again with np.save"
        ) from error
    step = max(1, _PART * len(array) // array.nbytes) if array.ndim and array.nbytes else 0
    first = from_array(np.array(array[:step] if step else array), name, what=what)
    wanted = np.dtype(np.uint8 if first.kind == "image" else np.float32)
    if array.dtype == wanted and array.flags.c_contiguous:
        if wanted == np.float32:
            _check_finite(array, step, what)
        values = _shared(array)
    else:
        values = _converted(array, first, step, what)
    return Dataset(name, first.kind, _in_order(values, first.shape), columns=first.columns)


def _shared(array: Array) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # 'not writable': nobody writes to a data set
        return torch.from_numpy(array)


def _in_order(values: Tensor, item: tuple[int, ...]) -> Tensor:
    """A view `(n, *item)` of values that may lack a channel axis, or have it last."""
    if values.shape[1:] == item:
        return values
    return values[:, None] if values.ndim == len(item) else values.movedim(-1, 1)


def _check_finite(array: Array, step: int, what: str) -> None:
    for start in range(0, len(array), step):
        part = np.isfinite(array[start : start + step]).reshape(len(array[start : start + step]), -1).all(1)
        if not part.all():
            row = start + int(np.argmin(part)) + 1
            raise InputError(
                f"{what} holds a number that is not finite in row {row}: mend or leave out such rows"
            )


def _converted(array: Array, first: Dataset, step: int, what: str) -> Tensor:
    needed = math.prod((len(array), *first.shape)) * first.values.itemsize
    if is_large(needed):
        raise InputError(
            f"{what} is {array.dtype}{'' if array.flags.c_contiguous else ' in column order'}, and needs "
            f"{size_text(needed)} of memory: save it as {'uint8' if first.kind == 'image' else 'float32'} "
            "with np.save, and it stays on disk"
        )
    values = torch.empty((len(array), *first.shape), dtype=first.values.dtype)
    for start in range(0, len(array), step):
        part = np.array(array[start : start + step])
        place = what if start == 0 else f"{what}, from row {start + 1} on,"
        values[start : start + step] = from_array(part, "", what=place, kind=first.kind).values
    return values
