"""Points in a tree of cubes: 2^d children each, told by the bits of their places (Morton 1966).

Points are sorted by the key that interleaves the bits of their integer places at the deepest level. A cube of
level l is then a run of points that share the first d·l bits: nothing but starts and counts is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

DEPTH = 20  # levels below the root


@dataclass(frozen=True)
class Level:
    """The cubes of one level that hold points, in the order of their keys.

    Attributes:
        key: `(boxes,)`.
        start: where the points of each begin, and the end of the last, `(boxes + 1,)`.
        place: integer places of the cubes, `(boxes, d)`.
    """

    key: Tensor
    start: Tensor
    place: Tensor

    @property
    def count(self) -> Tensor:
        """Points in each cube."""
        return self.start.diff()


class Cloud:
    """Points sorted into cubes.

    Args:
        points: `(points, d)`, float64, d from 1 to 3.
        corner: of the root, `(d,)`.
        side: of the root.
    """

    def __init__(self, points: Tensor, corner: Tensor, side: float) -> None:
        self.side, self.corner = side, corner
        scaled = ((points - corner) * (2**DEPTH / side)).floor_().clamp_(0, 2**DEPTH - 1).long()
        key = _interleaved(scaled)
        self._key, self.order = key.sort()
        self.points = points[self.order]
        self._place = scaled[self.order]
        self.level = lru_cache(maxsize=None)(self._level)
        self.children = lru_cache(maxsize=None)(self._children)

    @cached_property
    def axes(self) -> Tensor:
        """Places axis by axis, `(d, points)`."""
        return self.points.T.contiguous()

    def _level(self, level: int) -> Level:
        d = self.points.shape[1]
        key, count = torch.unique_consecutive(self._key >> (d * (DEPTH - level)), return_counts=True)
        start = torch.nn.functional.pad(count.cumsum(0), (1, 0))
        return Level(key, start, self._place[start[:-1]] >> (DEPTH - level))

    def _children(self, level: int) -> Tensor:
        """Where the children of each cube of `level` begin in the next, `(boxes + 1,)`."""
        d = self.points.shape[1]
        count = torch.unique_consecutive(self.level(level + 1).key >> d, return_counts=True)[1]
        return torch.nn.functional.pad(count.cumsum(0), (1, 0))

    def centres(self, level: int, boxes: Tensor) -> Tensor:
        """Centres of cubes, `(boxes, d)`."""
        place = self.level(level).place[boxes].double() + 0.5
        centre: Tensor = self.corner + place * (self.side / 2**level)
        return centre


def ranges(start: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Every number of some ranges, and which range it is of: two of `(sum of counts,)`."""
    owner = torch.repeat_interleave(torch.arange(len(start), device=start.device), count)
    first = count.cumsum(0) - count
    return torch.arange(len(owner), device=start.device) + (start - first)[owner], owner


def _interleaved(place: Tensor) -> Tensor:
    """Bits of the axes in turn, `(points,)`, from `(points, d)`."""
    d = place.shape[1]
    if d == 1:
        return place[:, 0]
    steps = {
        2: (
            (16, 0x0000FFFF0000FFFF),
            (8, 0x00FF00FF00FF00FF),
            (4, 0x0F0F0F0F0F0F0F0F),
            (2, 0x3333333333333333),
            (1, 0x5555555555555555),
        ),
        3: (
            (32, 0x001F00000000FFFF),
            (16, 0x001F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ),
    }[d]
    key = torch.zeros_like(place[:, 0])
    for axis in range(d):
        bits = place[:, axis].clone()
        for shift, mask in steps:
            bits = (bits | (bits << shift)) & mask
        key |= bits << axis
    return key
