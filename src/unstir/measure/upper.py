"""The largest sizes of a set, sorted once, from which the profile of every resampling is read.

A draw of a bootstrap counts item i c_i times. With the items in falling order of size, C_j = Σ_{i ≤ j} c_i is
how many of the draw are as large as item j, so that the draw's size of rank r (0 the largest) is that of

    the first j with C_j > r

and quantiles, Hill's index and survival follow from ranks alone. Only the upper tenth has any part in a tail:
items are kept down to that, and as far beyond as draws reach.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure.tails import LEVELS, Profile, hill_count

_BEYOND = 6  # times √n of items: fifteen deviations of how many of a draw lie above a size, or more


class Upper:
    """The upper part of a set's sizes.

    Args:
        sizes: `(n, shadows)`, of `Shadows.sizes`.
        shares: at which the norm's survival is read, as for `Profile.of`.
    """

    def __init__(self, sizes: Tensor, shares: Tensor) -> None:
        self.sizes, self.shares, n = sizes.double(), shares.double(), len(sizes)
        self.levels = torch.tensor(LEVELS, dtype=torch.float64)
        self.k = hill_count(n)
        largest = float(torch.cat([self.levels, self.shares]).max())
        self.deepest = max(self.k, min(math.floor((n - 1) * largest) + 1, n - 1))
        kept = min(n, self.deepest + 1 + math.ceil(_BEYOND * math.sqrt(n)))
        self.values, self.order = self.sizes.T.contiguous().topk(kept)  # (shadows, kept), falling

    def drawn(self, counts: Tensor) -> Profile:
        """The profile of the set in which item i stands `counts[i]` times, as `Profile.of` has it.

        Args:
            counts: `(n,)` int64, of sum n.

        Raises:
            InputError: a tail that is not above 0.
        """
        above = counts[self.order].cumsum(1)
        if int(above[:, -1].min()) <= self.deepest:
            return Profile.of(self.sizes.repeat_interleave(counts, dim=0), self.shares)
        return Profile(
            self._index(above[0]),
            self._quantiles(above, self.levels),
            self._quantiles(above[:1], self.shares)[:, 0],
        )

    def _index(self, above: Tensor) -> float:
        """Hill's, of the norm: 1/α = mean over the k largest of ln(r / r_(k+1))."""
        values = self.values[0]
        base = values[torch.searchsorted(above, torch.tensor(self.k), right=True)]
        if not base > 0:
            raise InputError(
                "the tail of a resampling holds sizes of 0 or below; the rows are nearly all alike"
            )
        times = above.clamp(max=self.k).diff(prepend=above.new_zeros(1))
        told = times > 0
        return float(self.k / (times[told] * (values[told] / base).log()).sum())

    def _quantiles(self, above: Tensor, exceeded: Tensor) -> Tensor:
        """ln Q(p) of each shadow for shares p exceeded: `(points, shadows)`."""
        n = len(self.sizes)
        rank = (n - 1) * exceeded
        first = rank.floor()
        ranks = torch.cat([first, (first + 1).clamp(max=n - 1)]).long()
        shadows = len(above)
        places = torch.searchsorted(above, ranks.repeat(shadows, 1), right=True)
        upper, lower = self.values[:shadows].gather(1, places).chunk(2, dim=1)
        found = upper + (rank - first) * (lower - upper)
        return found.clamp_min(torch.finfo(torch.float64).tiny).log().T
