"""A table column by column, and its columns two by two.

    numbers      Kolmogorov–Smirnov   sup_v |F(v) − G(v)|          F, G the two sets' distribution functions
    categories   total variation      ½ Σ_k |p_k − q_k|            p, q the two sets' shares
    two columns  ‖R_ij − R'_ij‖_F     R_ij = C_ij / √(tr C_ii tr C_jj)

C is the covariance of the coordinates in which categories are corners of a simplex (`data/columns.py`). For
two columns of numbers R_ij is their correlation; it is 0 where the two are independent. All figures lie in
[0, 2], and 0 is equal. Sets of n items with the same law differ by about 1/√n: the floor shows how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.data.columns import Columns
from unstir.data.dataset import Dataset
from unstir.measure._arrays import subset


@dataclass(frozen=True)
class ColumnFigures:
    """One column of two tables.

    Attributes:
        name: of the column.
        measure: `KS` for numbers, `TV` for categories.
        samples: of the samples against the reference, in [0, 1].
        floor: of real training items against it; None without any.
    """

    name: str
    measure: str
    samples: float
    floor: float | None


@dataclass(frozen=True)
class ColumnReport:
    """What `compare_columns` found.

    Attributes:
        columns: in the table's order.
        correlation: the mean difference over all pairs of columns; None where there is one column.
        correlation_floor: of real training items.
        worst_pair: the names of the two columns whose correlation differs most.
        worst: by how much.
        n: items of each set compared.
    """

    columns: tuple[ColumnFigures, ...]
    correlation: float | None
    correlation_floor: float | None
    worst_pair: tuple[str, str] | None
    worst: float | None
    n: int


def compare_columns(
    samples: Tensor, reference: Dataset, train: Tensor | None = None, *, limit: int = 5_000, seed: int = 0
) -> ColumnReport:
    """Compare a table's columns with those of a reference.

    Args:
        samples: `(n, columns)` numbers and codes, as `Dataset.values`.
        reference: a table that the model never saw.
        train: what it was trained on; brings the floors.
        limit: at most this many items of each are compared; all sets are cut to the smallest.
        seed: of the choice.

    Raises:
        InputError: a code that is no category, or another number of columns.
    """
    given = [samples, reference.values, *([] if train is None else [train])]
    n = min(limit, *map(len, given))
    ours, theirs, *real = (subset(values, n, seed).cpu() for values in given)
    categories = reference.categories or (None,) * reference.shape[0]

    def figures(values: Tensor) -> list[float]:
        return [
            _ks(a, b) if names is None else _tv(a, b, len(names))
            for a, b, names in zip(values.T, theirs.T, categories, strict=True)
        ]

    coder = Columns.fit(reference)
    home = _correlations(coder, theirs)
    floors = figures(real[0]) if real else [None] * len(categories)
    apart = _apart(coder, _correlations(coder, ours) - home)
    pairs = torch.triu_indices(len(apart), len(apart), 1)
    columns = tuple(
        ColumnFigures(name, "KS" if names is None else "TV", a, b)
        for name, names, a, b in zip(reference.columns, categories, figures(ours), floors, strict=True)
    )
    if not pairs.shape[1]:
        return ColumnReport(columns, None, None, None, None, n)
    found = apart[pairs[0], pairs[1]]
    most = int(found.argmax())
    real_apart = _apart(coder, _correlations(coder, real[0]) - home) if real else None
    return ColumnReport(
        columns=columns,
        correlation=float(found.mean()),
        correlation_floor=None if real_apart is None else float(real_apart[pairs[0], pairs[1]].mean()),
        worst_pair=(reference.columns[int(pairs[0, most])], reference.columns[int(pairs[1, most])]),
        worst=float(found[most]),
        n=n,
    )


def _ks(a: Tensor, b: Tensor) -> float:
    from scipy.stats import ks_2samp

    return float(ks_2samp(a.numpy(), b.numpy(), method="asymp").statistic)


def _tv(a: Tensor, b: Tensor, count: int) -> float:
    p, q = (torch.bincount(codes.long(), minlength=count).double() / len(codes) for codes in (a, b))
    return float((p - q).abs().sum() / 2)


def _owner(coder: Columns) -> Tensor:
    """Which column each coordinate belongs to, as rows of 0 and 1: `(width, columns)` float64."""
    widths = torch.tensor([count - 1 if count else 1 for count in coder.counts])
    columns = torch.repeat_interleave(torch.arange(len(widths)), widths)
    return torch.nn.functional.one_hot(columns, len(widths)).double()


def _correlations(coder: Columns, values: Tensor) -> Tensor:
    """R, `(width, width)`; 0 where a column is constant."""
    x = coder.to_model(values).double()
    centred = x - x.mean(0)
    covariance = centred.T @ centred / len(x)
    owner = _owner(coder)
    deviation = (owner @ (owner.T @ covariance.diagonal())).sqrt()
    deviation = torch.where(deviation > 0, deviation, torch.inf)
    return covariance / torch.outer(deviation, deviation)


def _apart(coder: Columns, difference: Tensor) -> Tensor:
    """The norms of the blocks of a difference, `(columns, columns)`."""
    owner = _owner(coder)
    return (owner.T @ difference**2 @ owner).sqrt()
