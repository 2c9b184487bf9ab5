"""The words of an error: one line, printable, short, whatever the file was called or held."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 60


def shown(name: object) -> str:
    """A path or name as it may stand in a message: as it is, or quoted where it would break the line."""
    text = str(name)
    return text if text.isprintable() and text.strip() else repr(text)


def quoted(value: object) -> str:
    """A value found in a file: quoted, and cut where it is long."""
    text = str(value)
    return repr(text) if len(text) <= LONGEST else repr(text[:LONGEST]) + "…"


def reason(error: BaseException) -> str:
    """What a library said went wrong, in one line and without repeating the path."""
    strerror = getattr(error, "strerror", None)
    text = strerror if isinstance(strerror, str) else str(error)
    text = " ".join(text.split())
    if not text:
        return type(error).__name__
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 3 * LONGEST else text[: 3 * LONGEST] + "…"


def listed(items: Iterable[object]) -> str:
    """`a, b, c`."""
    return ", ".join(shown(item) for item in items)


def counted(n: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
