"""What every format of samples can do: pack a part of them, and join all parts to the whole.

    join([pack(part 0), pack(part 1), …])  =  join([pack(all)])

Whoever writes a few samples packs them at once and joins that one part. Whoever draws very many keeps each
part on disk as it is drawn; no format then holds more than a part in memory (but `.png`, one picture of all).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from unstir.data.dataset import Dataset

Part = Callable[[], IO[bytes]]  # opens what `pack` gave


class Format(ABC):
    """One format, for samples of one layout.

    Attributes:
        layout: a data set of no items: kind, shape, names, and whether there are labels.
    """

    def __init__(self, layout: Dataset) -> None:
        self.layout = layout

    @abstractmethod
    def pack(self, part: Dataset, first: int) -> bytes:
        """The samples of a part, the first of which is number `first` of all."""

    @abstractmethod
    def count(self, packed: IO[bytes]) -> int:
        """How many samples a part holds.

        Raises:
            ValueError: it is damaged (or an OSError, or an error of the library that reads it).
        """

    @abstractmethod
    def join(self, parts: Sequence[Part], n: int, target: Path) -> None:
        """Write `target`, which is not there yet, from all parts in order, and sync it to disk.

        Args:
            parts: each opens a part.
            n: how many samples they hold.
            target: a file or folder to make.
        """
