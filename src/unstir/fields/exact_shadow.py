"""A shadow of the points: 64 numbers of each, from which a bound on its distance follows.

‖y_i‖ and leading principal coordinates P are known, and of all the others the lengths of a few bands, for
which Cauchy's and Schwarz's inequality holds:

    g·y ≤ Pg·Py + Σ_bands ‖g_b‖‖y_b‖

A tenth of the time of attention. It serves at low noise, where few points count (`exact_near.py`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from unstir.fields.exact_near import Candidates, Reach, pair_logits, slack
from unstir.fields.exact_points import Points, Question

_BLOCK = 8192
_KNOWN = 192  # principal coordinates that are looked at
_BANDS = (58, 66, 80, 102, 136)  # where a shadow's bands begin: what is before is kept in full
_TILE = 64  # points of which a shadow first compares the nearest only
_SEEDS = 4  # tiles in which the nearest point is looked for
_SAMPLE = 4096  # points whose covariance gives them
_ROWS = 1024  # pairs of a state and a tile looked at once
_MANY = 0.3  # of all tiles: where more are near, few states have few candidates
_PROMISED = 2  # a pass is worth its time where one state in two has few candidates
_FEW_TILES = 12  # a state, that are looked at one by one
_TABLE = 2**24  # distances to tiles that are kept at once
_ROOM = 1e-5  # of ‖x‖²: more than float32 makes of a difference of two such

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
        """Whether half of a few states are likely to have no more candidates than that."""
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
        base = (question.own - slack(question, self.points)).float()
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
        known = pair_logits(question, rows, self.points, tiles.flatten() * _TILE + within)
        return least, Reach(question, self.points)(known.view(tiles.shape).amax(1, keepdim=True))

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
