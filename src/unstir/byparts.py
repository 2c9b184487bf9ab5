"""Work on many items a part at a time, in little memory: what a part gives does not depend on the others."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_NUMBERS = 2**24  # of a part


def by_parts(work: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
    """`work(items)`, where row i of it depends on item i alone.

    Args:
        work: of items `(m, *shape)`, gives `(m, …)`.
        items: `(n, *shape)`.
    """
    rows = max(1, _NUMBERS // max(1, items[:1].numel()))
    if len(items) <= rows:
        return work(items)
    parts = torch.split(items, rows)
    first = work(parts[0])
    made = first.new_empty((len(items), *first.shape[1:]))
    for place, part in zip(torch.split(made, rows), parts, strict=True):
        place.copy_(first if part is parts[0] else work(part))
    return made


def by_columns(work: Callable[..., Tensor], rows: Tensor, *others: Tensor) -> Tensor:
    """`work(rows, *others)`, where entry j of it depends on column j alone.

    Args:
        work: of rows `(n, m)` and the same columns of the others, gives `(…, m)`.
        rows: `(n, N)`.
        others: each `(…, N)`.
    """
    columns = max(1, _NUMBERS // max(1, len(rows)))
    parts = zip(*(torch.split(each, columns, dim=-1) for each in (rows, *others)), strict=True)
    return torch.cat([work(*part) for part in parts], -1)
