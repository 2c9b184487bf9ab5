"""Which points count: a cheap pass with a certain bound leaves candidates, and float32 decides among them.

A point counts where its weight is above τ/points of the largest one; all that do not weigh τ together at
most (1e-5), so that leaving them out moves D by τ times the data's diameter at most. A pass computes bounds
b_i ≤ sq_i for all points and, of one that seems nearest, sq itself. Every point whose bound lies beyond the
sq at which log p has fallen by log(points/τ) from that one's is certain not to count. Two passes:

`Shadow`    ‖y_i‖ and leading principal coordinates P are known, and of all the others the lengths of a few
            bands, for which Cauchy's and Schwarz's inequality holds:

                g·y ≤ Pg·Py + Σ_bands ‖g_b‖‖y_b‖

            64 numbers a point, a tenth of the time of attention. It serves at low noise.

`Rounded`   the whole product in bfloat16, ŷ_i = y_i + e_i:

                g·y ≤ ĝ·ŷ + 2⁻⁸|ĝ·ŷ| + ‖g‖ max‖e_i‖ + ‖ĝ − g‖ max‖ŷ_i‖

            a fifth of the time. It serves up to where hundreds of points count.

Each leaves room for what float32 can be wrong by in a sum of N terms, N ε (‖s‖² + ‖f y‖²), and more. Nothing
is assumed of the data: where they lie so close that the bounds do not part them, more candidates are left,
and where these are too many, all points are taken.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from unstir.fields.exact_dense import LOGIT_ERROR, rounding
from unstir.fields.exact_points import Points, Question

_BLOCK = 8192
_MASS = 1e-5  # of all points that are left out
_KNOWN = 192  # principal coordinates that are looked at
_BANDS = (58, 66, 80, 102, 136)  # where a shadow's bands begin: what is before is kept in full
_TILE = 64  # points of which a shadow first compares the nearest only
_SEEDS = 4  # tiles in which the nearest point is looked for
_SAMPLE = 8192  # points whose covariance gives them
_NODES = 4096  # at which a law is inverted
_ROWS = 1024  # points gathered at once
_MANY = 0.3  # of all tiles: where more are near, few states have few candidates
_PROMISED = 3  # a pass is worth its time where one state in three has few candidates
_FEW_TILES = 12  # a state, that are looked at one by one
_TABLE = 2**24  # distances to tiles that are kept at once
_ROOM = 1e-5  # of ‖x‖²: more than float32 makes of a difference of two such
_UNIT = 2.0**-8  # a rounding to bfloat16
_EPS = torch.finfo(torch.float32).eps

_Pairs = tuple[Tensor, Tensor]  # states and points


@dataclass(frozen=True, eq=False)
class Frame:
    """Principal directions of the data, `(N, at most 192)`, orthonormal."""

    directions: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Frame:
        """Of an even sample of the points."""
        some = values[:: max(1, len(values) // _SAMPLE)].float()
        # About 0, not about the mean: lengths are what is parted.
        moment = (some.T @ some).double()
        vectors = torch.linalg.eigh(moment).eigenvectors.flip(1)
        return cls(vectors[:, :_KNOWN].contiguous())

    def split(self, x: Tensor) -> Tensor:
        """Leading coordinates and the lengths of the bands of the others, never too short, `(n, K)`."""
        directions = self.directions.to(x.dtype)
        known = x @ directions
        own = x.square().sum(1, keepdim=True)
        rest = (own * (1 + _ROOM) - known.square().sum(1, keepdim=True)).clamp_min_(0).sqrt_()
        edges = [edge for edge in _BANDS if edge < known.shape[1]] + [known.shape[1]]
        bands = [known[:, low:high].norm(dim=1, keepdim=True) for low, high in itertools.pairwise(edges)]
        lengths = torch.cat([*bands, rest], 1) * (1 + 1e-5)
        return torch.cat([known[:, : edges[0]], lengths], 1)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of a state and a point that may count, by state.

    Attributes:
        counts: how many each state has, int64 `(batch,)`; 0 where there were too many.
        index: of the points, state after state, int64.
    """

    counts: Tensor
    index: Tensor

    @classmethod
    def of(cls, batch: int, row: Tensor, index: Tensor, most: float) -> Candidates:
        """Pairs in any order, without the states that have more than `most`."""
        kept = (torch.bincount(row, minlength=batch) <= most)[row]
        row, index = row[kept], index[kept]
        return cls(torch.bincount(row, minlength=batch), index[torch.argsort(row, stable=True)])


@dataclass(frozen=True, eq=False)
class Shadow:
    """Points as a frame sees them, in tiles of 64.

    Attributes:
        points: they themselves.
        frame: the directions.
        seen: leading coordinates and lengths of bands, float32 `(tiles, 64, K)`, 0 beyond the last point.
    """

    points: Points
    frame: Frame
    seen: Tensor

    @classmethod
    def of(cls, points: Points, frame: Frame) -> Shadow:
        """Made a part at a time."""
        seen = torch.cat([frame.split(part.float()) for part in torch.split(points.values, _BLOCK)])
        seen = pad(seen, (0, 0, 0, -len(seen) % _TILE))
        return cls(points, frame, seen.view(-1, _TILE, seen.shape[1]))

    def promising(self, question: Question, most: float) -> bool:
        """Whether a third of a few states are likely to have no more candidates than that."""
        least, limit = self._least(question)
        tiles = (least <= limit).sum(1)
        return _PROMISED * int((tiles <= min(most, _MANY * len(self.seen))).sum()) >= len(question)

    def candidates(self, question: Question, most: float) -> Candidates:
        """Every point that may count, for each state that has `most` of them at most."""
        size = max(1, _TABLE // len(self.seen))
        parts = [
            self._candidates(question.of(slice(at, at + size)), most) for at in range(0, len(question), size)
        ]
        return Candidates(torch.cat([one.counts for one in parts]), torch.cat([one.index for one in parts]))

    def _candidates(self, question: Question, most: float) -> Candidates:
        least, limit = self._least(question)
        near = least <= limit
        near &= near.sum(1, keepdim=True) <= min(most, 2 * _MANY * len(self.seen))
        row, tile = torch.nonzero(near, as_tuple=True)
        if len(row) > _FEW_TILES * len(question):
            limit = limit.masked_fill(~near.any(1, keepdim=True), -math.inf)
            pairs = self._everywhere(question, limit)
        else:
            pairs = self._within(question, limit, row, tile)
        row, index = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        return Candidates.of(len(question), row, index, most)

    def _asked(self, question: Question) -> tuple[Tensor, Tensor, Tensor]:
        """−2g as the frame sees it, what sq has of the state, and of each point, `(tiles, 64)`."""
        base = (question.own - _slack(question, self.points)).float()
        sizes = question.sizes(self.points, slice(0, len(self.points)))[0].float()
        sizes = pad(sizes, (0, -len(sizes) % _TILE), value=math.inf).view(-1, _TILE)
        return self.frame.split(question.g).float().mul_(-2), base, sizes

    def _least(self, question: Question) -> tuple[Tensor, Tensor]:
        """The least bound in each tile, `(batch, tiles)`, and that up to which a point may count."""
        g, base, sizes = self._asked(question)
        least = torch.empty(len(g), len(self.seen), device=g.device)
        step = _BLOCK // _TILE
        for at in range(0, len(self.seen), step):
            block = self.seen[at : at + step].flatten(0, 1)
            bounds = torch.addmm(sizes[at : at + step].flatten(), g, block.T)
            torch.amin(bounds.view(len(g), -1, _TILE), 2, out=least[:, at : at + step])
        least.add_(base)
        # Of the nearest point in each of the tiles that seem nearest, sq itself.
        tiles = least.topk(min(_SEEDS, len(self.seen)), 1, largest=False).indices
        rows = torch.arange(len(g), device=g.device)[:, None].expand_as(tiles).flatten()
        within = self._bounds(g, base, sizes, rows, tiles.flatten()).argmin(1)
        known = _logits(question, rows, self.points, tiles.flatten() * _TILE + within)
        return least, _Reach(question, self.points)(known.view(tiles.shape).amax(1, keepdim=True))

    def _bounds(self, g: Tensor, base: Tensor, sizes: Tensor, rows: Tensor, tiles: Tensor) -> Tensor:
        """Of the points of some tiles, for one state each: `(pairs, 64)`."""
        product = torch.bmm(self.seen[tiles], g[rows][:, :, None])[:, :, 0]
        return product.add_(sizes[tiles]).add_(base[rows])

    def _within(self, question: Question, limit: Tensor, row: Tensor, tile: Tensor) -> list[_Pairs]:
        """Pairs in few tiles, looked at one by one."""
        asked = self._asked(question)
        pairs = [(row[:0], tile[:0])]
        for some, there in zip(torch.split(row, _ROWS), torch.split(tile, _ROWS), strict=True):
            pair, place = torch.nonzero(self._bounds(*asked, some, there) <= limit[some], as_tuple=True)
            pairs.append((some[pair], there[pair] * _TILE + place))
        return pairs

    def _everywhere(self, question: Question, limit: Tensor) -> list[_Pairs]:
        """Pairs in many tiles: the whole product again."""
        g, base, sizes = self._asked(question)
        pairs, step = [], _BLOCK // _TILE
        for at in range(0, len(self.seen), step):
            block = self.seen[at : at + step].flatten(0, 1)
            bounds = torch.addmm(sizes[at : at + step].flatten(), g, block.T)
            row, place = torch.nonzero(bounds <= limit - base, as_tuple=True)
            pairs.append((row, at * _TILE + place))
        return pairs


@dataclass(frozen=True, eq=False)
class Rounded:
    """Points in bfloat16."""

    points: Points

    def promising(self, question: Question, most: float) -> bool:
        """Whether a third of a few states have no more candidates than that."""
        return _PROMISED * int((self.candidates(question, most).counts > 0).sum()) >= len(question)

    def candidates(self, question: Question, most: float) -> Candidates:
        """Every point that may count, for each state that has `most` of them at most."""
        points, n, g = self.points, len(question), question.g
        device = g.device
        rounded = g.bfloat16()
        off, length = (value.norm(dim=1, keepdim=True) for value in (rounded.double() - g, g))
        slack = 2 * (length * points.largest_rounding + off * (1 + _UNIT) * points.longest)
        base = (question.own - slack - _slack(question, points)).float()
        reach = _Reach(question, points)
        best = torch.full((n, 1), -math.inf, dtype=torch.float64, device=device)
        limit = torch.full((n, 1), math.inf, device=device)
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        counts = torch.zeros(n, dtype=torch.int64, device=device)
        everyone, gone = torch.arange(n, device=device), counts < 0
        for start in range(0, len(points), _BLOCK):
            part = slice(start, min(start + _BLOCK, len(points)))
            product = (rounded @ points.rounded[part].T).float()
            # What was rounded may have been that much more.
            product = torch.addcmul(product, product.abs(), product.new_tensor(_UNIT))
            lower = product.mul_(-2).add_(question.sizes(points, part).float()).add_(base)
            known = _logits(question, everyone, points, start + lower.argmin(1))
            best = torch.maximum(best, known[:, None])
            limit = reach(best).masked_fill_(gone[:, None], -math.inf)
            row, column = torch.nonzero(lower <= limit, as_tuple=True)
            found.append((row, column + start, lower[row, column]))
            counts += torch.bincount(row, minlength=n)
            gone = counts > 4 * most + _TILE
        row, index, lower = (torch.cat(parts) for parts in zip(*found, strict=True))
        kept = lower <= limit[row, 0]
        kept &= ~gone[row]
        return Candidates.of(n, row[kept], index[kept], most)


def _slack(question: Question, points: Points) -> Tensor:
    """What float32 can be wrong by in sq, `(batch, 1)`."""
    return (points.values.shape[1] + 64) * _EPS * 2 * question.scale(points)


def _logits(question: Question, rows: Tensor, points: Points, columns: Tensor) -> Tensor:
    """log p + log w of some pairs, float64 `(pairs,)`, from sq by differences."""
    apart = question.u[rows].double() - question.A * points.values[columns].double()
    squared = (apart**2).sum(1) / question.B[0, 0] ** 2
    return question.logits(squared) + points.log_weights[columns]


class _Reach:
    """The sq beyond which no point counts, given the largest logit that is known."""

    def __init__(self, question: Question, points: Points) -> None:
        self._below = math.log(len(points) / _MASS) + points.heaviest
        end = float(((question.own.sqrt() + question.f.abs().amax() * points.longest) ** 2).max())
        start = max(1e-6, 1e-12 * end)
        self._mixed = question.noise.mixed
        self._at_zero = float(question.logits(torch.zeros(1, dtype=torch.float64)))
        ends = (math.log10(start), math.log10(1.01 * end + 2 * start))
        self._nodes = torch.logspace(*ends, _NODES, dtype=torch.float64, device=question.u.device)
        self._rising = -question.logits(self._nodes).cummin(0).values if self._mixed else self._nodes

    def __call__(self, best: Tensor) -> Tensor:
        target = best - self._below
        if not self._mixed:
            return (2 * (self._at_zero - target)).float() * (1 + 2 * _EPS)
        place = torch.searchsorted(self._rising, -target[:, 0], right=True)
        beyond = place >= len(self._nodes)
        at = self._nodes[place.clamp(max=len(self._nodes) - 1)]
        return torch.where(beyond, math.inf, at).float()[:, None] * (1 + 2 * _EPS)


def decide(question: Question, points: Points, chosen: Candidates) -> Tensor:
    """D from the candidates alone, in coordinates, for states that have some.

    sq is taken by products where float32 serves, and at low noise by differences, which lose nothing.
    """
    u, dtype = question.u, question.u.dtype
    mean = torch.zeros_like(u)
    sizes = question.sizes(points, slice(0, len(points)))[0]
    by_product = bool((rounding(question, points) <= LOGIT_ERROR).all())
    starts = chosen.counts.cumsum(0) - chosen.counts
    order = torch.argsort(chosen.counts)
    order = order[chosen.counts[order] > 0]
    while len(order):
        # As many states as have no more than `_ROWS` points together, each taken to have as many as the last.
        together = chosen.counts[order] * torch.arange(1, len(order) + 1, device=u.device)
        rows, order = order.tensor_split([max(1, int((together <= _ROWS).sum()))])
        counts = chosen.counts[rows]
        place = torch.arange(int(counts.max()), device=u.device)
        real = place < counts[:, None]
        index = chosen.index[starts[rows][:, None] + torch.where(real, place, 0)]
        near = points.values.index_select(0, index.flatten()).to(dtype).view(*index.shape, -1)
        if by_product:
            product = torch.bmm(near, question.g[rows].to(dtype)[:, :, None])[:, :, 0].double()
            squared = (question.own[rows] + sizes[index] - 2 * product).clamp_min_(0)
        else:
            apart = u[rows][:, None] - question.A.to(dtype) * near
            squared = apart.square_().sum(2).double() / question.B**2
        logits = question.logits(squared) + points.log_weights[index]
        weights = torch.softmax(logits.masked_fill_(~real, -math.inf), 1)
        mean[rows] = torch.bmm(weights.to(dtype)[:, None], near)[:, 0]
    return mean
