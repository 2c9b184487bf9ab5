"""Sums pair by pair between cubes that are close.

Each target cube is met with all its sources at once, and places are told from its centre. Large cubes have
tiles of their own (`tiles.py`); small ones that are alike are padded to one size and share passes.

Rounding a place to float32 moves it by δ ≈ 1e-7 of a side, and k by up to |d log k/dρ| δ. Where that is
more than the tolerance allows all is done in float64; with a singular kernel, whose slope is m/ρ, only for
targets that have a source so close.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.fields.boxes import Cloud, ranges
from unstir.fields.kernels import Kernel
from unstir.fields.tiles import direct

_PAIRS = 1 << 16  # that are done together
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
        own, other = self.targets.level(level), self.sources.level(level)
        pairs = pairs[pairs[:, 0].argsort(stable=True)]
        T, met = torch.unique_consecutive(pairs[:, 0], return_counts=True)
        first = met.cumsum(0) - met  # of each cube, among the pairs
        start, count = other.start[pairs[:, 1]], other.count[pairs[:, 1]]
        many = torch.zeros_like(T).index_add_(0, torch.repeat_interleave(torch.arange(len(T)), met), count)
        few = own.count[T]
        # Alike in targets (to an eighth), then in sources.
        order = ((8 * few.double().log2()).ceil().long() * (int(many.max()) + 1) + many).argsort()
        table = torch.cat([self.sources.points, self.charges[:, None]], 1).T.contiguous()
        for i, j in _batches(few[order].tolist(), many[order].tolist()):
            chosen = order[i:j]
            runs, owner = ranges(first[chosen], met[chosen])
            if j == i + 1:
                pieces = zip(start[runs].tolist(), (start[runs] + count[runs]).tolist(), strict=True)
                part = torch.cat([table[:, a:b] for a, b in pieces], 1)
                at, found, x = self._alone(level, int(T[chosen]), part)
            else:
                points, run = ranges(start[runs], count[runs])
                at, found, x = self._together(level, T[chosen], points, owner[run])
            total[at] += found[:, 0]
            pull[at] += x * found[:, :1] - found[:, 1:]

    def _closest(self, level: int) -> float:
        """The distance from which on float32 serves."""
        move = _ROUNDING * self.targets.side * 0.5**level
        if self.kernel.singular:
            return move * self.kernel.order / self.rounding
        far = 4 * math.sqrt(self.targets.points.shape[1]) * self.targets.side / 2**level
        return 0.0 if self.kernel.slope(far) * move <= self.rounding else math.inf

    def _alone(self, level: int, T: int, sources: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One cube: its targets' numbers, their sums of q and q y, and where they are from its centre."""
        centre = self.targets.centres(level, torch.tensor([T]))
        begin, end = self.targets.level(level).start[T : T + 2].tolist()
        x = self.targets.points[begin:end] - centre
        y, q = sources[:-1] - centre.T, sources[-1:]
        columns = torch.cat([q, q * y])
        closest = self._closest(level)
        dtype = self.dtype if closest < math.inf else torch.float64
        nearest = torch.full((len(x),), math.inf, dtype=dtype) if closest and dtype != x.dtype else None
        found = direct(x.T.to(dtype), y, columns, self.kernel, nearest).T.double()
        if nearest is not None:
            again = (nearest < (closest / self.kernel.unit) ** 2).nonzero()[:, 0]
            if len(again):
                found[again] = direct(x[again].T, y, columns, self.kernel).T
        return torch.arange(begin, end), found, x

    def _together(
        self, level: int, T: Tensor, points: Tensor, owner: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cubes alike: the same. `points` are the sources, `owner` says of which cube."""
        d, unit = self.targets.points.shape[1], self.kernel.unit
        dtype = torch.float64 if self._closest(level) else self.dtype
        size = torch.bincount(owner, minlength=len(T))
        longest = int(size.max())
        first = torch.arange(len(T)) * longest - (size.cumsum(0) - size)
        slot = torch.arange(len(points)) + first[owner]
        centre = self.targets.centres(level, T)
        place = (self.sources.points[points] - centre[owner]).div_(unit).to(dtype)
        # Slots that hold no source hold no charge, and are not on a target.
        y = torch.full((len(T) * longest, d), self.targets.side / unit, dtype=dtype)
        columns = torch.zeros(len(T) * longest, d + 1, dtype=dtype)
        y[slot] = place
        charge = self.charges[points].to(dtype)[:, None]
        columns[slot] = torch.cat([charge, charge * place], 1)
        start, count = self.targets.level(level).start[T], self.targets.level(level).count[T]
        reach = torch.arange(int(count.max()))
        inside = reach < count[:, None]
        own = torch.where(inside, start[:, None] + reach, start[:, None])
        x = self.targets.points[own] - centre[:, None]
        xs = (x / unit).to(dtype).permute(2, 0, 1)[:, :, None].contiguous()
        ys = y.T.contiguous().reshape(d, len(T), longest, 1)
        u = (ys[0] - xs[0]).square_()
        for axis in range(1, d):
            v = ys[axis] - xs[axis]
            u.addcmul_(v, v)
        columns = columns.T.reshape(d + 1, len(T), longest).transpose(0, 1)
        found = torch.bmm(columns, self.kernel.weigh_(u)).mT[inside].double()
        found[:, 1:] *= unit
        return own[inside], found, x[inside]


def _batches(few: list[int], many: list[int]) -> list[tuple[int, int]]:
    """Runs of cubes that are done together, padded, or single ones."""
    out, start, widest, longest = [], 0, 0, 0
    for i, (a, b) in enumerate(zip(few, many, strict=True)):
        widest, longest = max(widest, a), max(longest, b)
        if i > start and widest * longest * (i + 1 - start) > _PAIRS:
            out.append((start, i))
            start, widest, longest = i, a, b
    return [*out, (start, len(few))]
