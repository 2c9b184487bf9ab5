"""The whole product in few digits: which points count, up to where hundreds do (`exact_near.py`).

Points of 256 levels are taken as whole numbers, and g in one or two digits, ĝ (`exact_bytes.py`). With what
these leave out of g, to the last bit known,

    |g·y − ĝ·y| ≤ ‖g − ĝ‖ max‖h k_i‖

with two of them some fifty times less than bfloat16 leaves. Other points are taken as the nearest such
numbers where these are faster, with ‖g‖ max‖y_i − c − h k_i‖ more. Or else it is bfloat16, ŷ_i = y_i + e_i:

    g·y ≤ ĝ·ŷ + 2⁻⁸|ĝ·ŷ| + ‖g‖ max‖e_i‖ + ‖ĝ − g‖ max‖ŷ_i‖

With whole numbers sq is known from both sides, and so is each weight. Half of what may be left out goes to
the points that each weigh less than their even share of it; the other half to the lightest of the others,
together, which leaves several times fewer of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unstir.fields.exact_bytes import ByteProducts, Bytes
from unstir.fields.exact_dense import Curve, Gaussian, Law
from unstir.fields.exact_near import MASS, Candidates, Reach, pair_logits, slack
from unstir.fields.exact_points import Points, Question

_BLOCK = 8192
_WIDE = 5  # times as many candidates as are wanted in the end: more are not worth sorting
_UNIT = 2.0**-8  # a rounding to bfloat16
_BIN = 0.5  # nats, in which weights are sorted
_BINS = 100
_LAW_ERROR = 1e-3  # nats: twice what a `Curve` is wrong by, with float32's
_ROUNDINGS = 16  # of float32 in one bound, twice what there are
_EPS = torch.finfo(torch.float32).eps


class _Bounds(Protocol):
    """Bounds on sq, of parts of the points.

    Attributes:
        size: points at once.
        width: how far sq may lie above its bound, float32 `(batch, 1)`, or None where nothing says.
    """

    size: int

    @property
    def width(self) -> Tensor | None: ...

    def lower(self, part: slice) -> Tensor:
        """No more than sq, float32 `(batch, part)`, until the next call."""
        ...

    def known(self, lower: Tensor, least: Tensor, start: int) -> Tensor:
        """No more than the largest logit of the points from `start` on, of which these are the bounds.

        Args:
            lower: `(batch, part)`.
            least: of them, `(batch, 1)`.
            start: of the part.

        Returns:
            float64 `(batch, 1)`.
        """
        ...


class _ByteBounds:
    """From whole numbers."""

    size: int
    width: Tensor

    def __init__(self, question: Question, points: Points, known: Bytes, digits: int) -> None:
        self._products = ByteProducts(question.g, known, digits)
        self._question, self._points, self.size = question, points, self._products.size
        length = question.g.norm(dim=1, keepdim=True)
        shift = abs(known.centre) * known.pixels(question.g).sum(1, keepdim=True).abs()
        float32 = _ROUNDINGS * _EPS * (2 * (length * known.longest + shift) + question.scale(points))
        room = 2 * self._products.off() + float32
        self._base, self.width = (question.own - room).float(), (2 * room).float()

    def lower(self, part: slice) -> Tensor:
        return self._products.squared(part, self._question.sizes(self._points, part).float(), self._base)

    def known(self, lower: Tensor, least: Tensor, start: int) -> Tensor:
        shares = self._points.log_weights
        share = shares[0] if self._points.equal else shares[start + lower.argmin(1, keepdim=True)]
        return self._question.logits((least + self.width).double().clamp_min_(0)) + share


class _HalfBounds:
    """From bfloat16."""

    size: int = _BLOCK
    width: Tensor | None = None

    def __init__(self, question: Question, points: Points) -> None:
        g = question.g
        self._question, self._points, self._g = question, points, g.bfloat16()
        off, length = (value.norm(dim=1, keepdim=True) for value in (self._g.double() - g, g))
        room = 2 * (length * points.largest_rounding + off * (1 + _UNIT) * points.longest)
        self._base = (question.own - room - slack(question, points)).float()

    def lower(self, part: slice) -> Tensor:
        product = (self._g @ self._points.rounded[part].T).float()
        # What was rounded may have been that much more.
        product = torch.addcmul(product, product.abs(), product.new_tensor(_UNIT))
        sizes = self._question.sizes(self._points, part).float()
        return product.mul_(-2).add_(sizes).add_(self._base)

    def known(self, lower: Tensor, least: Tensor, start: int) -> Tensor:
        rows = torch.arange(len(lower), device=lower.device)
        return pair_logits(self._question, rows, self._points, start + lower.argmin(1))[:, None]


@dataclass(frozen=True, eq=False)
class Rounded:
    """Points in few digits.

    Attributes:
        points: they themselves.
        digits: of g, where the points are taken as whole numbers: 1, or 2 for narrower bounds.
    """

    points: Points
    digits: int = 2

    def promising(self, question: Question, most: float) -> bool:
        """Whether three of four states have no more candidates than that."""
        return 4 * int((self.candidates(question, most).counts > 0).sum()) >= 3 * len(question)

    def candidates(self, question: Question, most: float) -> Candidates:
        """Every point that may count, for each state that has `most` of them at most."""
        points, n, device = self.points, len(question), question.u.device
        known = points.bytes or points.digits
        bounds: _Bounds = (
            _HalfBounds(question, points)
            if known is None
            else _ByteBounds(question, points, known, self.digits)
        )
        wide = (1 if bounds.width is None else _WIDE) * most
        reach = Reach(question, points, MASS if bounds.width is None else MASS / 2)
        best = torch.full((n, 1), -math.inf, dtype=torch.float64, device=device)
        limit = torch.full((n, 1), math.inf, device=device)
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        counts = torch.zeros(n, dtype=torch.int64, device=device)
        gone = counts < 0
        for start in range(0, len(points), bounds.size):
            lower = bounds.lower(slice(start, min(start + bounds.size, len(points))))
            least = lower.amin(1, keepdim=True)
            best = torch.maximum(best, bounds.known(lower, least, start))
            limit = reach(best).masked_fill_(gone[:, None], -math.inf)
            some = torch.nonzero((least <= limit)[:, 0])[:, 0]
            row, column = torch.nonzero(lower[some] <= limit[some], as_tuple=True)
            row = some[row]
            found.append((row, column + start, lower[row, column]))
            counts += torch.bincount(row, minlength=n)
            # Those of the first parts count against a limit that was not yet as near.
            gone = counts > 2 * wide + bounds.size // 128
        row, index, lower = (torch.cat(parts) for parts in zip(*found, strict=True))
        kept = lower <= limit[row, 0]
        kept &= (torch.bincount(row[kept], minlength=n) <= wide)[row]
        kept &= ~gone[row]
        row, index, lower = row[kept], index[kept], lower[kept]
        if bounds.width is not None and len(row):
            kept = _heavy(question, points, row, index, lower, bounds.width)
            row, index = row[kept], index[kept]
        return Candidates.of(n, row, index, most)


def _heavy(
    question: Question, points: Points, row: Tensor, index: Tensor, lower: Tensor, width: Tensor
) -> Tensor:
    """Which pairs are needed: the others weigh half of `MASS` together at most."""
    n, shares = len(question), points.log_weights[index]
    above = lower + width[row, 0]
    end = 1.01 * float(above.max())
    curve = Curve(question, max(float(lower.min()), 1e-9 * end), end) if question.noise.mixed else None
    law: Law = curve or Gaussian()
    most, least = (law(law.unit * (sq + law.shift)).double() + shares for sq in (lower, above))
    top = torch.full((n,), -math.inf, dtype=torch.float64, device=row.device)
    top.scatter_reduce_(0, row, least, "amax")
    total = torch.zeros_like(top).index_add_(0, row, torch.exp(least - top[row])).log_() + top
    share = (most - total[row] + 2 * _LAW_ERROR).clamp_max_(0)
    place = (share / -_BIN).long().clamp_(0, _BINS - 1)
    mass = torch.zeros(n, _BINS, dtype=torch.float64, device=row.device)
    mass.view(-1).index_add_(0, row * _BINS + place, share.exp())
    lighter = mass.flip(1).cumsum(1).flip(1)
    return (lighter[row, place] > 0.5 * MASS) | (lower <= (curve.start if curve else 0))
