"""The exact field over all points: attention, with the data as keys and as values.

    D = Σ_i softmax_i(log p(sq_i) + log w_i) y_i

For Gaussian noise log p is linear in sq: states g are queries, and −½f²·y_i² + log w_i is added to the
product (`attention`). For every other law the products are taken in blocks with an online softmax (Milakov &
Gimelshein 2018), and the law in float32 is a polynomial in log sq (`Curve`), so that none costs more than a
logarithm does. Memory does not grow with the points.

Points of 256 levels, as pictures have, are multiplied as whole numbers where the processor does so faster
(`exact_bytes.py`): all of this holds for them too, at half the time. Others are taken in two such digits, at
about the same. These leave g·y off by δ at most, and a logit for Gaussian noise by as much: certain is

    ‖D̂ − D‖ ≤ (tanh(δ/2) + 0.002) diameter + h√N/2

with h a 255th of the values' range: light points may have the mean of those near them. As few digits are
taken as leave δ/√N ≤ 1e-3: what is left out does not line up with N coordinates, and moves a logit by that.
Measured, D is 1e-5 to 3e-4 of its size off.

Float32 is used while its rounding moves no logit by much more than 1e-3: that of sq is ε(‖s‖² + ‖f y‖²), and
that of a logit this times the law's slope, which is steepest at the nearest point. States for which it is
more are answered in float64.

In bfloat16 both products take numbers of 8 bits, ŷ_i = y_i + e_i with |e_i| ≤ 2⁻⁸|y_i|, and are themselves
rounded so. With the slope κ of −log p against sq at the nearest point (½ for Gaussian noise) and

    δ = 2κ max_i (‖g‖‖e_i‖ + ‖ĝ − g‖‖ŷ_i‖ + 2⁻⁸|ĝ·ŷ_i|)

each weight is wrong by a factor between e^{−δ} and e^{δ}, so that

    ‖D̂ − D‖ ≤ tanh(δ/2) diameter + 2⁻⁶ max ‖y_i‖

That is the worst case. Roundings do not line up with the data, and the error is some hundred times smaller:
mostly that of the values themselves, about 1e-3 of their size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from unstir.fields.exact_bytes import ByteProducts, Bytes, digit_error
from unstir.fields.exact_points import Points, Question

_BLOCK = 8192
_SMALL_BLOCK, _LOW_BLOCK = 1024, 2048  # of what stays in a core's cache
_LEAST = -80.0  # nats: below it weights would be denormal, which is slow
_LOW_LOGIT = 0.25  # nats that the rounding of a product to bfloat16 may move a logit by
_DIGITS = ((2, 1), (3, 1), (3, 2))  # of g, beside a point's first and its second: as few as serve
_DIGIT_LOGIT = 0.05  # nats that two digits of base 254 may move it by
# Float32 serves while its rounding moves no logit by much more than this.
LOGIT_ERROR = 1e-3
_DEGREES = (1, 3, 4, 6, 8, 11, 14, 18)
_NODES = (13, 15, 17)  # powers of two
_CURVE_ERROR = 5e-4  # nats, with what float32 makes of it
_FINE = 1e-5  # nats: a polynomial of which no more is cut off is not bettered
_PROBED = 64  # points that say how near the nearest ones lie
_EPS = torch.finfo(torch.float32).eps


def dense(question: Question, points: Points, *, low: bool = False) -> Tensor:
    """D in coordinates, `(batch, N)`, from every point.

    Args:
        question: the states.
        points: all that count.
        low: whether bfloat16 may be used, with its error.
    """
    double = torch.float64 in {question.u.dtype, points.values.dtype}
    if question.u.requires_grad or double or len(question.f) > 1:
        return plain(question, points, torch.float64 if question.u.dtype == torch.float64 else None)
    if question.noise.mixed:
        return _checked(question, points, low=low)
    fits = rounding(question, points)[:, 0] <= LOGIT_ERROR
    if bool(fits.all()):
        return _gaussian(question, points, low=low)
    if not bool(fits.any()):
        return plain(question, points, torch.float64)
    out = torch.empty_like(question.u)
    out[fits] = dense(question.of(fits), points, low=low)
    out[~fits] = plain(question.of(~fits), points, torch.float64)
    return out


def rounding(
    question: Question, points: Points, nearest: Tensor | None = None, off: Tensor | None = None
) -> Tensor:
    """How far roundings move a logit, float64 `(batch, 1)`: by the law's slope at sq of the nearest point.

    Args:
        question: the states.
        points: theirs.
        nearest: sq of it; 0 where it is not known.
        off: a bound on how far digits move g·y, which they do by a √N-th of that.
    """
    error = question.scale(points) * _EPS
    if off is not None:
        error = error + off / math.sqrt(points.values.shape[1])
    if not question.noise.mixed:
        return error
    at = torch.zeros_like(error) if nearest is None else (nearest.double() - error).clamp_min(0)
    step = 1e-3 * at + 1e-6 * error
    return (question.logits(at) - question.logits(at + step)) / step * 2 * error


def attention(question: Question, points: Points) -> Tensor:
    """Gaussian noise in float32, at what attention costs. All states have the same signal and noise."""
    dtype = torch.float32
    whole = slice(0, len(points))
    bias = -0.5 * question.sizes(points, whole) + points.log_weights
    bias = (bias - bias.amax(1, keepdim=True)).to(dtype)
    keys = points.values.to(dtype)[None, None]
    mask = bias[None, None].expand(1, 1, len(question), len(points))
    mean: Tensor = scaled_dot_product_attention(question.g.to(dtype)[None, None], keys, keys, mask, scale=1.0)
    return mean[0, 0]


def plain(question: Question, points: Points, dtype: torch.dtype | None = None) -> Tensor:
    """Every law by its own density, in any precision; gradients flow."""
    if dtype is None:
        fits = bool((rounding(question, points) <= LOGIT_ERROR).all())
        dtype = torch.float32 if fits else torch.float64
    g, own = question.g.to(dtype), question.own.to(dtype)
    top = torch.full((len(g), 1), -math.inf, dtype=dtype, device=g.device)
    total = torch.zeros_like(top)
    mean = torch.zeros(g.shape, dtype=dtype, device=g.device)
    for start in range(0, len(points), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(points)))
        block = points.values[part].to(dtype)
        squared = torch.addmm(own + question.sizes(points, part).to(dtype), g, block.T, alpha=-2)
        logits = question.logits(squared.clamp_min(0)) + points.log_weights[part].to(dtype)
        new_top = torch.maximum(top, logits.detach().amax(1, keepdim=True))
        weight, keep = torch.exp(logits - new_top), torch.exp(top - new_top)
        total = total * keep + weight.sum(1, keepdim=True)
        mean = mean * keep + weight @ block
        top = new_top
    return (mean / total).to(question.u.dtype)


def _gaussian(question: Question, points: Points, *, low: bool) -> Tensor:
    """Gaussian noise where float32 serves."""
    way, off = _products(question, points, Gaussian.unit, low=low)
    served = off is None or bool((rounding(question, points, off=off) <= LOGIT_ERROR).all())
    if not served or (isinstance(way, _Floats) and not way.low):
        return attention(question, points)
    return _streamed(question, points, Gaussian(), way)[0]


def _checked(question: Question, points: Points, *, low: bool, digits: bool = True) -> Tensor:
    """A law that is not Gaussian: in two digits, else in float32, else in float64, where these serve."""
    curve = Curve.of(question, points)
    way, off = _products(question, points, curve.unit, low=low, digits=digits)
    mean, nearest = _streamed(question, points, curve, way)
    wrong = (rounding(question, points, nearest, off) > LOGIT_ERROR)[:, 0] | (nearest < curve.start)[:, 0]
    if bool(wrong.any()):
        again = question.of(wrong)
        if off is None:
            mean[wrong] = plain(again, points, torch.float64)
        else:
            mean[wrong] = _checked(again, points, low=low, digits=False)
    return mean


def _low_serves(question: Question, points: Points) -> bool:
    """Whether the noise is so high that bfloat16 moves logits by little."""
    rounded = 2.0**-9 * question.f.abs().amax(1) ** 2 * points.longest**2
    return bool((rounded <= _LOW_LOGIT).all())


class Law(Protocol):
    """log p up to a constant.

    Attributes:
        unit: what sq is taken times.
        shift: what is added to it before.
    """

    unit: float
    shift: float

    def __call__(self, scaled: Tensor) -> Tensor:
        """Of unit·(sq + shift), into which it may write."""
        ...


class Gaussian:
    """−½ sq."""

    unit, shift = -0.5, 0.0

    def __call__(self, scaled: Tensor) -> Tensor:
        return scaled


class _Products(Protocol):
    """Sums over the points, in parts of them."""

    size: int

    def squared(self, part: slice, sizes: Tensor, base: Tensor) -> Tensor:
        """base `(batch, 1)` + sizes `(1, part)` − 2 g·y, float32 `(batch, part)`, until the next call."""
        ...

    def add(self, mean: Tensor, weight: Tensor, part: slice, total: Tensor) -> None:
        """Add Σ w y to `mean`; `weight` is used up, and `total` `(batch, 1)` is Σ w so far, these with it."""
        ...

    def answer(self, mean: Tensor) -> Tensor:
        """What a mean stands for, in coordinates."""
        ...


class _Floats:
    """In float32, or in bfloat16."""

    def __init__(self, g: Tensor, points: Points, *, low: bool) -> None:
        self.size, self.low = _LOW_BLOCK if low else _SMALL_BLOCK, low
        self._values = points.rounded if low else points.values
        self._asked = g.mul(-2).to(self._values.dtype)
        self._kept = torch.empty(len(g) * self.size, device=g.device)

    def squared(self, part: slice, sizes: Tensor, base: Tensor) -> Tensor:
        keys, shape = self._values[part].T, (len(base), sizes.shape[1])
        out = self._kept[: shape[0] * shape[1]].view(shape)
        if self.low:
            out.copy_(self._asked @ keys)
        else:
            torch.mm(self._asked, keys, out=out)
        return out.add_(sizes).add_(base)

    def add(self, mean: Tensor, weight: Tensor, part: slice, total: Tensor) -> None:
        if self.low:
            mean.add_(weight.to(self._values.dtype) @ self._values[part])
        else:
            mean.addmm_(weight, self._values[part])

    def answer(self, mean: Tensor) -> Tensor:
        return mean


def _products(
    question: Question, points: Points, unit: float, *, low: bool, digits: bool = True
) -> tuple[_Products, Tensor | None]:
    """The fastest way that is as exact as asked for, and how far two digits leave g·y off, `(batch, 1)`.

    For Gaussian noise they are as few as serve; where all are too few, that shows.
    """
    known, g = points.bytes, unit * question.g
    if known is not None:
        return ByteProducts(g, known, 2 if low and _digits_serve(question, points, known) else 3), None
    low = low and _low_serves(question, points)
    if low or not digits or points.digits is None:
        return _Floats(g, points, low=low), None
    for count in _DIGITS:
        way = ByteProducts(g, points.digits, *count)
        off = way.off() / abs(unit)
        if not question.noise.mixed and bool((rounding(question, points, off=off) <= LOGIT_ERROR).all()):
            break
    return way, off


def _digits_serve(question: Question, points: Points, known: Bytes) -> bool:
    """Whether two digits move logits by little, or float32 by as much."""
    return bool((digit_error(question.g, 2) * known.longest <= _DIGIT_LOGIT).all())


def _streamed(question: Question, points: Points, law: Law, way: _Products) -> tuple[Tensor, Tensor]:
    """D, and sq of the nearest point, with `law` in place of log p."""
    own = (law.unit * (question.own + law.shift)).float()
    top = torch.full_like(own, -math.inf)
    near, total = torch.full_like(top, math.copysign(math.inf, law.unit)), torch.zeros_like(top)
    nearer, least = (torch.minimum, torch.amin) if law.unit > 0 else (torch.maximum, torch.amax)
    mean = torch.zeros_like(question.g, dtype=torch.float32)
    for start in range(0, len(points), way.size):
        part = slice(start, min(start + way.size, len(points)))
        sizes = (law.unit * question.sizes(points, part)).float()
        squared = way.squared(part, sizes, own)
        near = nearer(near, least(squared, 1, keepdim=True))
        logits = law(squared)
        if not points.equal:
            logits.add_(points.log_weights[part].float())
        new_top = torch.maximum(top, logits.amax(1, keepdim=True))
        weight, keep = logits.sub_(new_top).clamp_min_(_LEAST).exp_(), torch.exp(top - new_top)
        total.mul_(keep).add_(weight.sum(1, keepdim=True))
        way.add(mean.mul_(keep), weight, part, total)
        top = new_top
    return way.answer(mean / total), near / law.unit - law.shift


class Curve:
    """log p(sq) up to a constant for start ≤ sq ≤ end, of z = log(sq + shift), scaled to run from −1 to 1.

    A polynomial of low degree where one is true, and straight lines between many nodes otherwise.
    """

    def __init__(self, question: Question, start: float, end: float) -> None:
        # A shift far above sq would cost digits of it.
        shift = question.noise.softening
        self.start, self.end, self.shift = start, end, shift if shift <= 2 * start else 0.0
        low, high = (math.log(end + self.shift) for end in (start, end))
        self._middle, self._half = 0.5 * (high + low), 0.5 * (high - low)
        self.unit = math.exp(-self._middle)  # the logarithm of numbers about 1 keeps the most digits
        self._question, self._device = question, question.u.device
        self._kept = torch.empty(0)
        self._law: Callable[[Tensor], Tensor] = self._straight
        nodes = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
        fit = np.polynomial.chebyshev.chebfit(nodes, self._exact(nodes), _DEGREES[-1])
        self._constant, fit[0] = float(fit[0]), 0.0
        kept = None
        for degree in _DEGREES:
            self._coefficients = np.polynomial.chebyshev.cheb2poly(fit[: degree + 1]).tolist()
            if self._serves(self._polynomial, 257):
                kept = self._coefficients
                if np.abs(fit[degree + 1 :]).sum() <= _FINE:
                    break
        if kept is not None:
            self._coefficients, self._law = kept, self._polynomial
            return
        for power in _NODES:
            at = self._exact(np.linspace(-1, 1, 2**power + 1)) - self._constant
            self._values = torch.from_numpy(at).float().to(self._device)
            self._slopes = torch.from_numpy(np.diff(at, append=at[-1])).float().to(self._device)
            if self._serves(self._straight, 4001):
                return

    @classmethod
    def of(cls, question: Question, points: Points) -> Curve:
        """From well below the least sq of these states and a few points to the largest there can be."""
        some = points.some(slice(None, None, max(1, len(points) // _PROBED)))
        size = question.sizes(some, slice(0, len(some)))
        probed = question.own + size - 2 * question.g @ some.values.double().T
        reach = question.f.abs().amax(1, keepdim=True) * points.longest
        end = 1.01 * float(((question.own.sqrt() + reach) ** 2).max()) + 1e-6
        return cls(question, min(max(0.25 * float(probed.min()), 1e-9 * end), 0.5 * end), end)

    def _exact(self, z: np.ndarray) -> np.ndarray:
        squared = torch.from_numpy(np.exp(self._middle + self._half * z) - self.shift).clamp_min(0)
        found: np.ndarray = self._question.logits(squared).numpy()
        return found

    def _serves(self, law: Callable[[Tensor], Tensor], count: int) -> bool:
        z = np.linspace(-1, 1, count)
        found = law(torch.from_numpy(z).float().to(self._device)).double().cpu().numpy()
        error = found - (self._exact(z) - self._constant)
        return bool(0.5 * (error.max() - error.min()) <= _CURVE_ERROR)

    def _polynomial(self, z: Tensor) -> Tensor:
        c = self._coefficients
        if len(c) == 2:
            return z.mul_(c[1])  # up to a constant
        if len(self._kept) < z.numel():
            self._kept = torch.empty(z.numel(), dtype=z.dtype, device=z.device)
        out = torch.mul(z, c[-1], out=self._kept[: z.numel()].view_as(z)).add_(c[-2])
        for one in c[-3::-1]:
            out.mul_(z).add_(one)
        return out

    def _straight(self, z: Tensor) -> Tensor:
        place = z.add_(1).mul_(0.5 * (len(self._values) - 1))
        node = place.int().clamp_(0, len(self._values) - 1)
        share = place.sub_(node)
        flat = node.flatten()
        value = self._values.index_select(0, flat).view_as(z)
        return value.addcmul_(share, self._slopes.index_select(0, flat).view_as(z))

    def __call__(self, scaled: Tensor) -> Tensor:
        """log p of unit·(sq + shift), into which it writes; what it gives holds until the next call."""
        low, high = (self.unit * (end + self.shift) for end in (self.start, self.end))
        return self._law(scaled.clamp_(low, high).log_().mul_(1 / self._half))
