"""How large a file of Arrow grows, read from its messages before anything is unpacked.

A message is a FlatBuffer and a body. Of a batch the FlatBuffer says where in the body each buffer lies, and a
packed buffer begins with its true length (Arrow's columnar format, "Compression"). pyarrow shows neither.

    Message      1 kind of header    2 header
    Dictionary   1 a batch           (kind 2)
    Batch        2 buffers, each (offset, length)    3 packed or not    (kind 3)
"""

from __future__ import annotations

import struct
from typing import Any

_DICTIONARY, _BATCH = 2, 3


def unpacked_size(source: Any) -> int:  # noqa: ANN401  pyarrow has no types
    """The bytes that all buffers of a stream take.

    Args:
        source: a pyarrow file at the beginning of the stream.

    Raises:
        ValueError: a damaged message.
    """
    from pyarrow import ipc

    total = 0
    for message in ipc.MessageReader.open_stream(source):
        try:
            total += _promised(message.metadata.to_pybytes(), message.body)
        except (struct.error, IndexError, OverflowError) as error:
            raise ValueError("a message that leads out of the file") from error
    return total


def _promised(told: bytes, body: Any) -> int:  # noqa: ANN401
    """The bytes of a message's buffers, unpacked."""
    message = _number("<I", told, 0)
    kind, batch = _field(told, message, 1), _table(told, message, 2)
    if not kind or batch is None or told[kind] not in (_DICTIONARY, _BATCH):
        return 0
    if told[kind] == _DICTIONARY:
        batch = _table(told, batch, 1)
    buffers = None if batch is None else _table(told, batch, 2)
    if batch is None or buffers is None:
        return 0
    packed, total = bool(_field(told, batch, 3)), 0
    for i in range(_number("<I", told, buffers)):
        start, length = struct.unpack_from("<qq", told, buffers + 4 + 16 * i)
        if packed and length >= 8:
            true = _number("<q", body[start : start + 8].to_pybytes(), 0)
            length = true if true >= 0 else length - 8  # −1: left as it is
        total += max(0, length)
    return total


def _field(told: bytes, table: int, n: int) -> int:
    """Where field `n` of a table lies, 0 where it has none."""
    entries = table - _number("<i", told, table)
    if entries < 0 or 4 + 2 * n >= _number("<H", told, entries):
        return 0
    place = _number("<H", told, entries + 4 + 2 * n)
    return table + place if place else 0


def _table(told: bytes, table: int, n: int) -> int | None:
    """What field `n` refers to: a table, or a list that begins with its length."""
    place = _field(told, table, n)
    return place + _number("<I", told, place) if place else None


def _number(form: str, told: bytes, at: int) -> int:
    return int(struct.unpack_from(form, told, at)[0])
