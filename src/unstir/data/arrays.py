"""Arrays in memory: what a shape and a dtype mean.

    (n, columns)                   a table, numbers of any kind -> float32
    (n, h, w)                      grey images
    (n, h, w, 3)  (n, h, w, 1)     channels last
    (n, 3, h, w)  (n, 1, h, w)     channels first
    (n, channels, length)          signals, floats of any size -> float32

Images are integers from 0 to 255, kept as they are, or floats v in [0, 1], which become round(255 v);
booleans are black and white. A shape that fits both orders, such as (n, 3, 8, 3), is refused, never guessed.
Three axes are signals where they cannot be images: floats with one channel, or beyond [0, 1] and not square.
Square ones could be images of another scale, and are refused. `kind` says it for any array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unstir.data import labels as label_readers
from unstir.data.dataset import Dataset, Kind
from unstir.data.wording import listed, quoted
from unstir.errors import InputError

Array = np.ndarray[Any, Any]


def from_array(
    array: Array,
    name: str,
    *,
    what: str,
    labels: Array | None = None,
    labels_what: str = "labels",
    columns: Sequence[str] = (),
    kind: str | None = None,
) -> Dataset:
    """The data set that `array` holds, in memory of its own.

    Args:
        array: images, a table or signals, in one of the shapes above.
        name: the data set's name.
        what: the array's place, for messages: `x.npz, array 'samples'`.
        labels: one integer or text per item.
        labels_what: the labels' place, for messages.
        columns: a table's column names; `x0, x1, ...` without.
        kind: `image`, `table` or `signal`; told by shape and values without.

    Raises:
        InputError: not numbers, not of that kind, empty, no shape of ours, not finite, out of range, labels
            that do not fit.
    """
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} has dtype {_dtype(array)}: give numbers (uint8, other integers or floats)")
    if array.ndim not in (2, 3, 4):
        mend = (
            "reshape one column to (n, 1), or cut one signal into pieces (n, 1, length)"
            if array.ndim == 1
            else _SHAPES
        )
        raise InputError(f"{what} has shape {array.shape}, neither images, a table nor signals: {mend}")
    if 0 in array.shape:
        raise InputError(f"{what} has shape {array.shape}, so it is empty: give at least one item")
    numbers, names = (
        (None, ()) if labels is None else label_readers.from_array(labels, len(array), labels_what)
    )
    kind = _kind(array, what) if kind is None else kind
    _check_kind(array, what, kind)
    if kind == "signal":
        return Dataset(name, "signal", _signals(array, what), numbers, names)
    if kind == "table":
        columns = tuple(columns) or tuple(f"x{i}" for i in range(array.shape[1]))
        return Dataset(name, "table", _table(array, what, columns), numbers, names, columns)
    return Dataset(name, "image", _images(array, what), numbers, names)


def from_tensor(tensor: Tensor, name: str, *, what: str) -> Dataset:
    """The data set that `tensor` holds: `from_array` of a copy in main memory.

    Raises:
        InputError: as `from_array`, and a tensor that is no plain block of numbers (sparse, quantised, meta).
    """
    try:
        plain = tensor.to_dense() if tensor.layout != torch.strided else tensor
        if plain.dtype.is_floating_point and plain.dtype not in (torch.float32, torch.float64):
            plain = plain.float()
        array = plain.numpy(force=True)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"{what} of {tensor.dtype} cannot be read as an array: give a dense tensor"
        ) from error
    return from_array(array, name, what=what)


_SHAPES = "give (n, columns), (n, h, w), (n, h, w, 3), (n, 3, h, w) or signals (n, channels, length)"
_AXES: dict[str, tuple[int, ...]] = {"image": (3, 4), "table": (2,), "signal": (3,)}


def _kind(array: Array, what: str) -> Kind:
    """What kind of data an array of numbers must be.

    Raises:
        InputError: floats of three axes that may be either.
    """
    if array.ndim != 3 or array.dtype.kind != "f":
        return "table" if array.ndim == 2 else "image"
    _, channels, length = array.shape
    if channels == 1 < length:
        return "signal"
    finite = array[np.isfinite(array)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if low >= 0 and high <= 1:
        return "image"
    if channels == length:
        raise InputError(
            f"{what} has shape {array.shape} and values from {low:g} to {high:g}: scale images to [0, 1], "
            'such as (v + 1) / 2 or v / 255; for signals save an .npz with kind="signal" beside them'
        )
    return "signal"


def _check_kind(array: Array, what: str, kind: str) -> None:
    if kind not in _AXES:
        raise InputError(f"{what} is of the kind {quoted(kind)}: give {listed(_AXES)}")
    if array.ndim not in _AXES[kind]:
        raise InputError(f"{what} has shape {array.shape}, and that is no {kind}: {_SHAPES}")


def _signals(array: Array, what: str) -> Tensor:
    with np.errstate(over="ignore"):
        values = np.array(array, dtype=np.float32, order="C")
    _check_finite(values, array, what, lambda index: f"at index {list(index)}")
    return torch.from_numpy(values)


def _dtype(array: Array) -> str:
    return "object (Python objects, never unpickled)" if array.dtype.hasobject else str(array.dtype)


def _table(array: Array, what: str, columns: Sequence[str]) -> Tensor:
    with np.errstate(over="ignore"):
        values = np.array(array, dtype=np.float32, order="C")

    def place(index: tuple[int, ...]) -> str:
        column = columns[index[1]] if index[1] < len(columns) else str(index[1])
        return f"in row {index[0] + 1}, column {quoted(column)}"

    _check_finite(values, array, what, place)
    return torch.from_numpy(values)


def _images(array: Array, what: str) -> Tensor:
    planes = _channels_first(array, what)
    if array.dtype.kind == "b":
        planes = planes * np.uint8(255)
    elif array.dtype.kind == "f":
        _check_finite(array, array, what, lambda index: f"at index {list(index)}")
        _check_range(array, 1, what, "scale float images to [0, 1], such as (v + 1) / 2 or v / 255")
        planes = np.rint(planes * 255.0)
    else:
        _check_range(array, 255, what, "give pixels as uint8 from 0 to 255, or as floats in [0, 1]")
    return torch.from_numpy(np.array(planes, dtype=np.uint8, order="C"))


def _channels_first(array: Array, what: str) -> Array:
    if array.ndim == 3:
        return array[:, None]
    first, last = array.shape[1] in (1, 3), array.shape[3] in (1, 3)
    if first and last:
        raise InputError(
            f"{what} has shape {array.shape}, channels first or last: give a Dataset with values (n, c, h, w)"
        )
    if not (first or last):
        mend = "if the fourth is transparency, give array[..., :3]" if array.shape[3] == 4 else _SHAPES
        raise InputError(f"{what} has shape {array.shape}, no axis of 1 or 3 channels: {mend}")
    return array if first else np.moveaxis(array, 3, 1)


def _check_range(array: Array, top: int, what: str, mend: str) -> None:
    low, high = array.min(), array.max()
    if low < 0 or high > top:
        raise InputError(f"{what} holds pixels from {low:g} to {high:g}: {mend}")


def _check_finite(values: Array, given: Array, what: str, place: Callable[[tuple[int, ...]], str]) -> None:
    finite = np.isfinite(values)
    bad = finite.size - int(np.count_nonzero(finite))
    if bad:
        index = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), finite.shape))
        count = "1 value is" if bad == 1 else f"{bad} values are"
        raise InputError(
            f"{what} holds {given[index]!s} {place(index)}: {count} not finite (NaN, infinity or "
            "beyond float32); "
            "mend or leave out those items"
        )
