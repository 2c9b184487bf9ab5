"""What an exact field knows of its data and of one question: the distances between states and points.

In units of the noise the states are s = u/B and the signal's coefficient f = A/B, in the coordinates of the
process's basis, and

    sq_i = ‖s − f y_i‖² = ‖s‖² + f²·y_i² − 2 g·y_i        g = f s

All that tells points apart is one matrix product with g, whatever the law of the noise, and f²·y_i², which is
the same for all states of one time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from unstir.fields.exact_bytes import Bytes, Turn, served
from unstir.physics.noise import Noise

_PART = 128  # points taken at once, which stay in the cache
_BYTES = 32, 512  # coordinates and points from which whole numbers are worth their while


@dataclass(frozen=True, eq=False)
class Points:
    """Weighted points, one class after the other.

    Attributes:
        values: coordinates `(points, N)`, float32 or float64.
        log_weights: of their shares, float64 `(points,)`.
        turns: from coordinates `(n, N)` to pixels and back, or None where they are the same.
    """

    values: Tensor
    log_weights: Tensor
    turns: tuple[Turn, Turn] | None = None
    _whole: tuple[Points, slice] | None = None
    _sizes: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def some(self, part: slice) -> Points:
        """Some of them, as a view."""
        return Points(self.values[part], self.log_weights[part], self.turns, (self, part))

    @cached_property
    def bytes(self) -> Bytes | None:
        """The points as whole numbers, where they are such and that is faster."""
        if self._whole is not None:
            whole, part = self._whole
            return None if whole.bytes is None else whole.bytes.some(part)
        return Bytes.of(self.values, *(self.turns or (_same, _same))) if self._served else None

    @cached_property
    def digits(self) -> Bytes | None:
        """The points in two digits, where they are no whole numbers and that is faster."""
        if self._whole is not None:
            whole, part = self._whole
            return None if whole.digits is None else whole.digits.some(part)
        if self.bytes is not None or not self._served:
            return None
        return Bytes.near(self.values, *(self.turns or (_same, _same)))

    @property
    def _served(self) -> bool:
        """Whether whole numbers are faster, if the points are such."""
        few = self.values.shape[1] < _BYTES[0] or len(self) < _BYTES[1]
        return not few and self.values.dtype == torch.float32 and served(self.values.device)

    @cached_property
    def equal(self) -> bool:
        """Whether all have the same share."""
        return bool((self.log_weights == self.log_weights[0]).all())

    @cached_property
    def heaviest(self) -> float:
        """The largest log share."""
        return float(self.log_weights.max())

    @cached_property
    def squares(self) -> Tensor:
        """‖y_i‖², float64 `(points,)`."""
        return torch.cat([part.double().square().sum(1) for part in torch.split(self.values, _PART)])

    def sizes(self, f: Tensor) -> Tensor:
        """f²·y_i² with an f of its own in each coordinate, float64 `(points,)`; those of one f are kept."""
        known = self._sizes
        if "f" not in known or not torch.equal(known["f"], f):
            parts = torch.split(self.values, _PART)
            known["sizes"] = torch.cat([part.double().square() @ f**2 for part in parts])
            known["f"] = f
        return known["sizes"]

    @cached_property
    def rounded(self) -> Tensor:
        """The values in bfloat16."""
        return self.values.bfloat16()

    @cached_property
    def largest_rounding(self) -> float:
        """The largest length of what bfloat16 leaves out of a point."""
        parts = zip(torch.split(self.values, _PART), torch.split(self.rounded, _PART), strict=True)
        # The difference of such neighbours is exact.
        most = max(float((exact - near.to(exact.dtype)).norm(dim=1).max()) for exact, near in parts)
        return most * (1 + 1e-5)

    @cached_property
    def longest(self) -> float:
        """The largest ‖y_i‖."""
        return math.sqrt(float(self.squares.max()))


@dataclass(frozen=True, eq=False)
class Question:
    """States to be answered at their times.

    Attributes:
        u: coordinates `(batch, N)`, float32 or float64.
        A: the signal's coefficient `(batch or 1, N or 1)`, float64.
        B: the noise's, `(batch or 1, 1)`, float64.
        noise: its law.
    """

    u: Tensor
    A: Tensor
    B: Tensor
    noise: Noise

    def __len__(self) -> int:
        return len(self.u)

    def of(self, rows: Tensor | slice) -> Question:
        """That of some states alone."""
        A, B = (value[rows] if len(value) == len(self.u) else value for value in (self.A, self.B))
        return replace(self, u=self.u[rows], A=A, B=B)

    @cached_property
    def s(self) -> Tensor:
        """u/B, float64."""
        return self.u.double() / self.B

    @cached_property
    def f(self) -> Tensor:
        """A/B, float64."""
        return self.A / self.B

    @cached_property
    def g(self) -> Tensor:
        """f s, float64 `(batch, N)`."""
        return self.f * self.s

    @cached_property
    def own(self) -> Tensor:
        """‖s‖², float64 `(batch, 1)`."""
        return (self.s**2).sum(1, keepdim=True)

    def sizes(self, points: Points, part: slice) -> Tensor:
        """f²·y_i² of a part of the points, float64 `(batch or 1, part)`."""
        f = self.f
        if f.shape[1] == 1:
            return f**2 * points.squares[part]
        if len(f) == 1:
            return points.sizes(f[0])[part][None]
        return f**2 @ (points.values[part].double() ** 2).T

    def scale(self, points: Points) -> Tensor:
        """A bound on ‖s‖² + ‖f y‖², which rounding of sq is in proportion to, float64 `(batch, 1)`."""
        return self.own + self.f.abs().amax(1, keepdim=True) ** 2 * points.longest**2

    def logits(self, squared: Tensor) -> Tensor:
        """log density of the noise, from sq of any shape."""
        return self.noise.log_density(squared, self.u.shape[1])


def _same(values: Tensor) -> Tensor:
    return values
