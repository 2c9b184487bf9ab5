"""How large items of the data are: a mixture of variances v, by maximum likelihood.

An item's mean square e is taken for that of ν Gaussian numbers of variance v, with ν = 4 at most, far below N
since an item's numbers hang together. The weights p of a grid of v are what expectation maximisation gives:

    p_k ← mean over items of p_k ℓ_k / Σ_j p_j ℓ_j      ℓ_k = v_k^{−ν/2} exp(−ν e/(2 v_k))

Items of one Gaussian law end at one width. Of heavy-tailed data the large ones get widths of their own, so
that a field can tell a far item from a large draw of the noise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.byparts import by_parts

# How many of an item's numbers count as independent where its size tells of a variance.
EVIDENCE = 4
WIDTHS = 12
_ROUNDS = 500
_BINS = 512


def fit_widths(items: Tensor) -> tuple[Tensor, Tensor]:
    """The variances v and the logarithms of their shares, each `(WIDTHS,)`, float64.

    Args:
        items: of mean 0, `(n, *shape)`.
    """
    energy = by_parts(lambda part: part.flatten(1).double().square().mean(1), items)
    energy = energy[energy > 0]
    if len(energy) == 0:
        return torch.ones(WIDTHS, dtype=torch.float64), torch.zeros(WIDTHS, dtype=torch.float64)
    order, number = energy.sort().values, min(EVIDENCE, items[0].numel())
    # The least of all say little: a Gaussian number may be as near 0 as it likes.
    low, high = 0.25 * order[len(order) // 100], order[-1] * (1 + 1e-9)
    variances = torch.logspace(float(low.log2()), float(high.log2()), WIDTHS, 2.0, dtype=torch.float64)
    edges = torch.logspace(float(order[0].log2()), float(high.log2()), _BINS + 1, 2.0, dtype=torch.float64)
    place = torch.bucketize(energy, edges[1:-1])
    count = torch.bincount(place, minlength=_BINS).double()
    middle = torch.zeros_like(count).index_add_(0, place, energy) / count.clamp_min(1)
    middle, count = middle[count > 0], count[count > 0] / len(energy)
    likely = -0.5 * number * (variances.log() + middle[:, None] / variances)
    likely = (likely - likely.amax(1, keepdim=True)).exp()
    shares = torch.full((WIDTHS,), 1 / WIDTHS, dtype=torch.float64)
    for _ in range(_ROUNDS):
        shares = shares * ((count / (likely @ shares)) @ likely)
    # The grid is coarse: the mean must be the data's own.
    variances = variances * (count @ middle) / (shares @ variances)
    return variances, shares.clamp_min(1e-12).log()
