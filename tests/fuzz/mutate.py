"""Changes to a file: of bytes, and of the values in JSON, YAML and the head of safetensors."""

from __future__ import annotations

import json
import random
from typing import Any

import yaml

STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 2**31, 2**63, -(2**63), 10**400, 1e308, -1e-300, 0.5, "", "a",
    "x" * 5000,
    "../../../etc/passwd", "/etc/passwd", "\0", "\ud800", "ä\n\x1b[31m", "nan", "9" * 5000, "cpu", "meta",
    [], {}, [[]], [1, 2], [0], [2**40], [-1], {"a": 1}, [[1] * 50] * 50, [None], {"": None},
    float("nan"), float("inf"), "image", "table", "F64", "I64", "BF16", "U8",
]  # fmt: skip


def changed(content: bytes, seed: int) -> bytes:
    """`content` with a few changes that the seed decides."""
    draw = random.Random(seed)
    for form in draw.sample((_json, _yaml, _safetensors), 3):
        if draw.random() < 0.8 and (made := form(content, draw)) is not None:
            return made
    return _bytes(bytearray(content), draw)


def _bytes(content: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        at, kind = draw.randrange(len(content) + 1), draw.randrange(6)
        end = min(len(content), at + draw.choice((1, 2, 4, 8, 64)))
        if kind == 0:
            content[at:end] = draw.randbytes(end - at)
        elif kind == 1:
            del content[at:end]
        elif kind == 2:
            content[at:at] = content[at:end] * draw.choice((1, 2, 50))
        elif kind == 3:
            content[at:end] = draw.choice((b"\xff", b"\0", b"\x7f", b"\x80")) * (end - at)
        elif kind == 4:
            content[at:at] = draw.randbytes(draw.choice((1, 4)))
        else:
            del content[at:]
    return bytes(content)


def _json(content: bytes, draw: random.Random) -> bytes | None:
    if content[:1] not in (b"{", b"["):
        return None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return json.dumps(_node(value, draw), indent=1).encode("utf-8", "surrogatepass")


def _yaml(content: bytes, draw: random.Random) -> bytes | None:
    if not content[:1].isalpha() or content[:2] == b"PK" or len(content) > 5000:
        return None
    try:
        value = yaml.safe_load(content)
        return (
            yaml.safe_dump(_node(value, draw), sort_keys=False).encode() if isinstance(value, dict) else None
        )
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeError):
        return None


def _safetensors(content: bytes, draw: random.Random) -> bytes | None:
    size = int.from_bytes(content[:8], "little")
    if not 2 < size < len(content):
        return None
    head = _json(content[8 : 8 + size].strip(), draw)
    return None if head is None else len(head).to_bytes(8, "little") + head + content[8 + size :]


def _node(value: Any, draw: random.Random) -> Any:  # noqa: ANN401, PLR0911
    """`value` with something strange in a place of it."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        kind = draw.random()
        if kind < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.2:
            return value | {draw.choice((key + "x", "__class__", "", "step")): draw.choice(STRANGE)}
        return value | {key: _node(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        at = draw.randrange(len(value))
        kind = draw.random()
        if kind < 0.2:
            return [*value[:at], *value[at + 1 :]]
        if kind < 0.3:
            return value * draw.choice((2, 100))
        return [*value[:at], _node(value[at], draw), *value[at + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool) and draw.random() < 0.4:
        return draw.choice((value + 1, value - 1, -value, value * 1000, value // 3))
    return draw.choice(STRANGE)
