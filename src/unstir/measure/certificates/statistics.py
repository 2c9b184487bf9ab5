"""Tests between laws: each gives the probability of a difference as large if the laws were the same.

    two_sample   Kolmogorov–Smirnov on many shadows of two samples, the smallest p times their number
    two_counts   Pearson's χ² of how often each item came, where there are finitely many
    goodness     Pearson's χ² of counts in cells against the cells' exact masses

A shadow is a coordinate, its distance from the middle, a random direction, or the distance to an anchor: a
law is determined by those, and ranks make heavy tails as easy as light ones. Some sixty such tests run
in `unstir verify`: at `LEVEL` each, right physics is refused in fewer than one suite of a hundred, and the
seeds are fixed.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEVEL = 1e-4
_DIRECTIONS = 3
_ANCHORS = 4
_FEWEST = 10.0  # expected in a cell, for the χ² law to hold


def two_sample(a: Tensor, b: Tensor, generator: torch.Generator) -> float:
    """p of two samples `(n, *shape)` and `(m, *shape)` having one law, by Bonferroni over shadows."""
    from scipy.stats import ks_2samp

    a, b = a.flatten(1).double(), b.flatten(1).double()
    size = a.shape[1]
    normal = torch.randn(_DIRECTIONS, size, generator=generator, dtype=torch.float64)
    directions = torch.cat([torch.eye(size, dtype=torch.float64)[:4], normal])
    # Anchors are left out of what is tested.
    anchors, b = b[:_ANCHORS], b[_ANCHORS:]
    middle = b.median(0).values[:4]
    shadows = [
        torch.cat([x @ directions.T, (x[:, :4] - middle).abs(), torch.cdist(x, anchors)], 1).numpy()
        for x in (a, b)
    ]
    count = shadows[0].shape[1]
    if not (bool(a.isfinite().all()) and bool(b.isfinite().all())):
        return 0.0
    least = min(
        float(ks_2samp(shadows[0][:, i], shadows[1][:, i], method="asymp").pvalue) for i in range(count)
    )
    return float(min(1.0, count * least))


def two_counts(a: Tensor, b: Tensor, generator: torch.Generator) -> float:
    """p of two samples of whole numbers `(n, *shape)` having one law, by χ² of how often each item came."""
    from scipy.stats import chi2_contingency

    items = torch.cat([a.flatten(1), b.flatten(1)])
    _, index = torch.unique(items, dim=0, return_inverse=True)
    count = int(index.max()) + 1
    table = torch.stack([torch.bincount(part, minlength=count) for part in index.split([len(a), len(b)])])
    often = table.sum(0) >= 2 * _FEWEST
    table = torch.cat([table[:, often], table[:, ~often].sum(1, keepdim=True)], 1)
    table = table[:, table.sum(0) > 0]
    if table.shape[1] == 1:
        return 1.0
    return float(chi2_contingency(table.numpy(), correction=False).pvalue)


def goodness(counts: Tensor, masses: Tensor) -> float:
    """p of `counts`, `(cells,)`, if each of them were drawn with the probabilities `masses`, which sum to 1.

    Cells that expect fewer than ten are taken together.
    """
    from scipy.stats import chi2

    n = float(counts.sum())
    expected = n * masses.double()
    full = expected >= _FEWEST
    seen, wanted = counts.double()[full], expected[full]
    rest = float(expected[~full].sum())
    statistic = float(((seen - wanted).square() / wanted).sum())
    cells = int(full.sum())
    missed = float(counts.double()[~full].sum())
    if rest >= _FEWEST:
        statistic += (missed - rest) ** 2 / rest
        cells += 1
    elif missed > _FEWEST + 5 * rest**0.5:
        return 0.0  # many where next to none belong
    return float(chi2.sf(statistic, cells - 1)) if cells > 1 else 1.0
