"""Points as whole numbers of eight bits: their products are nine times as fast.

Where every value of the data is c + h k with a whole k from −128 to 127, as in pictures, the products of the
exact field are

    g·y_i = c Σ_j g_j + h g·k_i        Σ_i w_i y_i = c Σ_i w_i + h Σ_i w_i k_i

and a processor with AVX-512 VNNI takes sums of products of such k with other whole numbers of eight bits, in
32 bits, without any rounding. The real numbers g, and w from 0 to 1, are digits of base 254:

    x/max|x| ≈ (q_1 + (q_2 + q_3/254)/254)/127      −127 ≤ q ≤ 127

With two digits that leaves at most 2⁻¹⁶ max|x| of a number, with three 2⁻²⁴, as float32 itself does. So three
digits are as exact as float32 and take 0.45 of its time; two take 0.3, with an error bounded by Cauchy's and
Schwarz's inequality: a logit moves by ‖g − ĝ‖ ‖h k_i‖ at most, and a weight by 2⁻¹⁶ of the largest. Where the
weights' sum is 128 times the largest or more, two digits of them are enough: float32 itself loses 2⁻²⁴ of
that sum in each term.

Other points are c + h (k + l/254) + r with a second digit l and |r| ≤ h/508. Beside l, g needs a digit less.
With two and one of them g·y is off by at most

    ‖g − ĝ₂‖ max‖h k_i‖ + ‖g − ĝ₁‖ max‖h l_i/254‖ + ‖g‖ max‖r_i‖

Points that weigh less than 0.004 of all, or than the first digit of a weight tells, have the mean of l in
their part. What two digits of weights do not tell, if it is 0.002 of all at most, has the mean of k there.

In a basis of modes the points are no such numbers, but their pixels are, and g·y is the same there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

_LEVELS = 256
_BASE = 254.0
_PART = 512  # points looked at at once
_TOLERANCE = 32 * torch.finfo(torch.float32).eps  # of the largest value, by which one may be off the grid
_UNEVEN = 1e-3  # of the range: levels nearer to each other are one

_SAMPLE = 4096  # points that say how far values spread
_COARSEST = 0.1  # of that: a wider step of two digits does not serve
_TABLE = 2**20  # states times points at once
_FEWEST, _MOST = 1024, 8192  # points
_ENOUGH = 128.0  # 2⁻²⁴ of so much is 2⁻¹⁷
_LIGHT = 2e-3  # of all weights, that may have the mean of k in their part
_HEAVY = 4e-3  # of all weights: points of less may have the mean of l in their part
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
        finer: l, int8 `(points, N)`, or None where the points have 256 levels.
    """

    codes: Tensor
    centre: float
    step: float
    pixels: Turn
    coordinates: Turn
    finer: Tensor | None = None
    _means: dict[tuple[int, int], Tensor] = field(default_factory=dict)

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

    @classmethod
    def near(cls, values: Tensor, pixels: Turn, coordinates: Turn) -> Bytes | None:
        """Of any points in coordinates, `(points, N)`, in two digits.

        None where N is huge, or where some values lie so far out that few levels are left for the others.
        """
        if values.shape[1] > _LARGEST:
            return None
        parts = torch.split(values, _PART)
        ends = [torch.aminmax(pixels(part)) for part in parts]
        low, high = min(float(end.min) for end in ends), max(float(end.max) for end in ends)
        step = (high - low) / (_LEVELS - 1)
        some = pixels(values[:: max(1, len(values) // _SAMPLE)])
        if not 0 < step <= _COARSEST * float(some.std()):
            return None
        codes, finer = torch.empty(2, *values.shape, dtype=torch.int8, device=values.device)
        for part, first, second in zip(
            parts, *(torch.split(out, _PART) for out in (codes, finer)), strict=True
        ):
            k = (pixels(part) - low).mul_(1 / step)
            whole = k.round()
            first.copy_(whole - _LEVELS // 2)
            second.copy_(k.sub_(whole).mul_(_BASE).round_())
        return cls(codes, low + step * (_LEVELS // 2), step, pixels, coordinates, finer)

    @cached_property
    def longest(self) -> float:
        """The largest ‖h k_i‖."""
        return self.step * _longest(self.codes)

    @cached_property
    def longest_finer(self) -> float:
        """The largest ‖h l_i/254‖."""
        return 0.0 if self.finer is None else self.step / _BASE * _longest(self.finer)

    def means(self, part: slice) -> Tensor:
        """The means of k + l/254 and of l/254 in a part, float32 `(2, N)`; kept."""
        place = part.start, part.stop
        if place not in self._means:
            finer = self.codes[:0] if self.finer is None else self.finer[part]
            k, fine = (
                one.sum(0, dtype=torch.int32) / len(self.codes[part]) for one in (self.codes[part], finer)
            )
            self._means[place] = torch.stack([k + fine / _BASE, fine / _BASE])
        return self._means[place]

    @property
    def longest_rest(self) -> float:
        """A bound on ‖y_i − c − h(k_i + l_i/254)‖."""
        # Float32 has its share in it: k is at most 255, and l 127.
        off = 0.5 + 256 * _BASE * torch.finfo(torch.float32).eps
        return 0.0 if self.finer is None else self.step * off / _BASE * math.sqrt(self.codes.shape[1])

    def some(self, part: slice) -> Bytes:
        """Some of the points, as a view unless they are scattered."""
        finer = None if self.finer is None else self.finer[part].contiguous()
        return Bytes(
            self.codes[part].contiguous(), self.centre, self.step, self.pixels, self.coordinates, finer
        )


def _longest(codes: Tensor) -> float:
    parts = torch.split(codes, _PART)
    return math.sqrt(max(float(part.float().square().sum(1).max()) for part in parts))


class ByteProducts:
    """Sums over points in parts of them, for states of one g each.

    Args:
        g: float64 `(batch, N)`, in coordinates.
        points: the points.
        digits: of g beside k: 2, or 3 for the precision of float32.
        finer: of g beside l, where the points have it.
    """

    def __init__(self, g: Tensor, points: Bytes, digits: int, finer: int = 0) -> None:
        g = points.pixels(g)
        self._points, self._batch = points, len(g)
        fits = 2 ** int(math.log2(_TABLE / max(len(g), 1)))
        self.size = max(_FEWEST, min(_MOST, fits))  # points at once
        self._exactly = digits > 2 or points.finer is not None
        largest = g.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        self._exact, self._largest, self._g = g, largest, split(g / largest, digits)
        self._finer = self._g[: finer * len(g)]
        self._scale = (-2 * points.step * largest / 127).float()
        self._shift = (-2 * points.centre * g.sum(1, keepdim=True)).float()
        # Memory that is new costs as much as what is done in it.
        self._kept = dict[str, Tensor]()

    def left_out(self, digits: int | None = None) -> Tensor:
        """‖g − ĝ‖ of so many digits, all by default, float64 `(batch, 1)`."""
        left = self._exact.clone()
        for place, digit in enumerate(torch.split(self._g, self._batch)[:digits]):
            left.addcmul_(digit.double(), self._largest, value=-1 / (127 * _BASE**place))
        length: Tensor = torch.linalg.vector_norm(left, dim=1, keepdim=True)
        return length

    def off(self) -> Tensor:
        """A bound on how far g·y is off, float64 `(batch, 1)`."""
        points, beside = self._points, len(self._finer) // self._batch
        length = torch.linalg.vector_norm(self._exact, dim=1, keepdim=True)
        found: Tensor = self.left_out() * points.longest + length * points.longest_rest
        if points.finer is not None:
            found += (self.left_out(beside) if beside else length) * points.longest_finer
        return found

    def squared(self, part: slice, sizes: Tensor, base: Tensor) -> Tensor:
        """base `(batch, 1)` + sizes `(1, part)` − 2 g·y, float32 `(batch, part)`, until the next call."""
        out = self._summed("g", self._g, self._points.codes[part].T)
        if len(self._finer) and self._points.finer is not None:
            out.add_(self._summed("g finer", self._finer, self._points.finer[part].T), alpha=1 / _BASE)
        return torch.addcmul(sizes, out, self._scale, out=out).add_(self._shift + base)

    def add(self, mean: Tensor, weight: Tensor, part: slice, total: Tensor) -> None:
        """Add Σ w k, which `answer` makes Σ w y of.

        Args:
            mean: `(batch, N)`.
            weight: w from 0 to 1, `(batch, part)`; used up.
            part: the points.
            total: Σ w so far, these with it, `(batch, 1)`.
        """
        points, batch, most = self._points, self._batch, weight.amax(1)
        codes, finer = points.codes[part], points.finer
        digits = self._room("digits", 3 * batch, weight.shape[1], torch.int8)
        whole = self._room("whole", *weight.shape)
        summed = weight.sum(1, keepdim=True)
        split(weight, 2, digits[: 2 * batch], whole)
        # A digit of which a state has none but zeros here is not multiplied.
        rows = [torch.nonzero(most >= 0.5 / (127 * _BASE**place))[:, 0] for place in range(2)]
        if finer is None:
            third = torch.nonzero((total[:, 0] < _ENOUGH) & (most >= 0.5 / (127 * _BASE**2)) & self._exactly)
            left = weight[third[:, 0]].sub_(whole[third[:, 0]])
        else:
            weight.sub_(whole)
            second, lost = (one.sum(1, keepdim=True) / (127 * _BASE) for one in (whole, weight))
            many = lost > _LIGHT * len(codes) / len(points.codes) * total
            third = torch.nonzero(many[:, 0])
            left = weight[third[:, 0]]
            heavy = most[:, None] >= (_HEAVY * total).clamp_min_(0.5 / 127)
            self._add(mean, digits, [torch.nonzero(heavy)[:, 0]], finer[part], 1 / _BASE)
            # What is not multiplied has the mean of k, or of l, in this part.
            lost, thirds = lost.masked_fill(many, 0), lost.masked_fill(~many, 0)
            rest = torch.where(heavy, second + thirds, summed - lost)
            mean.addmm_(torch.cat([lost, rest], 1), points.means(part))
        digits[2 * batch : 2 * batch + len(left)] = left.mul_(_BASE).round_()
        self._add(mean, digits, [*rows, third[:, 0]], codes, 1.0)

    def _add(self, mean: Tensor, digits: Tensor, rows: list[Tensor], codes: Tensor, scale: float) -> None:
        """Products of first digits of the states `rows[0]`, of second ones of others, of all third ones."""
        counts = [len(own) for own in rows]
        if not sum(counts):
            return
        places = [own + place * self._batch for place, own in enumerate(rows[:2])]
        places += [
            torch.arange(2 * self._batch, 2 * self._batch + n, device=codes.device) for n in counts[2:]
        ]
        chosen = digits.index_select(0, torch.cat(places))
        out = self._room("w int32", len(chosen), codes.shape[1], torch.int32)
        products = torch.split(torch._int_mm(chosen, codes, out=out).float(), counts)
        for place, (own, part) in enumerate(zip(rows, products, strict=True)):
            mean.index_add_(0, own, part, alpha=scale / (127 * _BASE**place))

    def answer(self, mean: Tensor) -> Tensor:
        """Coordinates from the mean of k."""
        points = self._points
        return points.coordinates(mean * points.step + points.centre)

    def _summed(self, name: str, digits: Tensor, codes: Tensor) -> Tensor:
        """127 times the product of what `split` gave with whole numbers."""
        size = codes.shape[1]
        products = self._room("g int32", len(digits), size, torch.int32)
        torch._int_mm(digits, codes, out=products)
        first, *others = torch.split(products, self._batch)
        out, one = self._room(name, self._batch, size), self._room("one", self._batch, size)
        out.copy_(first)
        for place, other in enumerate(others, 1):
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
