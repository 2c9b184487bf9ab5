"""An order of points in which alike ones follow one another.

Where noise is not high the points that count for a state are near each other, and most parts of the data have
none: what is zero there is not multiplied (`exact_bytes.py`). Points are told by the nearest of 64 centres
(Lloyd 1982, on a sample), and the centres are put in a chain, each with the nearest of the others after it.
Nothing but the order of sums depends on it.
"""

from __future__ import annotations

import torch
from torch import Tensor

_CENTRES = 64
_SAMPLE = 4096
_ROUNDS = 5
_BLOCK = 8192


def alike(values: Tensor) -> Tensor:
    """Numbers of the points `(points, N)` in such an order, int64 `(points,)`."""
    some = values[:: max(1, len(values) // _SAMPLE)].float()
    centres = some[torch.linspace(0, len(some) - 1, min(_CENTRES, len(some))).long()]
    for _ in range(_ROUNDS):
        own = _nearest(some, centres)
        counts = torch.bincount(own, minlength=len(centres))[:, None]
        sums = torch.zeros_like(centres).index_add_(0, own, some)
        centres = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
    own = torch.cat([_nearest(part.float(), centres) for part in torch.split(values, _BLOCK)])
    return _chain(centres)[own].argsort(stable=True)


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    return torch.addmm(centres.square().sum(1), points, centres.T, alpha=-2).argmin(1)


def _chain(centres: Tensor) -> Tensor:
    """The place of each centre in the chain."""
    place, last = torch.full((len(centres),), -1, device=centres.device), 0
    for number in range(len(centres)):
        place[last] = number
        away = (centres - centres[last]).square().sum(1)
        last = int(away.masked_fill_(place >= 0, torch.inf).argmin())
    return place
