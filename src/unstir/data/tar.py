"""Tar archives, plain or gzipped: what they hold, and the contents in one pass from front to back.

A first pass lists the members with the place of each in the (unzipped) stream; a second one reads from there.
Nothing is unpacked to disk. Links, devices and sparse files are members with a trouble, not followed.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from unstir.data.album import Read
from unstir.data.found import Parts, in_parts
from unstir.data.images import check_size
from unstir.data.limits import check_expansion
from unstir.data.wording import reason, shown
from unstir.errors import InputError

NOTE = 2**16  # bytes of the largest text that goes with an image

_BROKEN = (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, OverflowError, MemoryError)
_GZIP = (".gz", ".tgz")
_PIECE = _LARGEST_HEADER = 2**20

Note = Callable[[str, bytes], object]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        archive: which of the archives it lies in.
        parts: its name.
        start: where its bytes begin in the unzipped stream.
        size: how many there are.
        trouble: why it cannot be read, or empty.
        note: what was made of it, where it is a text that goes with an image.
    """

    archive: int
    parts: Parts
    start: int
    size: int
    trouble: str = ""
    note: object = None


def members(paths: Sequence[Path], endings: tuple[str, ...], note: Note) -> list[Member]:
    """The files in several archives, in the order they lie there; the last one of a name in each.

    Args:
        paths: the archives.
        endings: of small files that are read at once.
        note: makes of such a file's ending and content what `Member.note` is to be.

    Raises:
        InputError: damaged, cut short, or growing beyond reason.
    """
    found: list[Member] = []
    for number, path in enumerate(paths):
        try:
            with _opened(path) as stream:
                found.extend(_listed(stream, path, number, endings, note).values())
        except InputError:
            raise
        except _BROKEN as error:
            raise InputError(
                f"{shown(path)} is no whole archive ({reason(error)}): copy or pack it again"
            ) from error
    return found


def contents(paths: Sequence[Path], wanted: Sequence[Member]) -> Iterator[tuple[int, Read]]:
    """The contents of `wanted`, each with its number there, in the order they lie in the archives.

    Raises:
        InputError: an archive changed since it was listed.
    """
    for number, path in enumerate(paths):
        here = sorted((member.start, i) for i, member in enumerate(wanted) if member.archive == number)
        with _opened(path) as stream:
            for _, i in here:
                try:
                    content = _content(stream, wanted[i])
                except (OSError, EOFError, ValueError, zlib.error) as error:
                    yield i, partial(_raise, OSError(reason(error)))
                else:
                    yield i, partial(bytes, content)


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.name.lower().endswith(_GZIP) else path.open("rb")  # type: ignore[return-value]


def _content(stream: IO[bytes], member: Member) -> bytes:
    if member.trouble:
        raise ValueError(member.trouble)
    check_size(member.size)
    stream.seek(member.start)
    content = stream.read(member.size)
    if len(content) < member.size:
        raise OSError("cut short")
    return content


def _raise(error: Exception) -> bytes:
    raise error


def _listed(
    stream: IO[bytes], path: Path, number: int, endings: tuple[str, ...], note: Note
) -> dict[Parts, Member]:
    what, packed = shown(path), path.stat().st_size
    found: dict[Parts, Member] = {}
    with tarfile.open(fileobj=_Bounded(stream), mode="r:") as archive:  # type: ignore[call-overload]
        for item in archive:
            end = item.offset_data + item.size
            check_expansion(what, packed, end, "unpack it and give the folder")
            parts = in_parts(item.name)
            if item.isdir() or not parts:
                continue
            trouble = _trouble(item, parts)
            made = None
            if not trouble and item.size <= NOTE and parts[-1].lower().endswith(endings):
                stream.seek(item.offset_data)
                made = note(parts[-1], stream.read(item.size))
            found.pop(parts, None)
            found[parts] = Member(number, parts, item.offset_data, item.size, trouble, made)
        end = archive.offset
    # tarfile takes a damaged header or nothing more for the end of the archive: the true one is zeros.
    stream.seek(end)
    last = stream.read(tarfile.BLOCKSIZE)
    if any(last) or not last:
        raise OSError(f"damaged at byte {end}" if last else "cut short, it has no end mark")
    while stream.read(_PIECE):  # at its end gzip compares the checksum
        check_expansion(what, packed, stream.tell(), "unpack it and give the folder")
    return found


def _trouble(item: tarfile.TarInfo, parts: Parts) -> str:
    if ".." in parts:
        return "its name leads out of the archive"
    if item.islnk() or item.issym():
        return "a link, not a file: pack it with tar --dereference --hard-dereference"
    return "" if item.isreg() and not item.issparse() else "no regular file"


class _Bounded:
    """What tarfile reads headers from, which refuses the gigabytes that a damaged one asks for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.read_from = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LARGEST_HEADER:
            raise OSError("a header of no sense")
        return self.read_from.read(size)
