"""Sums pair by pair between cubes that are close.

Each cube stays at home and is met by all the cubes close to it at once: sources stay where targets are fewer,
for who visits is looked up, and copied, once for every cube it visits. Places are told from the centre of the
cube at home, for all the points of some cubes together. Cubes of many pairs then have tiles of their own
(`tiles.py`); others, alike, are padded to one size and share passes.

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
_POINTS = 1 << 16  # of cubes whose visitors are looked up together
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
        dtype, close = self._served(level)
        out = total.new_zeros(1 + pull.shape[1], len(total))
        for meeting in _meetings(ends[home], ends[1 - home], pairs[:, [home, 1 - home]]):
            x, y = (meeting.visitors, meeting.own) if home else (meeting.own, meeting.visitors)
            centre = clouds[home].centres(level, meeting.cubes)
            at, place = self._places(self.targets, x, centre), self._places(self.sources, y, centre)
            columns = torch.cat([(self.charges[y.points] * y.real).double()[None], place])
            columns[1:] *= columns[0]
            found = self._summed(at, place, columns, (x, y), meeting.batches, (dtype, close))
            found[1:] -= at * found[0]
            found.masked_fill_(~x.real, 0)
            for sums, one in zip(out, found, strict=True):
                sums.index_add_(0, x.points, one)
        total += out[0]
        pull -= self.kernel.unit * out[1:].T

    def _places(self, cloud: Cloud, party: _Party, centre: Tensor) -> Tensor:
        """Points from the centres of their cubes, in the kernel's unit, `(d, points)`."""
        out = centre.new_empty(len(cloud.axes), len(party.points))
        for axis, own, place in zip(cloud.axes, centre.T, out, strict=True):
            torch.index_select(axis, 0, party.points, out=place)
            place.sub_(torch.repeat_interleave(own, party.size))
        return out if self.kernel.unit == 1 else out.div_(self.kernel.unit)

    def _served(self, level: int) -> tuple[torch.dtype, float]:
        """In which dtype the work is done, and the ρ²/ℓ² below which that one does not serve."""
        if self.dtype == torch.float64:
            return self.dtype, 0.0
        move = _ROUNDING * self.targets.side * 0.5**level
        if self.kernel.singular:
            return self.dtype, (move * self.kernel.order / self.rounding / self.kernel.unit) ** 2
        far = 4 * math.sqrt(self.targets.points.shape[1]) * self.targets.side / 2**level
        serves = self.kernel.slope(far) * move <= self.rounding
        return self.dtype if serves else torch.float64, 0.0

    def _summed(
        self,
        x: Tensor,
        y: Tensor,
        columns: Tensor,
        parties: tuple[_Party, _Party],
        batches: list[tuple[int, int]],
        served: tuple[torch.dtype, float],
    ) -> Tensor:
        """Σ k c of the targets and sources that meet in cubes, float64 `(d + 1, targets)`.

        Args:
            x: targets `(d, targets)`.
            y: sources `(d, sources)`.
            columns: c, `(d + 1, sources)`.
            parties: of both.
            batches: first and last of the cubes that are done together.
            served: as `_served` says.
        """
        dtype, close = served
        xs, ys, cs = (value.to(dtype) for value in (x, y, columns))
        out = torch.empty(len(columns), x.shape[1], dtype=dtype, device=x.device)
        marks = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        runs = [pad(party.size.cumsum(0), (1, 0)).tolist() for party in parties]
        for i, j in batches:
            T, S = (slice(ends[i], ends[j]) for ends in runs)
            if j - i == 1:
                out[:, T] = direct(xs[:, T], ys[:, S], cs[:, S], self.kernel, (close, marks[T]))
                continue
            targets, sources, own = (v.view(len(v), j - i, -1) for v in (xs[:, T], ys[:, S], cs[:, S]))
            found, marked = self._tile(targets, sources, own, close)
            out[:, T] = found.transpose(0, 1).flatten(1)
            if marked is not None:
                marks[T] = marked.flatten()
        out = out.double()
        rows = (marks & parties[0].real).nonzero()[:, 0]
        if len(rows):
            cubes, counts = torch.unique_consecutive(
                torch.searchsorted(parties[0].size.cumsum(0), rows, right=True), return_counts=True
            )
            for cube, again in zip(cubes.tolist(), torch.split(rows, counts.tolist()), strict=True):
                S = slice(runs[1][cube], runs[1][cube + 1])
                out[:, again] = direct(x[:, again], y[:, S], columns[:, S], self.kernel)
        return out

    def _tile(self, x: Tensor, y: Tensor, columns: Tensor, close: float) -> tuple[Tensor, Tensor | None]:
        """Sums `(cubes, d + 1, targets)`, and which targets have a source nearer than `close`, if any do.

        Args:
            x: `(d, cubes, targets)`.
            y: `(d, cubes, sources)`.
            columns: `(d + 1, cubes, sources)`.
            close: a ρ²/ℓ².
        """
        # The longer side runs through neighbours in memory: short runs are slow.
        swapped = x.shape[2] < y.shape[2]
        first, second = (x, y) if swapped else (y, x)
        u = (first[0, :, :, None] - second[0, :, None]).square_()
        v = torch.empty_like(u)
        for axis in range(1, len(x)):
            torch.sub(first[axis, :, :, None], second[axis, :, None], out=v)
            u.addcmul_(v, v)
        least = float(u.amin())
        marks = u.amin(2 if swapped else 1) < close if least < close else None
        k = self.kernel.weigh_(u, least)
        return torch.bmm(columns.transpose(0, 1), k.mT if swapped else k), marks


@dataclass(frozen=True)
class _Party:
    """Points in some cubes.

    Attributes:
        points: their numbers, cube after cube; those of a cube end with its last one again and again.
        real: which do not repeat another, `(points,)`.
        size: how many each cube has, repeated ones too, `(cubes,)`.
    """

    points: Tensor
    real: Tensor
    size: Tensor

    @classmethod
    def of(cls, start: Tensor, count: Tensor, last: Tensor, more: Tensor, size: Tensor) -> _Party:
        """From runs of points, cube after cube.

        Args:
            start: of each run, `(runs,)`.
            count: points of each.
            last: which run is the last of each cube, `(cubes,)`.
            more: how many points are repeated to fill it, `(cubes,)`.
            size: with these, `(cubes,)`.
        """
        points, run = ranges(start, count.index_add(0, last, more))
        end = (start + count)[run]
        return cls(torch.minimum(points, end - 1), points < end, size)


@dataclass(frozen=True)
class _Meeting:
    """Some cubes and who meets in them.

    Attributes:
        cubes: their numbers; alike cubes follow one another.
        own: the points at home in them.
        visitors: the others.
        batches: first and last of those that are done together: they have the same sizes.
    """

    cubes: Tensor
    own: _Party
    visitors: _Party
    batches: list[tuple[int, int]]


def _meetings(stay: Tensor, visit: Tensor, pairs: Tensor) -> Iterator[_Meeting]:
    """All meetings.

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
    part = (few + many)[order].cumsum(0) // _POINTS
    for some in torch.split(order, torch.unique_consecutive(part, return_counts=True)[1].tolist()):
        batches = _batches(few[some].tolist(), many[some].tolist())
        long = torch.tensor([j - i for i, j, _ in batches], device=cubes.device)
        own, others = (
            torch.tensor([size for _, _, size in batches], device=cubes.device).repeat_interleave(long, 0).T
        )
        runs, _ = ranges(first[some], met[some])
        yield _Meeting(
            cubes[some],
            _Party.of(stay[cubes[some]], few[some], torch.arange(len(some)), own - few[some], own),
            _Party.of(start[runs], count[runs], met[some].cumsum(0) - 1, others - many[some], others),
            [(i, j) for i, j, _ in batches],
        )


def _batches(few: list[int], many: list[int]) -> list[tuple[int, int, tuple[int, int]]]:
    """Runs of cubes that are done together, or single ones, and the largest numbers of points in them."""
    out, start, widest, longest = [], 0, 0, 0
    for i, (a, b) in enumerate(zip(few, many, strict=True)):
        wide, long = max(widest, a), max(longest, b)
        if i > start and wide * long * (i + 1 - start) > _PAIRS:
            out.append((start, i, (widest, longest)))
            start, wide, long = i, a, b
        widest, longest = wide, long
    return [*out, (start, len(few), (widest, longest))]
