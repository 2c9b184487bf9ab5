"""Which points count: a cheap pass with a certain bound leaves candidates, and float32 decides among them.

All that is left out weighs τ of all points together at most (1e-5), so that leaving it out moves D by τ times
the data's diameter at most. A pass computes bounds b_i ≤ sq_i for all points and, of one that seems nearest,
sq itself. Every point whose bound lies beyond the sq at which log p has fallen by log(points/τ) from that
one's is certain not to count. Two passes:

`Shadow`    64 numbers a point, for low noise (`exact_shadow.py`).
`Rounded`   the whole product in few digits, up to where hundreds of points count (`exact_rounded.py`).

Each leaves room for what float32 can be wrong by. Nothing is assumed of the data: where they lie so close
that the bounds do not part them, more candidates are left, and where these are too many all points are
taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.fields.exact_dense import LOGIT_ERROR, rounding
from unstir.fields.exact_points import Points, Question

MASS = 1e-5  # of all points that are left out
_NODES = 4096  # at which a law is inverted
_ROWS = 1024  # points gathered at once
_EPS = torch.finfo(torch.float32).eps


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

    @classmethod
    def none(cls, batch: int, device: torch.device) -> Candidates:
        """Of states that all have too many."""
        nothing = torch.zeros(0, dtype=torch.int64, device=device)
        return cls(nothing.new_zeros(batch), nothing)


def slack(question: Question, points: Points) -> Tensor:
    """What float32 can be wrong by in sq, `(batch, 1)`."""
    return (points.values.shape[1] + 64) * _EPS * 2 * question.scale(points)


def pair_logits(question: Question, rows: Tensor, points: Points, columns: Tensor) -> Tensor:
    """log p + log w of some pairs, float64 `(pairs,)`, from sq by differences."""
    apart = question.u[rows].double() - question.A * points.values[columns].double()
    squared = (apart**2).sum(1) / question.B[0, 0] ** 2
    return question.logits(squared) + points.log_weights[columns]


class Reach:
    """The sq beyond which points weigh `mass` together at most, given the largest logit that is known."""

    def __init__(self, question: Question, points: Points, mass: float = MASS) -> None:
        self._below = math.log(len(points) / mass) + points.heaviest
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
