"""Sums by interpolation: charges to the nodes of their cubes, from cube to cube, from nodes to targets.

A cube carries d + 1 columns: its charges, and its charges times their places from its centre in half sides.
So both sums of a field, Σ q k and Σ q k (x − y), see the same interpolated kernel, and float32 loses nothing
where places are large and cubes small. To move the centre, a multiple of the first is added to the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from unstir.fields.boxes import Cloud, ranges
from unstir.fields.chebyshev import Nodes
from unstir.fields.pairing import Offset, Stage

_SEGMENT = 64  # points that are spread, or read, by one product
_BIG = 256  # points from which on a cube takes its nodes' charges from its children
_MEMORY = 1 << 23  # numbers in a temporary
_CACHED = 1 << 19  # and in one that is soon read again
_FEW = 0.25  # of all cubes: where fewer have another at an offset they are gathered

# Cubes, points, and which of these are real.
_Segment = tuple[Tensor, Tensor, Tensor]

# An offset, the pairs of cubes at it, U and V.
_Carried = tuple[Tensor, Tensor, Tensor, Tensor]


class FarField:
    """The far part of a sum.

    Args:
        targets: in a tree.
        sources: in a tree.
        charges: of the sources in the tree's order, `(sources,)`.
        nodes: of a cube.
        dtype: of the work.
    """

    def __init__(
        self, targets: Cloud, sources: Cloud, charges: Tensor, nodes: Nodes, dtype: torch.dtype
    ) -> None:
        self.targets, self.sources, self.charges = targets, sources, charges.to(dtype)
        self.nodes, self.dtype = nodes, dtype
        self.columns = nodes.d + 1
        self._known: dict[Offset, tuple[Tensor, Tensor, Tensor]] = {}
        self._of_child = lru_cache(maxsize=None)(self._child)
        self._turned = lru_cache(maxsize=None)(nodes.turned)

    def add_to(self, total: Tensor, pull: Tensor, work: list[Stage]) -> None:
        """Add Σ q k, `(targets,)`, and Σ q k (x − y), `(targets, d)`, both float64, in the tree's order."""
        wanted = [torch.unique(stage.far[:, 1]) for stage in work]
        held = self._held(wanted)
        charged: list[Tensor] = [torch.empty(0)] * len(work)
        for stage in reversed(work):
            level = stage.level
            above = charged[level + 1] if level + 1 < len(work) else None
            boxes = held[level]
            charged[level] = self._charged(
                level, boxes, above, held[level + 1] if above is not None else None
            )
            if level + 2 < len(work):
                charged[level + 2] = torch.empty(0)
            if len(stage.far):
                at = torch.searchsorted(boxes, stage.far[:, 1].contiguous())
                T, where = torch.unique(stage.far[:, 0], return_inverse=True)
                local, scale = self._transferred(charged[level], at, where, len(T), stage)
                self._read(level, T, local, scale, total, pull)

    def _held(self, wanted: list[Tensor]) -> list[Tensor]:
        """Cubes whose nodes are charged: those that act, and the children of the big ones among them."""
        held = []
        from_above = torch.empty(0, dtype=torch.int64)
        for level, boxes in enumerate(wanted):
            held.append(torch.unique(torch.cat([boxes, from_above])))
            if level + 1 < len(wanted):
                big = held[-1][self.sources.level(level).count[held[-1]] > _BIG]
                start = self.sources.children(level)
                from_above = ranges(start[big], start[big + 1] - start[big])[0]
        return held

    def _charged(self, level: int, boxes: Tensor, above: Tensor | None, below: Tensor | None) -> Tensor:
        """Columns at the nodes of cubes, `(boxes, columns, n^d)`; `above` of the children `below`."""
        out = torch.zeros(len(boxes), self.columns, self.nodes.n**self.nodes.d, dtype=self.dtype)
        small = torch.ones(len(boxes), dtype=torch.bool)
        if above is not None and below is not None:
            small = self.sources.level(level).count[boxes] <= _BIG
            self._gather(level, boxes, ~small, out, above, below)
        self._spread(level, boxes, small, out)
        return out

    def _spread(self, level: int, boxes: Tensor, small: Tensor, out: Tensor) -> None:
        """From the points of cubes to their nodes."""
        n, d, c = self.nodes.n, self.nodes.d, self.columns
        chosen = small.nonzero()[:, 0]
        for rows, points, inside in self._segments(self.sources, level, boxes[chosen]):
            u = self._relative(self.sources, level, boxes[chosen[rows]], points)
            charge = torch.where(inside, self.charges[points], 0)
            columns = torch.cat([charge[None], charge * u])
            first, rest = self._weights(u)
            left = (columns[:, None] * first).flatten(0, 1)
            product = torch.bmm(left.transpose(0, 1), rest.permute(1, 2, 0)).reshape(len(rows), c, n**d)
            out.index_add_(0, chosen[rows], product)

    def _gather(
        self, level: int, boxes: Tensor, big: Tensor, out: Tensor, above: Tensor, below: Tensor
    ) -> None:
        """From the nodes of children to those of their parents."""
        d = self.nodes.d
        start = self.sources.children(level)
        chosen = big.nonzero()[:, 0]
        parents = boxes[chosen]
        child, owner = ranges(start[parents], start[parents + 1] - start[parents])
        at = torch.searchsorted(below, child)
        side = self.sources.level(level + 1).place[child] & 1
        octant = (side << torch.arange(d)).sum(1)
        for number in range(2**d):
            mine = (octant == number).nonzero()[:, 0]
            if len(mine):
                sign, spread = self._of_child(number)
                block = above.index_select(0, at[mine])
                block = (block.flatten(0, 1) @ spread).reshape(block.shape)
                block[:, 1:] = 0.5 * (block[:, 1:] + sign * block[:, :1])
                out.index_add_(0, chosen[owner[mine]], block)

    def _child(self, number: int) -> tuple[Tensor, Tensor]:
        """Where a child lies in its parent, `(d, 1)`, and the parent's weights at its nodes."""
        sign = torch.tensor([2.0 * ((number >> axis) & 1) - 1 for axis in range(self.nodes.d)])
        spread = self.nodes.all_weights(0.5 * (self.nodes.grid + sign))
        return sign.to(self.dtype)[:, None], spread.to(self.dtype)

    def _transferred(
        self, charged: Tensor, S: Tensor, T: Tensor, count: int, stage: Stage
    ) -> tuple[Tensor, float]:
        """Columns at the nodes of `count` target cubes, over e^scale, and scale."""
        c, size = self.columns, charged.shape[2]
        scale = max(one.log_top for one in stage.transfers.values() if one.U.shape[1])
        code, inverse = _distinct(stage.offset)
        order = inverse.argsort(stable=True)
        parts = torch.split(order, torch.bincount(inverse, minlength=len(code)).tolist())
        local = torch.zeros(count * c, size, dtype=self.dtype)
        most = max(count, len(charged))
        room = max(1, _MEMORY // (c * most))
        batch: list[_Carried] = []
        for offset, part in zip(code, parts, strict=True):
            U, V, log_top = self._factors(offset, stage)
            one = (offset, part, U, V * math.exp(log_top - scale))
            if len(part) <= _FEW * most:
                self._carry_few(one, charged, S, T, local)
                continue
            batch.append(one)
            if sum(V.shape[1] for _, _, _, V in batch) >= room:
                self._carry(batch, charged, S, T, local)
                batch = []
        if batch:
            self._carry(batch, charged, S, T, local)
        return local.reshape(count, c, size), scale

    def _factors(self, offset: Tensor, stage: Stage) -> tuple[Tensor, Tensor, float]:
        """U and V at one offset, and the logarithm of what U Vᵀ is to be taken times."""
        place = tuple(offset.tolist())
        name, nodes = self._turned(place)
        one = stage.transfers[name]
        # Of a kernel with no length of its own they are the same at each level.
        if place not in self._known or self._known[place][0] is not one.U:
            U, V = (factor.index_select(0, nodes).to(self.dtype) for factor in (one.U, one.V))
            self._known[place] = one.U, U, V
        _, U, V = self._known[place]
        return U, V, one.log_top

    def _carry_few(self, one: _Carried, charged: Tensor, S: Tensor, T: Tensor, local: Tensor) -> None:
        """From cubes to cubes at one offset, where few of them have another at it: those alone."""
        offset, part, U, V = one
        block = charged.index_select(0, S[part]) @ V
        block[:, 1:] += 2 * offset.to(self.dtype)[:, None] * block[:, :1]
        # No cube is met twice at one offset.
        local.view(-1, *charged.shape[1:]).index_add_(0, T[part], block @ U.T)

    def _carry(self, batch: list[_Carried], charged: Tensor, S: Tensor, T: Tensor, local: Tensor) -> None:
        """From cubes to cubes at a few offsets, by two products over all cubes."""
        c, count = self.columns, len(local) // self.columns
        V = torch.cat([V for _, _, _, V in batch], 1)
        sent = (charged.flatten(0, 1) @ V).reshape(-1, c, V.shape[1])
        received = torch.empty(count, c, V.shape[1], dtype=self.dtype)
        start = 0
        for offset, part, _, own in batch:
            end = start + own.shape[1]
            # Whole rows are gathered and scattered: strided blocks would cost more than the products.
            block = sent[:, :, start:end].flatten(1).index_select(0, S[part]).reshape(len(part), c, -1)
            block[:, 1:] += 2 * offset.to(self.dtype)[:, None] * block[:, :1]
            rows = torch.zeros(count, c * own.shape[1], dtype=self.dtype)
            rows.index_copy_(0, T[part], block.flatten(1))
            received[:, :, start:end] = rows.reshape(count, c, -1)
            start = end
        local.addmm_(received.flatten(0, 1), torch.cat([U for _, _, U, _ in batch], 1).T)

    def _read(self, level: int, T: Tensor, local: Tensor, scale: float, total: Tensor, pull: Tensor) -> None:
        """From the nodes of cubes to the targets within."""
        n, d, c = self.nodes.n, self.nodes.d, self.columns
        half = 0.5 * self.targets.side / 2**level
        for rows, points, inside in self._segments(self.targets, level, T):
            u = self._relative(self.targets, level, T[rows], points)
            first, rest = self._weights(u)
            own = local[rows].reshape(len(rows), c * n, n ** (d - 1))
            lines = torch.bmm(own, rest.transpose(0, 1)).view(len(rows), c, n, -1)
            sums = lines.mul_(first.transpose(0, 1)[:, None]).sum(2).transpose(0, 1)
            found, at = sums[:, inside].double() * math.exp(scale), points[inside]
            total[at] += found[0]
            pull[at] += half * (u[:, inside].double() * found[0] - found[1:]).T

    def _segments(self, cloud: Cloud, level: int, boxes: Tensor) -> Iterator[_Segment]:
        """Runs of at most 64 points of cubes, some at a time."""
        n, d = self.nodes.n, self.nodes.d
        start, count = cloud.level(level).start[boxes], cloud.level(level).count[boxes]
        part, owner = ranges(torch.zeros_like(start), (count + _SEGMENT - 1) // _SEGMENT)
        start, count = start[owner] + part * _SEGMENT, (count[owner] - part * _SEGMENT).clamp_max(_SEGMENT)
        width = min(_SEGMENT, int(count.max())) if len(count) else 1
        step = max(1, _CACHED // (width * (n ** (d - 1) + self.columns * n)))
        reach = torch.arange(width)
        for i in range(0, len(owner), step):
            inside = reach < count[i : i + step, None]
            points = torch.where(inside, start[i : i + step, None] + reach, start[i : i + step, None])
            yield owner[i : i + step], points, inside

    def _weights(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the first axis, `(n, *shape)`, and of the others together, `(n^(d−1), *shape)`."""
        first, *others = self.nodes.weights(u).unbind(1)
        rest = others[0] if others else torch.ones_like(u)
        for more in others[1:]:
            rest = (rest[:, None] * more).flatten(0, 1)
        return first, rest

    def _relative(self, cloud: Cloud, level: int, boxes: Tensor, points: Tensor) -> Tensor:
        """Places in their cubes, in half sides, `(d, *shape)`."""
        half = 0.5 * cloud.side / 2**level
        places = cloud.points.index_select(0, points.flatten()).view(*points.shape, -1)
        centred = (places - cloud.centres(level, boxes)[:, None]).movedim(-1, 0)
        return centred.to(self.dtype, memory_format=torch.contiguous_format).div_(half)


def _distinct(offset: Tensor) -> tuple[Tensor, Tensor]:
    """The different rows of integers, and which each is."""
    low = offset.amin(0)
    width = offset.amax(0) - low + 1
    code = torch.zeros_like(offset[:, 0])
    for axis in range(offset.shape[1]):
        code = code * width[axis] + (offset[:, axis] - low[axis])
    codes, inverse = torch.unique(code, return_inverse=True)
    rows = torch.empty(len(codes), offset.shape[1], dtype=offset.dtype)
    rows[inverse] = offset
    return rows, inverse
