"""How two sets overlap, by balls: B(x) reaches from x to its k-th nearest neighbour in x's own set.

    precision   share of samples inside some ball of the reference       (are they real?)
    recall      share of the reference inside some ball of the samples   (is everything there?)
    density     mean number of reference balls around a sample, over k   (1 expected for equal laws)
    coverage    share of reference balls that hold a sample

Balls are closed: a point at exactly the radius is inside. Distances are Euclidean.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._arrays import pair, whole
from unstir.measure._tiles import nearest_distances, tiles


class Overlap(NamedTuple):
    """Precision, recall and coverage in [0, 1]; density from 0, possibly above 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(samples: Tensor, reference: Tensor, *, k: int = 5) -> Overlap:
    """Precision, recall, density and coverage of `samples` by k-nearest-neighbour balls.

    Args:
        samples: `(n, ...)`, n > k.
        reference: `(m, ...)`, m > k; take m = n where figures are to be compared with others'.
        k: the neighbour that sets a ball's radius.

    Raises:
        InputError: items of different shape, no more than k of them, values that are not finite, k < 1.

    Source: Kynkäänniemi et al. 2019, Improved precision and recall metric, eq. 1–2 (precision, recall);
        Naeem et al. 2020, Reliable fidelity and diversity metrics, eq. 3–4 (density, coverage).
    """
    whole(k, "k")
    x, y = pair(samples, reference, ("samples", "reference"))
    if min(len(x), len(y)) <= k:
        raise InputError(
            f"k={k} with {len(x)} samples and {len(y)} of reference: give more than k, or a smaller k"
        )
    sample_radius, reference_radius = nearest_distances(x, k), nearest_distances(y, k)
    balls = torch.zeros(len(x), dtype=torch.int64, device=x.device)  # of the reference, around each sample
    recalled = torch.zeros(len(y), dtype=torch.bool, device=x.device)
    covered = torch.zeros(len(y), dtype=torch.bool, device=x.device)
    for i, j, tile in tiles(x, y):
        inside = tile <= reference_radius[j]
        balls[i] += inside.sum(1)
        covered[j] |= inside.any(0)
        recalled[j] |= (tile <= sample_radius[i, None]).any(0)
    return Overlap(
        precision=_share(balls > 0),
        recall=_share(recalled),
        density=float(balls.double().mean()) / k,
        coverage=_share(covered),
    )


def _share(true: Tensor) -> float:
    return float(true.double().mean())
