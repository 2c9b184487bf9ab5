"""Tensors in pickles, and the three forms of file that hold them, read without PyTorch's own unpickler.

    a pickle of pickle.dump     a tensor is a view of a storage, whose bytes are of torch.save's old form
    torch.save, old form        five pickles (a number, a version, the machine, the value, names of storages),
                                then each storage: its count of numbers in 8 bytes, and the numbers
    torch.save, new form        a zip: data.pkl, and each storage in a file of its own

A tensor stays a view until it is asked for, and is no larger than its storage: no stride of 0 makes much of
little.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from unstir.data.wording import quoted, reason
from unstir.errors import InputError
from unstir.interop.pickles import LARGEST, Build, Machine, Name, Names, plain_key

_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_AXES = 8
_ARRAYS = "?bhilqBHILQefd"  # NumPy's letters of plain numbers


@dataclass(eq=False)
class Storage:
    """Numbers in a row.

    Attributes:
        dtype: of them.
        count: how many.
        read: gives their bytes.
    """

    dtype: torch.dtype
    count: int
    read: Callable[[], bytes] | None = None

    def values(self) -> Tensor:
        """All of them, 1-D, in memory of their own.

        Raises:
            ValueError: more or fewer bytes than the count says.
        """
        content = b"" if self.read is None else self.read()
        if len(content) != self.count * self.dtype.itemsize:
            raise ValueError(f"a storage has {len(content)} bytes for {self.count} numbers")
        if not content:
            return torch.empty(0, dtype=self.dtype)
        return torch.frombuffer(bytearray(content), dtype=self.dtype)


@dataclass(frozen=True, eq=False)
class View:
    """A tensor that was not made yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def tensor(self) -> Tensor:
        """The tensor.

        Raises:
            ValueError: it reaches beyond its storage, or is larger.
        """
        numbers = (self.offset, *self.shape, *self.strides)
        sane = len(self.shape) == len(self.strides) <= _AXES
        if not sane or not all(isinstance(n, int) and 0 <= n < 2**62 for n in numbers):
            raise ValueError("a tensor has no shape")
        size = math.prod(self.shape)
        last = sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        if size > self.storage.count or (size and self.offset + last >= self.storage.count):
            raise ValueError(f"a tensor of {self.shape} reaches beyond its storage of {self.storage.count}")
        if not size:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        return self.storage.values().as_strided(self.shape, self.strides, self.offset).clone()


@dataclass(eq=False)
class DType:
    """NumPy's dtype: of plain numbers alone."""

    text: str
    order: str = "<"

    def take_state(self, state: Any) -> DType:  # noqa: ANN401
        """Byte order, the second value of the state that NumPy writes."""
        self.order = state[1] if state[1] in ("<", ">", "|", "=") else "<"
        return self

    def numpy(self) -> np.dtype[Any]:
        """The dtype."""
        found = np.dtype(self.text)
        if found.char not in _ARRAYS:
            raise ValueError(f"an array holds {quoted(self.text)}")
        return found.newbyteorder(">" if self.order == ">" else "<")


@dataclass(eq=False)
class Array:
    """NumPy's array, before its state is known."""

    made: list[Any] = field(default_factory=list)

    def take_state(self, state: Any) -> Tensor:  # noqa: ANN401
        """The array as a tensor, from (version, shape, dtype, whether columns come first, bytes)."""
        _, shape, dtype, by_columns, content = state
        return _from_buffer(content, dtype, shape, "F" if by_columns else "C")


def _from_buffer(content: bytes, dtype: DType, shape: Any, order: Any) -> Tensor:  # noqa: ANN401
    values = np.frombuffer(content, dtype.numpy()).reshape(shape, order="F" if order == "F" else "C")
    return torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))


def _set(values: Any = ()) -> set[Any]:  # noqa: ANN401
    return set(map(plain_key, values))


def _scalar(dtype: DType, content: bytes) -> Any:  # noqa: ANN401
    return np.frombuffer(content, dtype.numpy(), 1)[0].item()


def _view(storage: Storage, offset: int, shape: Any, strides: Any, *_rest: object) -> View:  # noqa: ANN401
    if not isinstance(storage, Storage):
        raise TypeError("a tensor has no storage")
    return View(storage, offset, tuple(shape), tuple(strides))


def _ordered(pairs: Any = ()) -> dict[Any, Any]:  # noqa: ANN401
    return {plain_key(key): value for key, value in pairs}


def _encoded(text: str, codec: str) -> bytes:
    """Bytes, as protocols before the third write them."""
    if codec != "latin1":
        raise ValueError("bytes are of another code than latin1")
    return text.encode("latin1")


def _first(value: Any, *_rest: object) -> Any:  # noqa: ANN401
    return value


def _nothing(*_rest: object) -> None:
    return None


def _from_bytes(content: bytes) -> Storage:
    stored = _old_form(io.BytesIO(content), "a storage", Names({}, {}, _STORAGES))
    if not isinstance(stored, Storage):
        raise TypeError("the bytes of a storage hold another value")
    return stored


_STORAGES = frozenset(("torch", name) for name in _TYPES)
_DTYPES = frozenset(("torch", str(dtype).removeprefix("torch.")) for dtype in _TYPES.values())
_ITSELF = _DTYPES | {("numpy", "ndarray")}
CALLS: dict[tuple[str, str], Build] = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_tensor_v2"): _view,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch.storage", "_load_from_bytes"): _from_bytes,
    ("torch", "Size"): tuple,
    ("torch", "device"): _nothing,
    ("_codecs", "encode"): _encoded,
    ("__builtin__", "bytes"): lambda: b"",
    ("numpy", "dtype"): lambda text, *_rest: DType(str(text)),
    ("numpy.core.multiarray", "_reconstruct"): lambda *_rest: Array(),
    ("numpy._core.multiarray", "_reconstruct"): lambda *_rest: Array(),
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    **{(module, name): _set for module in ("builtins", "__builtin__") for name in ("set", "frozenset")},
}
NAMES = Names(CALLS, {}, _STORAGES | _ITSELF)
"""What tensors and arrays need."""


def read_pickle(path: str | Path, names: Names = NAMES) -> Any:  # noqa: ANN401
    """The value of a pickle, or of a file of torch.save, of inert records and `View`s.

    Args:
        path: the file.
        names: what it may name, beyond nothing.

    Raises:
        InputError: no such file, one that is too large, cut short or damaged, or names another thing.
    """
    file = Path(path).expanduser()
    try:
        size = file.stat().st_size
        if size > LARGEST:
            raise InputError(f"{file}: has {size:,} bytes; up to {LARGEST:,} are read")
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({reason(error)})") from None
    if zipfile.is_zipfile(io.BytesIO(content)) and content[:2] == b"PK":
        return _new_form(content, str(file), names)
    return _old_form(io.BytesIO(content), str(file), names)


def _old_form(stream: BinaryIO, what: str, names: Names) -> Any:  # noqa: ANN401
    """A bare pickle, or the five pickles of torch.save's old form with storages behind them."""
    first = Machine(what, names).load(stream)
    if first != _MAGIC:
        return first
    found: dict[str, Storage] = {}
    Machine(what, names).load(stream)  # the version
    told = Machine(what, names).load(stream)
    value = Machine(what, names, lambda key: _referred(key, found)).load(stream)
    order = Machine(what, names).load(stream)
    if not isinstance(told, dict) or told.get("little_endian") is not True or not isinstance(order, list):
        raise InputError(f"{what}: is no whole file of torch.save, or of a machine of another byte order")
    for key in order:
        storage = found.get(key) if isinstance(key, str) else None
        count = int.from_bytes(stream.read(8), "little")
        if storage is None or count != storage.count:
            raise InputError(f"{what}: its storages are not those that its tensors name")
        content = stream.read(count * storage.dtype.itemsize)
        storage.read = lambda content=content: content
    return value


def _new_form(content: bytes, what: str, names: Names) -> Any:  # noqa: ANN401
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1 or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise InputError(f"{what}: is a zip, but none of torch.save: one data.pkl, nothing compressed")
        prefix = pickles[0].removesuffix("data.pkl")
        order = archive.read(f"{prefix}byteorder") if f"{prefix}byteorder" in entries else b"little"
        program = archive.read(pickles[0])
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{what}: is a damaged zip ({reason(error)})") from None
    if order != b"little":
        raise InputError(f"{what}: is of a machine of another byte order")
    found: dict[str, Storage] = {}

    def stored(key: Any) -> Storage:  # noqa: ANN401
        storage = _kept(key, found)
        name = f"{prefix}data/{key[2]}"
        if name not in entries:
            raise InputError(f"{what}: lacks the storage {quoted(key[2])}")
        storage.read = lambda: _entry(archive, name)
        return storage

    return Machine(what, names, stored).load(io.BytesIO(program))


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except Exception as error:
        raise ValueError(f"{name} is damaged: {reason(error)}") from None


def _referred(key: Any, found: dict[str, Storage]) -> Any:  # noqa: ANN401
    """What a persistent id of the old form stands for: a storage, or a class beside its source code."""
    return key[1] if key[0] == "module" and isinstance(key[1], Name) else _kept(key, found)


def _kept(key: Any, found: dict[str, Storage]) -> Storage:  # noqa: ANN401
    """The storage of a persistent id ('storage', type, name, place, count, …)."""
    kind, dtype, name, _, count, *_ = key
    if kind != "storage" or not isinstance(dtype, Name) or not isinstance(name, str):
        raise TypeError("a persistent id is of no storage")
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"a storage has {count} numbers")
    return found.setdefault(name, Storage(_TYPES[dtype.name], count))
