"""Text: one item a line, all of one length by padding, as Unicode code points int32 `(n, length)`.

Shorter lines are filled up with NUL, which no line of text holds. The model sees letters numbered by the
alphabet of the training items, the padding among them: `Letters`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unstir.data.dataset import Dataset, Kind
from unstir.data.limits import check_memory
from unstir.data.wording import counted, quoted, reason, shown
from unstir.errors import InputError

LONGEST_ITEM = 4096  # letters
_LARGEST_CODE = 0x10FFFF


def read_text(path: Path, name: str) -> Dataset:
    """The lines of a text file in UTF-8; empty ones are left out.

    Raises:
        InputError: no text, no lines, or a line above 4,096 letters.
    """
    what = shown(name)
    try:
        check_memory(what, 4 * path.stat().st_size)
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"{what} cannot be read as text in UTF-8 ({reason(error)}): check the file"
        ) from error
    return from_lines([line for line in text.split("\n") if line.strip()], name, what)


def from_lines(lines: Sequence[str], name: str, what: str = "the text") -> Dataset:
    """A data set of `lines`, padded to the longest.

    Raises:
        InputError: no lines, a line above 4,096 letters, or one with a zero byte.
    """
    if not lines:
        raise InputError(f"{what} has no lines with anything in them: give one item a line")
    length = max(map(len, lines))
    if length > LONGEST_ITEM:
        raise InputError(
            f"{what} has a line of {length} letters: an item has at most {LONGEST_ITEM}, break the lines"
        )
    if any("\0" in line for line in lines):
        raise InputError(f"{what} holds zero bytes: is it text? Remove them")
    check_memory(what, 4 * length * len(lines))
    padded = "".join(line.ljust(length, "\0") for line in lines)
    codes = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), dtype="<i4")
    values = torch.from_numpy(codes.astype(np.int32).reshape(len(lines), length))
    return Dataset(name, "text", values)


def to_lines(values: Tensor) -> list[str]:
    """The lines of code points `(n, length)`, without padding at the ends; amid a line it is a space."""
    return ["".join(map(chr, row)).rstrip("\0").replace("\0", " ") for row in values.tolist()]


@dataclass(frozen=True)
class Letters:
    """The numbering of an alphabet: its letters in order are 0, 1, …

    Attributes:
        alphabet: the code points in rising order, the padding among them where the data have it.

    Raises:
        InputError: fewer than two letters, or not rising code points.
    """

    alphabet: tuple[int, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.alphabet, self.alphabet[1:], strict=False))
        if (
            len(self.alphabet) < 2
            or not rising
            or not 0 <= self.alphabet[0] <= self.alphabet[-1] <= _LARGEST_CODE
        ):
            raise InputError(
                f"letters: an alphabet of {counted(len(self.alphabet), 'letter')}; give two or more "
                "different ones, in rising order"
            )

    @property
    def kind(self) -> str:
        """By which `coder_from_dict` knows it again."""
        return "letters"

    @property
    def holds(self) -> Kind:
        """The kind of data it codes."""
        return "text"

    @classmethod
    def fit(cls, dataset: Dataset) -> Letters:
        """All letters of a data set."""
        return cls(tuple(torch.unique(dataset.values).tolist()))

    def model_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one item in model units: the same."""
        return tuple(shape)

    def to_model(self, values: Tensor) -> Tensor:
        """Code points to the letters' numbers, int64.

        Raises:
            InputError: a letter that is not in the alphabet.
        """
        codes = torch.tensor(self.alphabet, device=values.device)
        numbers = torch.searchsorted(codes, values.long().contiguous()).clamp_max(len(codes) - 1)
        strange = codes[numbers] != values
        if bool(strange.any()):
            letter = chr(int(values[strange][0]))
            raise InputError(
                f"text holds the letter {quoted(letter)}, which the training text does not: leave it out"
            )
        return numbers

    def to_data(self, x: Tensor) -> Tensor:
        """Numbers to code points, int32.

        Raises:
            InputError: a number beyond the alphabet, such as the mask.
        """
        if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < len(self.alphabet):
            raise InputError(
                f"x holds states {int(x.min())} to {int(x.max())}, and the letters are 0 to "
                f"{len(self.alphabet) - 1}: walk to the end of the path (time 0)"
            )
        return torch.tensor(self.alphabet, dtype=torch.int32, device=x.device)[x]

    def seen(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"kind": self.kind, "alphabet": list(self.alphabet)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Letters:
        """The letters that `to_dict` wrote.

        Raises:
            InputError: keys missing or unknown, or values that are no code points.
        """
        if set(data) != {"kind", "alphabet"}:
            raise InputError(f"letters: {sorted(map(str, data))}, give kind and alphabet")
        alphabet = data["alphabet"]
        if not isinstance(alphabet, list | tuple) or not all(type(code) is int for code in alphabet):
            raise InputError(f"letters: alphabet={quoted(alphabet)}, give a list of code points")
        return cls(tuple(alphabet))
