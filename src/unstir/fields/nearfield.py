"""Sums pair by pair between cubes that are close: many small tiles at a time.

Each target cube is met with all its sources at once; cubes alike in both numbers are padded to one size, and
share passes and products. Places are told from the target cube's centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.fields.boxes import Cloud, ranges
from unstir.fields.kernels import Kernel
from unstir.fields.tiles import direct

_BYTES = 1 << 19  # of a buffer: two of them stay in the cache
_LARGE = 1 << 20  # pairs of one cube from which on it has tiles of its own


@dataclass(frozen=True)
class NearField:
    """The near part of a sum.

    Attributes:
        targets: in a tree.
        sources: in a tree.
        charges: of the sources in the tree's order, `(sources,)`.
        kernel: k.
    """

    targets: Cloud
    sources: Cloud
    charges: Tensor
    kernel: Kernel

    def add_to(self, total: Tensor, pull: Tensor, level: int, pairs: Tensor, dtype: torch.dtype) -> None:
        """Add Σ q k, `(targets,)`, and Σ q k (x − y), `(targets, d)`, both float64, in the tree's order.

        Args:
            total: is added to.
            pull: is added to.
            level: of the cubes.
            pairs: target and source cube, `(pairs, 2)`.
            dtype: of the work.
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
        size = _BYTES // dtype.itemsize
        buffers = torch.empty(2, max(size, _LARGE), dtype=dtype)
        for i, j in _batches(few[order].tolist(), many[order].tolist(), size):
            chosen = order[i:j]
            runs, owner = ranges(first[chosen], met[chosen])
            points, run = ranges(start[runs], count[runs])
            if j == i + 1 and int(few[chosen] * many[chosen]) > _LARGE:
                at, found, x = self._alone(level, int(T[chosen]), points, dtype)
            else:
                at, found, x = self._together(level, T[chosen], points, owner[run], buffers)
            total[at] += found[:, 0]
            pull[at] += x * found[:, :1] - found[:, 1:]

    def _alone(self, level: int, T: int, points: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """One cube: its targets' numbers, their sums of q and q y, and where they are from its centre."""
        targets = self.targets
        centre = targets.centres(level, torch.tensor([T]))
        begin, end = targets.level(level).start[T : T + 2].tolist()
        x, y = targets.points[begin:end] - centre, self.sources.points[points] - centre
        q = self.charges[points, None]
        found = direct(x.to(dtype), y, torch.cat([q, q * y], 1), self.kernel).double()
        return torch.arange(begin, end), found, x

    def _together(
        self, level: int, T: Tensor, points: Tensor, owner: Tensor, buffers: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cubes alike: the same. `points` are the sources, `owner` says of which cube."""
        d, unit, dtype = self.targets.points.shape[1], self.kernel.unit, buffers.dtype
        size = torch.bincount(owner, minlength=len(T))
        longest = int(size.max())
        first = torch.arange(len(T)) * longest - (size.cumsum(0) - size)
        slot = torch.arange(len(points)) + first[owner]
        centre = self.targets.centres(level, T)
        place = (self.sources.points[points] - centre[owner]).div_(unit).to(dtype)
        # Slots that hold no source are far from all targets, and hold no charge.
        y = torch.full((len(T) * longest, d), 1e3, dtype=dtype)
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
        u, v = (b[: own.numel() * longest].view(len(T), longest, len(reach)) for b in buffers)
        torch.sub(ys[0], xs[0], out=u)
        u.mul_(u)
        for axis in range(1, d):
            torch.sub(ys[axis], xs[axis], out=v)
            u.addcmul_(v, v)
        columns = columns.T.reshape(d + 1, len(T), longest).transpose(0, 1)
        found = torch.bmm(columns, self.kernel.weigh_(u)).mT[inside].double()
        found[:, 1:] *= unit
        return own[inside], found, x[inside]


def _batches(few: list[int], many: list[int], size: int) -> list[tuple[int, int]]:
    """Runs of cubes that fit into one buffer when padded, or single ones."""
    out, start, widest, longest = [], 0, 0, 0
    for i, (a, b) in enumerate(zip(few, many, strict=True)):
        widest, longest = max(widest, a), max(longest, b)
        if i > start and widest * longest * (i + 1 - start) > size:
            out.append((start, i))
            start, widest, longest = i, a, b
    return [*out, (start, len(few))]
