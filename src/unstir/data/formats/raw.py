"""Samples as they lie in an array: a part is the bytes of its items, then those of its labels.

images   uint8 (n, h, w) or (n, h, w, 3)      tables, signals   float32      text   fixed-width, UCS-4
labels   int64 (n,)
"""

from __future__ import annotations

import os
from abc import ABC
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from unstir.data.dataset import Dataset
from unstir.data.formats.format import Format
from unstir.data.text import to_lines

LABELS = np.dtype(np.int64)
Array = np.ndarray[Any, Any]


class Raw(Format, ABC):
    """A format whose parts are bare bytes."""

    def __init__(self, layout: Dataset) -> None:
        super().__init__(layout)
        empty = as_array(layout.values)
        self.dtype, self.shape = empty.dtype, empty.shape[1:]
        self._item = self.dtype.itemsize * int(np.prod(self.shape))
        self._width = self._item + (0 if layout.labels is None else LABELS.itemsize)

    def pack(self, part: Dataset, first: int) -> bytes:
        content = np.ascontiguousarray(as_array(part.values)).tobytes()
        if part.labels is not None:
            content += part.labels.cpu().numpy().astype(LABELS).tobytes()
        return content

    def count(self, packed: IO[bytes]) -> int:
        count, rest = divmod(packed.seek(0, os.SEEK_END), self._width)
        if rest:
            raise ValueError("not a whole number of samples")
        return int(count)

    def halves(self, packed: IO[bytes]) -> tuple[bytes, bytes]:
        """The bytes of a part's items, and of its labels."""
        count = self.count(packed)
        packed.seek(0)
        return packed.read(count * self._item), packed.read()


def as_array(values: Tensor) -> Array:
    """Samples as people expect them in an array: channels last, or none where there is one; text as text."""
    if values.dtype == torch.int32:
        return np.array(to_lines(values), dtype=f"<U{max(1, values.shape[1])}")
    values = values.detach().cpu()
    if values.ndim in (2, 3):
        return values.float().numpy()
    return values[:, 0].numpy() if values.shape[1] == 1 else values.permute(0, 2, 3, 1).contiguous().numpy()
