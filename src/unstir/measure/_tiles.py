"""Euclidean distances between two sets of rows, a tile at a time.

No whole n × m matrix is ever held: a tile is at most 2048 × 2048, in float64. The matrix-product
form of the distance leaves about 1e-8 of a row's norm where two rows are equal, so rows are moved
near the origin first and anything below that noise is zero: equal rows are at distance 0, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

SIDE = 2048
NOISE = 1e-7


def distances(x: Tensor, y: Tensor) -> Tensor:
    """The matrix ‖x_i − y_j‖ in float64, of x `(n, d)` and y `(m, d)`, for sets small enough to hold it."""
    origin = y[:1].double()
    x, y = x.double() - origin, y.double() - origin
    table = torch.cdist(x, y)
    scale = x.norm(dim=1)[:, None] + y.norm(dim=1)
    return table.masked_fill_(table < NOISE * scale, 0.0)


def tiles(x: Tensor, y: Tensor, side: int = SIDE) -> Iterator[tuple[slice, slice, Tensor]]:
    """Each tile of the matrix ‖x_i − y_j‖ as (rows of x, rows of y, distances)."""
    for top in range(0, len(x), side):
        for left in range(0, len(y), side):
            i, j = slice(top, top + side), slice(left, left + side)
            yield i, j, distances(x[i], y[j])


def mean_between(x: Tensor, y: Tensor, kernel: Callable[[Tensor], Tensor]) -> float:
    """Mean over all i, j of kernel(‖x_i − y_j‖)."""
    total = sum(float(kernel(tile).sum()) for _, _, tile in tiles(x, y))
    return total / (len(x) * len(y))


def mean_within(x: Tensor, kernel: Callable[[Tensor], Tensor], side: int = SIDE) -> float:
    """Mean over all i ≠ j of kernel(‖x_i − x_j‖); each pair is computed once and counted twice."""
    total = 0.0
    for top in range(0, len(x), side):
        square = kernel(distances(x[top : top + side], x[top : top + side]))
        total += float(square.sum() - square.diagonal().sum())
        total += 2 * sum(
            float(kernel(t).sum()) for _, _, t in tiles(x[top : top + side], x[top + side :], side)
        )
    return total / (len(x) * (len(x) - 1))


def nearest_distances(x: Tensor, k: int, side: int = SIDE) -> Tensor:
    """The distance of each row to its k-th nearest other row, `(n,)`; k < n."""
    best = torch.full((len(x), k), torch.inf, dtype=torch.float64, device=x.device)
    for i, j, tile in tiles(x, x, side):
        if i == j:
            tile.fill_diagonal_(torch.inf)
        best[i] = torch.cat([best[i], tile], 1).topk(k, largest=False).values
    return best[:, -1]
