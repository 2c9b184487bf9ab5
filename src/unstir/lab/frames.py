"""Frames: how answers travel, as one binary message each, little endian.

    4 bytes   "UNS1"
    u32       length of the header in bytes, such that the arrays start at a multiple of 8
    header    JSON, padded with spaces; its "arrays" say name, dtype, shape and offset of each array
    arrays    back to back, each at a multiple of 8 from the first

Real numbers travel as float32, whole ones as uint8, uint16 or int32, truth as uint8.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from unstir.lab.answer import Array

MAGIC = b"UNS1"
_START = struct.Struct("<4sI")
_CODES = {"<f4": "f4", "|u1": "u1", "<u2": "u2", "<i4": "i4"}
_SENT = {"f": "<f4", "b": "|u1", "i": "<i4"}


def pack(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """A frame of one header and its arrays.

    Raises:
        ValueError: a header value that JSON has not, such as NaN, or an array of a type that does not travel.
    """
    listed, parts, offset = [], list[bytes](), 0
    for name, array in arrays.items():
        sent = _sent(name, array)
        gap = -offset % 8
        parts += [b"\0" * gap, sent.tobytes()]
        offset += gap
        listed.append(
            {"name": name, "dtype": _CODES[sent.dtype.str], "shape": list(sent.shape), "offset": offset}
        )
        offset += sent.nbytes
    text = json.dumps({**header, "arrays": listed}, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(_START.size + len(text)) % 8)
    return b"".join([_START.pack(MAGIC, len(text)), text, *parts])


def unpack(frame: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Header and arrays of a frame.

    Raises:
        ValueError: bytes that are no frame.
    """
    if len(frame) < _START.size:
        raise ValueError(f"frame: {len(frame)} bytes are too few for one")
    magic, length = _START.unpack_from(frame)
    if magic != MAGIC:
        raise ValueError(f"frame: starts with {magic!r}, not {MAGIC!r}")
    start = _START.size + length
    header = json.loads(frame[_START.size : start])
    arrays = {}
    for entry in header["arrays"]:
        shape = tuple(entry["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(frame, f"<{entry['dtype']}", count, start + entry["offset"])
        arrays[entry["name"]] = flat.reshape(shape)
    return header, arrays


def _sent(name: str, array: Array) -> np.ndarray[Any, Any]:
    plain = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    code = plain.dtype.newbyteorder("<").str
    if code not in _CODES:
        if plain.dtype.kind not in _SENT:
            raise ValueError(f"array {name!r}: has dtype {plain.dtype}; send floats, whole numbers or bytes")
        plain = plain.astype(_SENT[plain.dtype.kind])
    return np.ascontiguousarray(plain).astype(plain.dtype.newbyteorder("<"), copy=False)
