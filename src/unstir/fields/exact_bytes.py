"""Points of 256 levels, as pictures have: products in whole numbers of eight bits, nine times as fast.

Where every value of the data is c + h k with a whole k from −128 to 127, the products of the exact field are

    g·y_i = c Σ_j g_j + h g·k_i        Σ_i w_i y_i = c Σ_i w_i + h Σ_i w_i k_i

and a processor with AVX-512 VNNI takes sums of products of such k with other whole numbers of eight bits, in
32 bits, without any rounding. The real numbers g, and w from 0 to 1, are digits of base 254:

    x/max|x| ≈ (q_1 + (q_2 + q_3/254)/254)/127      −127 ≤ q ≤ 127

With two digits that leaves at most 2⁻¹⁶ max|x| of a number, with three 2⁻²⁴, as float32 itself does. So three
digits are as exact as float32 and take 0.45 of its time; two take 0.3, with an error bounded by Cauchy's and
Schwarz's inequality: a logit moves by ‖g − ĝ‖ ‖h k_i‖ at most, and a weight by 2⁻¹⁶ of the largest. Where the
weights' sum is 128 times the largest or more, two digits of them are enough: float32 itself loses 2⁻²⁴ of
that sum in each term.

In a basis of modes the points are no such numbers, but their pixels are, and g·y is the same there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_LEVELS = 256
_BASE = 254.0
_PART = 512  # points looked at at once
_TOLERANCE = 32 * torch.finfo(torch.float32).eps  # of the largest value, by which one may be off the grid
_UNEVEN = 1e-3  # of the range: levels nearer to each other are one

_ENOUGH = 128.0  # 2⁻²⁴ of so much is 2⁻¹⁷

Turn = Callable[[Tensor], Tensor]


def served(device: torch.device) -> bool:
    """Whether whole numbers of eight bits are the faster ones here."""
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_vnni", False))


@dataclass(frozen=True, eq=False)
class Bytes:
    """Points as whole numbers.

    Attributes:
        codes: k, int8 `(points, N)`, in pixels.
        centre: c.
        step: h.
        pixels: from coordinates `(n, N)` to pixels.
        coordinates: and back.
    """

    codes: Tensor
    centre: float
    step: float
    pixels: Turn
    coordinates: Turn

    @classmethod
    def of(cls, values: Tensor, pixels: Turn, coordinates: Turn) -> Bytes | None:
        """Of points in coordinates, `(points, N)`; None where they lie on no grid of 256 levels."""
        parts = torch.split(values, _PART)
        first = torch.unique(pixels(parts[0]))
        gaps = first.diff()
        gaps = gaps[gaps > max(float(first.abs().max()) * _TOLERANCE, _UNEVEN * float(first[-1] - first[0]))]
        if not len(gaps):
            return None
        # One step of the first points' least two levels says what all levels are, but for the last digits.
        ends = [torch.aminmax(pixels(part)) for part in parts]
        low, high = min(float(end.min) for end in ends), max(float(end.max) for end in ends)
        room, count = _TOLERANCE * max(abs(low), abs(high)), round((high - low) / float(gaps.min()))
        if not 0 < count < _LEVELS:
            return None
        step, codes = (high - low) / count, torch.empty(values.shape, dtype=torch.int8, device=values.device)
        for part, out in zip(parts, torch.split(codes, _PART), strict=True):
            known = pixels(part)
            k = (known - low).mul_(1 / step).round_()
            out.copy_(k - _LEVELS // 2)
            if float(k.mul_(step).add_(low).sub_(known).abs_().max()) > room:
                return None
        return cls(codes, low + step * (_LEVELS // 2), step, pixels, coordinates)

    @cached_property
    def longest(self) -> float:
        """The largest ‖h k_i‖."""
        parts = torch.split(self.codes, _PART)
        return self.step * math.sqrt(max(float(part.float().square().sum(1).max()) for part in parts))

    def some(self, part: slice) -> Bytes:
        """Some of the points, as a view."""
        return Bytes(self.codes[part], self.centre, self.step, self.pixels, self.coordinates)


class ByteProducts:
    """−2 g·y and Σ w y of parts of the points, for states of one g each.

    Args:
        g: float64 `(batch, N)`, in coordinates.
        points: the points.
        digits: 2, or 3 for the precision of float32.
    """

    size = 2048  # points at once

    def __init__(self, g: Tensor, points: Bytes, digits: int) -> None:
        g = points.pixels(g)
        self._points, self._batch, self._digits = points, len(g), digits
        largest = g.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        self._g = split(g / largest, digits)
        self._scale = (-2 * points.step * largest / 127).float()
        self._shift = (-2 * points.centre * g.sum(1, keepdim=True)).float()

    def products(self, part: slice) -> Tensor:
        """−2 g·y, float32 `(batch, part)`."""
        return self._summed(self._g, self._points.codes[part].T).mul_(self._scale).add_(self._shift)

    def add(self, mean: Tensor, weight: Tensor, part: slice, total: Tensor) -> None:
        """Add Σ w k, which `answer` makes Σ w y of, for weights from 0 to 1 whose sum so far is `total`."""
        digits = 2 if bool((total >= _ENOUGH).all()) else self._digits
        mean.add_(self._summed(split(weight, digits), self._points.codes[part]), alpha=1 / 127)

    def answer(self, mean: Tensor) -> Tensor:
        """Coordinates from the mean of k."""
        points = self._points
        return points.coordinates(mean * points.step + points.centre)

    def _summed(self, digits: Tensor, codes: Tensor) -> Tensor:
        """127 times the product of what `split` gave with whole numbers."""
        parts = torch._int_mm(digits, codes).view(-1, self._batch, codes.shape[1])
        out = parts[0].float()
        for place, part in enumerate(parts[1:], 1):
            out.add_(part, alpha=_BASE**-place)
        return out


def split(x: Tensor, digits: int) -> Tensor:
    """The digits of numbers from −1 to 1 `(n, m)`, int8 `(digits n, m)`: all first ones, then the second."""
    left, parts = x * 127, list[Tensor]()
    for place in range(digits):
        whole = left.round()
        parts.append(whole.to(torch.int8))
        if place + 1 < digits:
            left.sub_(whole).mul_(_BASE)
    return torch.cat(parts)


def digit_error(g: Tensor, digits: int) -> Tensor:
    """A bound on ‖g − ĝ‖, `(batch, 1)`."""
    return g.abs().amax(1, keepdim=True) * math.sqrt(g.shape[1]) / (254 * _BASE ** (digits - 1))
