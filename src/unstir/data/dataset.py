"""A data set in memory, as every reader returns it.

Images keep the bytes they had; tables, points and signals keep their own units. What the model sees is
`Scaling`'s work, so that samples come back in the units the user knows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from unstir.errors import InputError

Kind = Literal["image", "table", "signal", "text"]


@dataclass(frozen=True)
class Dataset:
    """Values with their labels and names.

    Attributes:
        name: what the user called it: a built-in name or a path.
        kind: `image`, `table`, `signal` or `text`.
        values: images as uint8 `(n, channels, height, width)`; tables as finite float32 `(n, columns)`;
            signals as finite float32 `(n, channels, length)`; text as int32 code points `(n, length)`, see
            `text.py`.
        labels: int64 `(n,)` class numbers from 0, or None.
        label_names: the class names in order of number; empty without labels.
        columns: a table's column names; empty for others.
        categories: for each column of a table the names of its categories, whose codes 0, 1, … `values`
            holds, or None where it holds numbers; empty where all columns do. The name '' is a missing cell.
        skipped: what was passed over, each as 'place: reason': parts that are not for training, files beside
            images that say no class, and bad ones where the user asked for it.
        files: of images that lie in files of their own, the name of each within the folder or the archive;
            empty for others.
    """

    name: str
    kind: Kind
    values: Tensor
    labels: Tensor | None = None
    label_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...] | None, ...] = ()
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one item."""
        return tuple(self.values.shape[1:])

    def select(self, index: Tensor) -> Dataset:
        """The items at `index`, an int64 tensor."""
        labels = None if self.labels is None else self.labels[index]
        files = tuple(self.files[i] for i in index.tolist()) if self.files else ()
        return replace(self, values=self.values[index], labels=labels, files=files)

    def holding(self, values: Tensor) -> Dataset:
        """Other items in the same units, with no labels and of no files."""
        return replace(self, values=values, labels=None, files=())

    def passing_over(self, passed: tuple[str, ...]) -> Dataset:
        """The same, with more at the head of `skipped`."""
        return replace(self, skipped=(*passed, *self.skipped)) if passed else self

    def split(self, holdout: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Part into (training, held-out), the same for the same length, share and seed.

        Args:
            holdout: share held out, in [0, 1); at least one item where it is above 0.
            seed: of the shuffle that chooses them.

        Raises:
            InputError: `holdout` outside [0, 1), or nothing left to train on.
        """
        if not 0 <= holdout < 1:
            raise InputError(f"holdout={holdout}: the held-out share lies in [0, 1), such as 0.2")
        count = max(1, round(holdout * len(self))) if holdout else 0
        if count >= len(self):
            raise InputError(
                f"holdout={holdout} leaves none of {len(self)} items to train on: give more data"
            )
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        held, kept = order[:count].sort().values, order[count:].sort().values
        return self.select(kept), self.select(held)
