"""What a trainer takes batches from: data as they are kept, made into model units a batch at a time.

    images   bytes in the device's memory: a fourth of what floats take. Of a coder that takes each pixel by
             itself, the model units of all 256 bytes are one table to look up in.
    tables   in model units from the beginning, as they take no more memory so
    either   in the host's memory, where they are more than a quarter of what the device has free: batches are
             taken there and sent, and are the same
    large    rows stay where they are, on disk where `mapped.py` left them, and only a batch of them is moved

`parted` keeps apart what is trained on and what is held out, as `Dataset.split` does. Of a large set it parts
the rows' numbers and not the values, and what must be in memory in full is a sample of rows, drawn by the
seed. Whatever is fitted before training (a sketch, a spectrum, a spread) takes a sample too where all items
would be more than 1 GiB in model units.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.data.coder import Coder
from unstir.data.dataset import Dataset
from unstir.data.limits import check_memory, fits_device, is_large
from unstir.moving import free_memory, sent

_PART = 4096  # items made at once
_SAMPLE_BYTES = 2**28
_SAMPLE_ITEMS = 100_000
_LEAST_ITEMS = 1000
_KNOWN_BYTES = 2**30  # in model units, of what is fitted before training: 256 MiB of images

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
            if fits_device(self._values.nbytes, free_memory(self.device)):
                self._values = self._values.to(self.device)
        first = self[:1]
        self.dtype = first.dtype
        self._shape = tuple(first.shape[1:])

    def __len__(self) -> int:
        return len(self._values) if self.rows is None else len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, *shape of one item in model units)`."""
        return (len(self), *self._shape)

    def __getitem__(self, index: Index) -> Tensor:
        """The items at `index`, int64 numbers or a slice, in model units on the device.

        Numbers on the CPU are the best to give: on the device they are waited for where the values are not.
        """
        where = index if self.rows is None else self.rows[index.cpu() if isinstance(index, Tensor) else index]
        values = self._values[sent(where, self._values.device) if isinstance(where, Tensor) else where]
        values = sent(values, self.device)
        if self._table is not None:
            return self._table.index_select(0, values.flatten().int()).view(values.shape)
        return values if self._coder is None else self._coder.to_model(values)

    def on_host(self, index: Tensor | None = None) -> Tensor:
        """The items at `index`, int64 on the CPU, or all, at once on the CPU; nobody writes to them."""
        if index is None and self.rows is None and self._coder is None and self._values.device.type == "cpu":
            return self._values
        index = torch.arange(len(self)) if index is None else index
        found = torch.empty((len(index), *self._shape), dtype=self.dtype)
        for part, where in zip(torch.split(found, _PART), torch.split(index, _PART), strict=True):
            part.copy_(self[where])
        return found


@dataclass(frozen=True)
class Parts:
    """What is trained on and what is held out.

    Attributes:
        train: the training part in memory; of a large set a sample of it, to fit coders and to compare with.
        heldout: what is held out in memory; of a large set a sample of it.
        count: how many items are trained on.
        total: how many there are.
        seed: of what is drawn from them.
        data: of a large set the whole; None of one in memory, which may go once it is parted.
        rows: which of its rows are trained on; None where `train` is all of them.
    """

    train: Dataset
    heldout: Dataset
    count: int
    total: int
    seed: int = 0
    data: Dataset | None = None
    rows: Tensor | None = None

    @property
    def sets(self) -> tuple[Dataset, Dataset]:
        """(training, held-out), as `Dataset.split` gives them; of a large set a sample of each."""
        return self.train, self.heldout

    @property
    def labels(self) -> Tensor | None:
        """Of all that is trained on, int64 `(count,)`, or None."""
        if self.rows is None or self.data is None or self.data.labels is None:
            return self.train.labels
        return self.data.labels[self.rows]

    def items(self, coder: Coder, device: torch.device | str = "cpu") -> Items:
        """All that is trained on, in model units."""
        if self.data is None:
            return Items(self.train.values, coder, device)
        return Items(self.data.values, coder, device, self.rows)

    def known(self, items: Items) -> tuple[Tensor, Tensor | None]:
        """What processes and fields are fitted to: items on the CPU in model units, and their labels.

        All that is trained on, or as many as are 1 GiB, drawn by the seed; of a large set a sample.

        Args:
            items: as `items` gives them.
        """
        most = most_known(items.on_host(torch.zeros(1, dtype=torch.int64)).nbytes)
        # Rows of letters or bins are seen in full: a process counts of how many kinds there are.
        if not items.dtype.is_floating_point and len(items.shape) == 2:
            most = self.count
        if self.data is not None:
            most = min(most, _most(self.data.values[:1].nbytes))
        if most >= self.count:
            return items.on_host(), self.labels
        index = drawn(self.count, most, self.seed)
        return items.on_host(index), None if self.labels is None else self.labels[index]


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
        return Parts(train, heldout, len(train), len(data), seed)
    kept, held = (part.values[:, 0] for part in _numbered(len(data)).split(holdout, seed))
    most = _most(data.values[:1].nbytes)
    train, heldout = (data.select(rows[drawn(len(rows), most, seed)]) for rows in (kept, held))
    return Parts(train, heldout, len(kept), len(data), seed, data, kept)


def drawn(n: int, most: int, seed: int) -> Tensor:
    """At most `most` numbers below `n`, rising, drawn at random: data may lie in an order with a period."""
    if n <= most:
        return torch.arange(n)
    generator = torch.Generator().manual_seed((seed * 1_000_003 + 1) % 2**63)  # not the one that parted them
    return torch.randperm(n, generator=generator)[:most].sort().values


def most_known(size: int) -> int:
    """How many items, of `size` bytes each in model units, are enough to fit to."""
    return max(_LEAST_ITEMS, _KNOWN_BYTES // max(1, size))


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
