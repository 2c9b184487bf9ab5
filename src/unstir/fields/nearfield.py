"""Sums pair by pair between cubes that are close.

Each cube stays at home and is met by all the cubes close to it at once: sources stay where targets are fewer,
for who visits is looked up, and copied, once for every cube it visits. Places are told from the centre of the
cube at home. Cubes of many pairs have tiles of their own (`tiles.py`); others, alike, are padded to one size
and share passes.

Rounding a place to float32 moves it by δ ≈ 1e-7 of a side, and k by up to |d log k/dρ| δ. Where that is
more than the tolerance allows all is done in float64; with a singular kernel, whose slope is m/ρ, only for
targets that have a source so close.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from unstir.fields.boxes import Cloud, ranges
from unstir.fields.kernels import Kernel
from unstir.fields.tiles import direct

_PAIRS = 1 << 17  # that are done together
_CUBES = 512  # whose visitors are looked up together
_ROUNDING = 2e-7  # of a side, by which float32 moves a difference of places at most two sides apart


@dataclass(frozen=True)
class NearField:
    """The near part of a sum.

    Attributes:
        targets: in a tree.
        sources: in a tree.
        charges: of the sources in the tree's order, `(sources,)`.
        kernel: k.
        rounding: the relative error of k that rounding may make.
        dtype: of the work, where that suffices.
    """

    targets: Cloud
    sources: Cloud
    charges: Tensor
    kernel: Kernel
    rounding: float
    dtype: torch.dtype

    def add_to(self, total: Tensor, pull: Tensor, level: int, pairs: Tensor) -> None:
        """Add Σ q k, `(targets,)`, and Σ q k (x − y), `(targets, d)`, both float64, in the tree's order.

        Args:
            total: is added to.
            pull: is added to.
            level: of the cubes.
            pairs: target and source cube, `(pairs, 2)`.
        """
        if not len(pairs):
            return
        clouds = self.targets, self.sources
        ends = [cloud.level(level).start for cloud in clouds]
        copied = [int(end.diff()[side].sum()) for end, side in zip(ends, pairs.T, strict=True)]
        home = 1 if copied[0] <= copied[1] else 0
        for cubes, own, visitors in _meetings(ends[home], ends[1 - home], pairs[:, [home, 1 - home]]):
            x, y = (visitors, own) if home else (own, visitors)
            centre = clouds[home].centres(level, cubes)
            if len(cubes) == 1:
                self._alone(level, centre, x.points, y.points, total, pull)
            else:
                self._together(level, centre, x, y, total, pull)

    def _closest(self, level: int) -> float:
        """The distance from which on float32 serves."""
        move = _ROUNDING * self.targets.side * 0.5**level
        if self.kernel.singular:
            return move * self.kernel.order / self.rounding
        far = 4 * math.sqrt(self.targets.points.shape[1]) * self.targets.side / 2**level
        return 0.0 if self.kernel.slope(far) * move <= self.rounding else math.inf

    def _alone(self, level: int, centre: Tensor, x: Tensor, y: Tensor, total: Tensor, pull: Tensor) -> None:
        """One cube: targets and sources that meet in it."""
        place = _rows(self.targets.points, x) - centre
        origin = (_rows(self.sources.points, y) - centre).T.contiguous()
        columns = torch.cat([self.charges[y][None], self.charges[y] * origin])
        closest = self._closest(level)
        dtype = self.dtype if closest < math.inf else torch.float64
        nearest = torch.full((len(x),), math.inf, dtype=dtype) if closest and dtype != place.dtype else None
        found = direct(place.T.to(dtype), origin, columns, self.kernel, nearest).T.double()
        if nearest is not None:
            again = (nearest < (closest / self.kernel.unit) ** 2).nonzero()[:, 0]
            if len(again):
                found[again] = direct(place[again].T, origin, columns, self.kernel).T
        total.index_add_(0, x, found[:, 0])
        pull.index_add_(0, x, place * found[:, :1] - found[:, 1:])

    def _together(
        self,
        level: int,
        centre: Tensor,
        x: _Party,
        y: _Party,
        total: Tensor,
        pull: Tensor,
    ) -> None:
        """Cubes alike: the targets and the sources that meet in them."""
        unit = self.kernel.unit
        at, there = x.padded()
        point, held = y.padded()
        place = _rows(self.targets.points, at) - centre[:, None]
        origin = (_rows(self.sources.points, point) - centre[:, None]) / unit
        charge = self.charges[point].mul_(held)[..., None]
        columns = torch.cat([charge, charge * origin], 2)
        xs = (place / unit).permute(2, 0, 1)[..., None].contiguous()
        ys = origin.permute(2, 0, 1)[:, :, None].contiguous()
        closest = self._closest(level)
        dtype = self.dtype if closest < math.inf else xs.dtype
        found, nearest = self._tile(xs.to(dtype), ys.to(dtype), columns.to(dtype))
        if dtype != xs.dtype and closest:
            cube, target = torch.nonzero((nearest < (closest / unit) ** 2) & there, as_tuple=True)
            if len(cube):
                again, _ = self._tile(xs[:, cube, target, None], ys[:, cube], columns[cube])
                found[cube, target] = again[:, 0]
        found, place = found[there], place[there]
        total.index_add_(0, x.points, found[:, 0])
        pull.index_add_(0, x.points, place * found[:, :1] - unit * found[:, 1:])

    def _tile(self, x: Tensor, y: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Sums `(cubes, targets, d + 1)`, float64, and the least ρ²/ℓ² of each target.

        Args:
            x: `(d, cubes, targets, 1)`.
            y: `(d, cubes, 1, sources)`.
            columns: `(cubes, sources, d + 1)`.
        """
        u = (y[0] - x[0]).square_()
        for axis in range(1, len(x)):
            v = y[axis] - x[axis]
            u.addcmul_(v, v)
        nearest = u.amin(2)
        return torch.bmm(self.kernel.weigh_(u, nearest), columns).double(), nearest


def _rows(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table, at twice the pace of its own index."""
    return table.index_select(0, index.flatten()).view(*index.shape, -1)


@dataclass(frozen=True)
class _Party:
    """Points in some cubes.

    Attributes:
        points: their numbers, cube after cube.
        size: how many are in each, `(cubes,)`.
    """

    points: Tensor
    size: Tensor

    def padded(self) -> tuple[Tensor, Tensor]:
        """Points by their cubes, `(cubes, most)`, and which count: the others are a cube's first again."""
        first = self.size.cumsum(0) - self.size
        reach = torch.arange(int(self.size.max()), device=self.size.device)
        counts = reach < self.size[:, None]
        return self.points[first[:, None] + torch.where(counts, reach, 0)], counts


def _meetings(stay: Tensor, visit: Tensor, pairs: Tensor) -> Iterator[tuple[Tensor, _Party, _Party]]:
    """Cubes, the points at home in them, and those that visit: a cube alone, or some that are alike.

    Args:
        stay: where the points of each cube at home begin and end.
        visit: the same of the others.
        pairs: a cube at home and one that visits it, `(pairs, 2)`.
    """
    pairs = pairs[(pairs[:, 0] * len(visit) + pairs[:, 1]).argsort()]
    start, end = visit[pairs[:, 1]], visit[pairs[:, 1] + 1]
    # Cubes that follow one another are one run of points.
    apart = (pairs[1:, 0] != pairs[:-1, 0]) | (start[1:] != end[:-1])
    begins, finishes = (pad(apart, at, value=True) for at in ((1, 0), (0, 1)))
    start, count = start[begins], end[finishes] - start[begins]
    cubes, met = torch.unique_consecutive(pairs[begins, 0], return_counts=True)
    first = met.cumsum(0) - met  # of each cube, among the runs
    many = torch.zeros_like(cubes).index_add_(0, torch.repeat_interleave(met), count)
    few = stay.diff()[cubes]
    # Alike in those at home (to an eighth), then in visitors.
    order = ((8 * few.double().log2()).ceil().long() * (int(many.max()) + 1) + many).argsort()
    for some in torch.split(order, _CUBES):
        runs, _ = ranges(first[some], met[some])
        points = ranges(stay[cubes[some]], few[some])[0], ranges(start[runs], count[runs])[0]
        sizes = few[some], many[some]
        ends = [pad(size.cumsum(0), (1, 0)).tolist() for size in sizes]
        for i, j in _batches(*(size.tolist() for size in sizes)):
            own, others = (
                _Party(part[at[i] : at[j]], size[i:j])
                for part, at, size in zip(points, ends, sizes, strict=True)
            )
            yield cubes[some[i:j]], own, others


def _batches(few: list[int], many: list[int]) -> list[tuple[int, int]]:
    """Runs of cubes that are done together, padded, or single ones."""
    out, start, widest, longest = [], 0, 0, 0
    for i, (a, b) in enumerate(zip(few, many, strict=True)):
        widest, longest = max(widest, a), max(longest, b)
        if i > start and widest * longest * (i + 1 - start) > _PAIRS:
            out.append((start, i))
            start, widest, longest = i, a, b
    return [*out, (start, len(few))]
