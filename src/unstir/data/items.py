"""What a trainer takes batches from: data as they are kept, made into model units a batch at a time.

    images   bytes in the device's memory: a fourth of what floats take. Of a coder that takes each pixel by
             itself, the model units of all 256 bytes are one table to look up in.
    tables   in model units from the beginning, as they take no more memory so
    large    rows stay where they are, on disk where `mapped.py` left them, and only a batch of them is moved

`parted` keeps apart what is trained on and what is held out, as `Dataset.split` does. Of a large set it parts
the rows' numbers and not the values, and what must be in memory in full is a sample of evenly spaced rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.data.coder import Coder
from unstir.data.dataset import Dataset
from unstir.data.limits import check_memory, is_large
from unstir.moving import sent

_PART = 4096  # items made at once
_SAMPLE_BYTES = 2**28
_SAMPLE_ITEMS = 100_000
_LEAST_ITEMS = 1000

Index = Tensor | slice


class Items:
    """Items of a data set in model units.

    Args:
        values: as in `Dataset.values`.
        coder: between them and the model.
        device: where batches are wanted.
        rows: int64, which rows of `values` are items; all of them without.
    """

    def __init__(
        self,
        values: Tensor,
        coder: Coder,
        device: torch.device | str = "cpu",
        rows: Tensor | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.rows = rows
        self._coder: Coder | None = coder
        self._values = values
        self._table: Tensor | None = None
        if values.dtype == torch.uint8 and values.ndim == 4:
            table = coder.to_model(torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1)).flatten()
            few = values[:4]
            if len(table) == 256 and torch.equal(table[few.long()], coder.to_model(few)):
                self._table = table.to(self.device)
        if not is_large(values.nbytes):
            if self._table is None:
                self._values, self._coder = model_units(coder, values), None
            self._values = self._values.to(self.device)
        self._shape = tuple(self[:1].shape[1:])

    def __len__(self) -> int:
        return len(self._values) if self.rows is None else len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, *shape of one item in model units)`."""
        return (len(self), *self._shape)

    def __getitem__(self, index: Index) -> Tensor:
        """The items at `index`, int64 numbers on any device or a slice, in model units on the device."""
        where = index if self.rows is None else self.rows[index.cpu() if isinstance(index, Tensor) else index]
        values = self._values[sent(where, self._values.device) if isinstance(where, Tensor) else where]
        values = sent(values, self.device)
        if self._table is not None:
            return self._table.index_select(0, values.flatten().int()).view(values.shape)
        return values if self._coder is None else self._coder.to_model(values)

    def sample(self, most: int | None = None) -> Tensor:
        """Items on the CPU for what needs them at once: `most` evenly spaced ones, or all.

        Args:
            most: how many there may be; without, all of a set in memory and a sample of a large one.
        """
        if most is None:
            most = _most(self[:1].nbytes) if is_large(self._values.nbytes) else len(self)
        return torch.cat([self[part].cpu() for part in torch.split(spaced(len(self), most), _PART)])


@dataclass(frozen=True)
class Parts:
    """What is trained on and what is held out.

    Attributes:
        train: the training part in memory; of a large set a sample of it, to fit coders and to compare with.
        heldout: what is held out in memory; of a large set a sample of it.
        count: how many items are trained on.
        data: the whole set.
        rows: of a large set, which rows are trained on; None where `train` is all of them.
    """

    train: Dataset
    heldout: Dataset
    count: int
    data: Dataset
    rows: Tensor | None = None

    @property
    def sets(self) -> tuple[Dataset, Dataset]:
        """(training, held-out), as `Dataset.split` gives them; of a large set a sample of each."""
        return self.train, self.heldout

    @property
    def labels(self) -> Tensor | None:
        """Of all that is trained on, int64 `(count,)`, or None."""
        if self.rows is None or self.data.labels is None:
            return self.train.labels
        return self.data.labels[self.rows]

    def items(self, coder: Coder, device: torch.device | str = "cpu") -> Items:
        """All that is trained on, in model units."""
        if self.rows is None:
            return Items(self.train.values, coder, device)
        return Items(self.data.values, coder, device, self.rows)


def parted(data: Dataset, holdout: float, seed: int = 0) -> Parts:
    """Training and held-out part, of the same items as `data.split`, without a copy of a large set.

    Args:
        data: the whole.
        holdout: share held out, in [0, 1).
        seed: of the shuffle.

    Raises:
        InputError: as `Dataset.split`.
    """
    if not is_large(data.values.nbytes):
        train, heldout = data.split(holdout, seed)
        return Parts(train, heldout, len(train), data)
    kept, held = (part.values[:, 0] for part in _numbered(len(data)).split(holdout, seed))
    most = _most(data.values[:1].nbytes)
    train, heldout = (data.select(rows[spaced(len(rows), most)]) for rows in (kept, held))
    return Parts(train, heldout, len(kept), data, kept)


def spaced(n: int, most: int) -> Tensor:
    """At most `most` numbers below `n`, rising and evenly spaced."""
    count = min(n, most)
    return torch.arange(count) * n // max(1, count)


def model_units(coder: Coder, values: Tensor) -> Tensor:
    """All items in model units, a part at a time: a coder works in float64, eight times what bytes take."""
    first = coder.to_model(values[:1])
    check_memory(f"{len(values):,} items in model units", len(values) * first.nbytes)
    items = torch.empty((len(values), *first.shape[1:]), dtype=first.dtype)
    for part, given in zip(torch.split(items, _PART), torch.split(values, _PART), strict=True):
        part.copy_(coder.to_model(given))
    return items


def _most(size: int) -> int:
    """How many items of `size` bytes a sample has."""
    return max(_LEAST_ITEMS, min(_SAMPLE_ITEMS, _SAMPLE_BYTES // max(1, size)))


def _numbered(n: int) -> Dataset:
    return Dataset("rows", "table", torch.arange(n)[:, None])
