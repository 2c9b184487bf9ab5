"""One .png a sample, 000000.png, 000001.png, …: in a .zip or in a folder; with labels, in a folder for each.

A part is a .zip of its own: one file to sync, where a folder has one for every sample.
"""

from __future__ import annotations

import os
import zipfile
from abc import ABC
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO

from unstir.data.dataset import Dataset
from unstir.data.formats.format import Format, Part
from unstir.data.formats.raw import as_array
from unstir.data.picture import png_bytes
from unstir.data.whole import sync, sync_all

_PERMISSION = 0o644 << 16  # as a zip keeps it: anybody reads, the owner writes


def pages(part: Dataset, first: int) -> Iterator[tuple[str, bytes]]:
    """The name and the content of the .png of each sample."""
    from PIL import Image

    for i, image in enumerate(as_array(part.values)):
        label = "" if part.labels is None else f"{int(part.labels[i])}/"
        yield f"{label}{first + i:06d}.png", png_bytes(Image.fromarray(image))


class _Pngs(Format, ABC):
    """Parts that are each a .zip."""

    def pack(self, part: Dataset, first: int) -> bytes:
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in pages(part, first):
                _add(archive, name, content)
        return stream.getvalue()

    def count(self, packed: IO[bytes]) -> int:
        with zipfile.ZipFile(packed) as archive:
            return len(archive.infolist())


class Zip(_Pngs):
    """`.zip`: stored, for a .png is packed already."""

    def join(self, parts: Sequence[Part], n: int, target: Path) -> None:
        with target.open("xb") as stream:
            with zipfile.ZipFile(stream, "w") as archive:
                for name, content in _members(parts):
                    _add(archive, name, content)
            stream.flush()
            os.fsync(stream.fileno())


class Folder(_Pngs):
    """No ending."""

    def join(self, parts: Sequence[Part], n: int, target: Path) -> None:
        target.mkdir()
        folders = {target}
        for part in parts:
            files = []
            for name, content in _members([part]):
                file = target / name
                if file.parent not in folders:
                    file.parent.mkdir()
                    folders.add(file.parent)
                file.write_bytes(content)
                files.append(file)
            sync_all(files)
        for folder in folders:
            sync(folder)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    told = zipfile.ZipInfo(name)  # dated 1980: the same samples are the same bytes
    told.external_attr = _PERMISSION
    archive.writestr(told, content)


def _members(parts: Sequence[Part]) -> Iterator[tuple[str, bytes]]:
    for part in parts:
        with part() as packed, zipfile.ZipFile(packed) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)
