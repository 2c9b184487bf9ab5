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
_LARGEST = (2**31 - 1) // 2**14  # coordinates of which the products surely fit into 32 bits

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
        """Of points in coordinates, `(points, N)`; None where they lie on no 256 levels, or N is huge."""
        if values.shape[1] > _LARGEST:
            return None
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
        """Some of the points, as a view unless they are scattered."""
        return Bytes(self.codes[part].contiguous(), self.centre, self.step, self.pixels, self.coordinates)


class ByteProducts:
    """Sums over points in parts of them, for states of one g each.

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
        self._exact, self._largest, self._g = g, largest, split(g / largest, digits)
        self._scale = (-2 * points.step * largest / 127).float()
        self._shift = (-2 * points.centre * g.sum(1, keepdim=True)).float()
        # Memory that is new costs as much as what is done in it.
        self._kept = dict[str, Tensor]()

    def left_out(self) -> Tensor:
        """‖g − ĝ‖, float64 `(batch, 1)`."""
        left = self._exact.clone()
        for place, digit in enumerate(torch.split(self._g, self._batch)):
            left.addcmul_(digit.double(), self._largest, value=-1 / (127 * _BASE**place))
        length: Tensor = torch.linalg.vector_norm(left, dim=1, keepdim=True)
        return length

    def squared(self, part: slice, sizes: Tensor, base: Tensor) -> Tensor:
        """base `(batch, 1)` + sizes `(1, part)` − 2 g·y, float32 `(batch, part)`, until the next call."""
        out = self._summed("g", self._g, self._points.codes[part].T)
        return torch.addcmul(sizes, out, self._scale, out=out).add_(self._shift + base)

    def add(self, mean: Tensor, weight: Tensor, part: slice, total: Tensor) -> None:
        """Add Σ w k, which `answer` makes Σ w y of.

        Args:
            mean: `(batch, N)`.
            weight: w from 0 to 1, `(batch, part)`; used up.
            part: the points.
            total: Σ w so far, these with it, `(batch, 1)`.
        """
        finer = torch.nonzero(total[:, 0] < _ENOUGH if self._digits > 2 else total[:0, 0])[:, 0]
        coarse = 2 * self._batch
        parts = self._room("digits", coarse + len(finer), weight.shape[1], torch.int8)
        whole = self._room("whole", *weight.shape)
        split(weight, 2, parts[:coarse], whole)
        if len(finer):
            parts[coarse:] = weight[finer].sub_(whole[finer]).mul_(_BASE).round_()
        mean.add_(self._summed("w", parts, self._points.codes[part], finer), alpha=1 / 127)

    def answer(self, mean: Tensor) -> Tensor:
        """Coordinates from the mean of k."""
        points = self._points
        return points.coordinates(mean * points.step + points.centre)

    def _summed(self, name: str, digits: Tensor, codes: Tensor, finer: Tensor | None = None) -> Tensor:
        """127 times the product of what `split` gave with whole numbers; third digits are of `finer`."""
        size = codes.shape[1]
        products = self._room(name + " int32", len(digits), size, torch.int32)
        torch._int_mm(digits, codes, out=products)
        first, *others = torch.split(products, self._batch)
        out, one = (self._room(name + which, self._batch, size) for which in ("", " one"))
        out.copy_(first)
        for place, other in enumerate(others, 1):
            if finer is not None and place == 2:
                out.index_add_(0, finer, other.float(), alpha=_BASE**-place)
            else:
                out.add_(one.copy_(other), alpha=_BASE**-place)
        return out

    def _room(self, name: str, rows: int, columns: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """What was there before, made when it is first asked for."""
        known, size = self._kept.get(name), rows * columns
        if known is None or len(known) < size:
            known = self._kept[name] = torch.empty(size, dtype=dtype, device=self._g.device)
        return known[:size].view(rows, columns)


def split(x: Tensor, digits: int, out: Tensor | None = None, whole: Tensor | None = None) -> Tensor:
    """The digits of numbers from −1 to 1 `(n, m)`, int8 `(digits n, m)`: all first ones, then the second.

    With room for them and for one whole number each, `x` is used up.
    """
    left = x * 127 if out is None else x.mul_(127)
    parts = (
        torch.empty(digits * len(x), x.shape[1], dtype=torch.int8, device=x.device) if out is None else out
    )
    whole = torch.empty_like(left) if whole is None else whole
    for place, part in enumerate(parts.view(digits, *x.shape)):
        part.copy_(torch.round(left, out=whole))
        if place + 1 < digits:
            left.sub_(whole).mul_(_BASE)
    return parts


def digit_error(g: Tensor, digits: int) -> Tensor:
    """A bound on ‖g − ĝ‖, `(batch, 1)`."""
    return g.abs().amax(1, keepdim=True) * math.sqrt(g.shape[1]) / (254 * _BASE ** (digits - 1))
