"""One line a sample: .csv, with a line of the columns' names above, and .txt."""

from __future__ import annotations

import os
import shutil
from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from unstir.data.dataset import Dataset
from unstir.data.formats.format import Format, Part
from unstir.data.formats.raw import as_array
from unstir.data.tables import csv_bytes
from unstir.data.text import to_lines

_PIECE = 2**20


class _Lined(Format, ABC):
    """Parts of whole lines, one after another."""

    head = b""

    def count(self, packed: IO[bytes]) -> int:
        lines, last = 0, b"\n"
        while piece := packed.read(_PIECE):
            lines, last = lines + piece.count(b"\n"), piece[-1:]
        if last != b"\n":
            raise ValueError("its last line has no end")
        return lines

    def join(self, parts: Sequence[Part], n: int, target: Path) -> None:
        with target.open("xb") as stream:
            stream.write(self.head)
            for part in parts:
                with part() as packed:
                    shutil.copyfileobj(packed, stream, _PIECE)
            stream.flush()
            os.fsync(stream.fileno())


class Csv(_Lined):
    """`.csv`."""

    def __init__(self, layout: Dataset) -> None:
        super().__init__(layout)
        self.head = self._rows(layout)

    def pack(self, part: Dataset, first: int) -> bytes:
        return self._rows(part)[len(self.head) :]

    def _rows(self, part: Dataset) -> bytes:
        return csv_bytes(as_array(part.values), self.layout.columns, self.layout.categories)


class Lines(_Lined):
    """`.txt`."""

    def pack(self, part: Dataset, first: int) -> bytes:
        return "".join(line + "\n" for line in to_lines(part.values)).encode()
