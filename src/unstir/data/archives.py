"""Archives of images, read in place: .zip, .tar, .tar.gz and .tgz, by the rules of folders (`images.py`).

Names in an archive serve for order, classes and messages alone; nothing is ever written to disk under them.
Where a name comes twice the last one counts, as unpacking would have it.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from unstir.data.album import Album, read_album
from unstir.data.dataset import Dataset
from unstir.data.found import Found, Parts, check_found, hidden, in_parts, is_image, sort_out
from unstir.data.images import check_size
from unstir.data.labels import Labels
from unstir.data.layout import Layout, lay_out
from unstir.data.limits import check_expansion
from unstir.data.metadata import is_metadata
from unstir.data.shards import ENDINGS, class_note, find_samples
from unstir.data.tar import Member, contents, members
from unstir.data.wording import reason, shown
from unstir.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
TAR_SUFFIXES = SUFFIXES[1:]
MAX_ARCHIVES = 10_000

# What zipfile raises of a damaged file, an IndexError for an empty name among it.
_ZIP = (
    zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError, LookupError,
    OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
_ENCRYPTED = 0x1


def read_zip(path: Path, name: str, skip_bad: bool = False, size: int | None = None) -> Dataset:
    """All images of a .zip file.

    Args:
        path: the file.
        name: the data set's name.
        skip_bad: pass over images that cannot be read, and name them in `Dataset.skipped`.
        size: as in `read_album`.

    Raises:
        InputError: damaged, encrypted or growing beyond reason; no images; and as `read_album`.
    """
    what = shown(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_zip(archive, path, name, skip_bad, size)
    except InputError:
        raise
    except _ZIP as error:
        raise InputError(f"{what} is no whole .zip file ({reason(error)}): copy or pack it again") from error


def _read_zip(archive: zipfile.ZipFile, path: Path, name: str, skip_bad: bool, size: int | None) -> Dataset:
    what = shown(path)
    inside = {in_parts(item.filename): item for item in archive.infolist() if not item.is_dir()}
    inside.pop((), None)
    found = sort_out(inside)
    check_found(found, what)
    items = [inside[parts] for parts in (*found.images, *filter(is_metadata, found.others))]
    locked = next((item for item in items if item.flag_bits & _ENCRYPTED), None)
    if locked is not None:
        raise InputError(
            f"{what} is encrypted, {shown(locked.filename)} for one: unpack it and give the folder"
        )
    check_packing(items, what)
    packed = path.stat().st_size
    check_expansion(what, packed, sum(item.file_size for item in items), "unpack it and give the folder")

    def content(item: zipfile.ZipInfo) -> bytes:
        if ".." in in_parts(item.filename):
            raise ValueError("its name leads out of the archive")
        check_size(item.file_size)
        try:
            with archive.open(item) as stream:  # `archive.read` unpacks all there is, whatever was promised
                found = stream.read(item.file_size)
                stream.read(1)  # at the end zipfile compares the checksum
                return found
        except zipfile.BadZipFile as error:
            raise OSError(reason(error)) from error

    layout = lay_out(found.images, found.others, lambda parts: content(inside[parts]), what)
    images = [parts for parts in found.images if layout.part.holds(parts)]

    def read(parts: Parts) -> bytes:
        if trouble := layout.trouble(parts):
            raise ValueError(trouble)
        return content(inside[parts])

    album = Album(
        what,
        len(images),
        lambda i: "/".join(images[i]),
        lambda: ((i, partial(read, parts)) for i, parts in enumerate(images)),
        lambda kept: layout.labels([images[i] for i in kept]),
        passed=layout.passed,
    )
    return read_album(album, name, skip_bad, size)


def check_packing(items: Iterable[zipfile.ZipInfo], what: str) -> None:
    """Refuse what Python unpacks in steps of any size.

    Raises:
        InputError: a file that is neither stored nor deflated.
    """
    for item in items:
        if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(
                f"{what} holds {shown(item.filename)}, packed in a way of its own (method "
                f"{item.compress_type}): pack it again by deflate, the usual one"
            )


def read_tars(
    paths: Sequence[Path], what: str, name: str, skip_bad: bool = False, size: int | None = None
) -> Dataset:
    """All images of .tar files, zipped or not, as one data set: WebDataset shards where they have labels.

    Args:
        paths: the files, in order.
        what: all of them, for messages.
        name: the data set's name.
        skip_bad: pass over images that cannot be read, and name them in `Dataset.skipped`.
        size: as in `read_album`.

    Raises:
        InputError: damaged or growing beyond reason; no images; and as `read_album`.
    """
    inside = members(paths, ENDINGS, class_note)
    layout = _layout(inside, paths, what)
    inside = [member for member in inside if layout.part.holds(member.parts)]
    samples = find_samples(inside)
    several = len(paths) > 1

    def name_of(member: Member) -> str:
        inner = "/".join(member.parts)
        return f"{paths[member.archive].name}/{inner}" if several else inner

    if samples is not None:
        images, labels = samples.images, samples.labels
    else:
        images = tuple(
            member if member.trouble else replace(member, trouble=layout.trouble(member.parts))
            for member in _pictures(inside, len(paths), what)
        )

        def labels(kept: Sequence[int]) -> Labels | None:
            return layout.labels([images[i].parts for i in kept])

    album = Album(
        what,
        len(images),
        lambda i: name_of(images[i]),
        lambda: contents(paths, images),
        labels,
        passed=layout.passed,
    )
    return read_album(album, name, skip_bad, size)


def _layout(inside: Sequence[Member], paths: Sequence[Path], what: str) -> Layout:
    """How images lie in archives, taken together."""
    named = {member.parts: member for member in inside if not hidden(member.parts)}

    def read(parts: Parts) -> bytes:
        if len(paths) > 1:
            raise ValueError("is read of a lone archive, not of several")
        ((_, content),) = contents(paths, [named[parts]])
        return content()

    return lay_out([member.parts for member in inside if is_image(member.parts)], named, read, what)


def _pictures(inside: Sequence[Member], archives: int, what: str) -> tuple[Member, ...]:
    """The images of archives without labels: in natural order, archive by archive."""
    named = [{member.parts: member for member in inside if member.archive == i} for i in range(archives)]
    found = [sort_out(names) for names in named]
    others = tuple(other for part in found for other in part.others)
    check_found(Found(tuple(image for part in found for image in part.images), others), what)
    return tuple(names[parts] for names, part in zip(named, found, strict=True) for parts in part.images)


def expand(pattern: str) -> list[str]:
    """The names that `a-{000..002}.tar` stands for: `a-000.tar`, `a-001.tar`, `a-002.tar`.

    Raises:
        InputError: more than `MAX_ARCHIVES` of them.
    """
    match = re.search(r"\{([0-9]+)\.\.([0-9]+)\}", pattern)
    if match is None:
        return [pattern]
    first, last = match.groups()
    numbers = range(int(first), int(last) + 1)
    if not 0 < len(numbers) <= MAX_ARCHIVES:
        raise InputError(f"data {shown(pattern)} stands for {len(numbers)} files: give 1 to {MAX_ARCHIVES}")
    names = [f"{pattern[: match.start()]}{i:0{len(first)}}{pattern[match.end() :]}" for i in numbers]
    return [name for part in names for name in expand(part)]
