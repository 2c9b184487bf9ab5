"""Patches: the posterior mean of each part of an image, given what a window around it shows.

An image is cut into blocks. A block's window reaches `radius` pixels further on each side, ends at the
image's border, and is compared with the same window of each training image y_j, and of its copies moved by up
to `shift` pixels where the moved window stays inside the image:

    D(x)_window = Σ_j softmax_j(s (x·y_j − ½‖y_j‖²)) y_j       inside the window; s = 1/(B² W)

which is the exact posterior mean of the window's own law under Gaussian noise: the local score machine of
Kamb & Ganguli 2024 (section 4) where blocks are single pixels. A block answers for `overlap` pixels around it
too, and answers are averaged with weights that fall off from it (the patch set posterior composites of
Niedoba 2024): that removes seams, and up to 40 % of the squared error.

Streamed over the data with an online softmax: memory does not grow with them.

At low noise few images count for a window. Once the logits l_j are known, those that count for no state,

    l_j ≤ max_k l_k − log(points/ε)       ε: the rounding of the states' own numbers,

are left out: together they weigh ε of the largest weight at most, so that D moves by less than ε times the
data's diameter. It saves their exponentials and their part of the mean, half of all the work at most.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Training images at once: their windows stay in the cache, and so do the logits of all states.
_TILE, _LARGEST_TILE, _LOGITS = 2048, 8192, 2**18
_LOGIT_ERROR = 0.05  # beyond which float64 takes over
_LEAST = -80.0
_FEW = 0.3  # of a tile's images that count for any state: more are not worth picking out


@dataclass(frozen=True)
class Scale:
    """How images are cut.

    Attributes:
        radius: how far a window reaches beyond its block.
        block: pixels on a side that share a window.
        overlap: how far beyond it a block answers, up to the radius.
        shift: how far training images are moved.
    """

    radius: int
    block: int = 1
    overlap: int = 0
    shift: int = 0


@dataclass(frozen=True)
class _Span:
    """Along one axis: a window, what it answers for, and how much its answer counts there."""

    window: slice
    answer: slice
    weight: Tensor

    def moved(self, by: int) -> tuple[slice, slice]:
        return slice(self.window.start + by, self.window.stop + by), slice(
            self.answer.start + by, self.answer.stop + by
        )

    def inside(self, by: int, length: int) -> bool:
        start, stop = int(self.window.start), int(self.window.stop)
        return start + by >= 0 and stop + by <= length


def _spans(length: int, scale: Scale) -> list[_Span]:
    spans = []
    for low in range(0, length, scale.block):
        high = min(low + scale.block, length)
        window = slice(max(low - scale.radius, 0), min(high + scale.radius, length))
        answer = slice(max(low - scale.overlap, 0), min(high + scale.overlap, length))
        at = torch.arange(answer.start, answer.stop)
        outside = torch.maximum(low - at, at - high + 1).clamp_min(0)
        spans.append(_Span(window, answer, 1 - outside / (scale.overlap + 1)))
    return spans


class _Online:
    """An online softmax (Milakov & Gimelshein 2018), without what is `reach` below its largest logit."""

    def __init__(self, queries: int, size: int, reach: float, like: Tensor) -> None:
        self.reach = reach
        self.top = like.new_full((queries, 1), -math.inf)
        self.total = like.new_zeros(queries, 1)
        self.mean = like.new_zeros(queries, size)

    def add(self, logits: Tensor, values: Tensor) -> None:
        """Take in `logits` `(queries, points)`, which are used up, and `values` `(size, points)`."""
        top = torch.maximum(self.top, logits.amax(1, keepdim=True))
        logits.sub_(top)
        near = (logits.amax(0) > -self.reach).nonzero()[:, 0]
        if len(near) < _FEW * logits.shape[1]:
            logits, values = logits[:, near], values[:, near]
        weight = logits.clamp_min_(_LEAST).exp_()
        keep = torch.exp(self.top - top)
        self.total = self.total * keep + weight.sum(1, keepdim=True)
        self.mean = (self.mean * keep).addmm_(weight, values.T)
        self.top = top


def posterior_mean(x: Tensor, seen: Tensor, values: Tensor, precision: Tensor, scale: Scale) -> Tensor:
    """The denoised images, `(batch, channels, height, width)`.

    Args:
        x: states `(batch, channels, height, width)`.
        seen: training images as the states would show them without noise, `(channels, height, width,
            points)`.
        values: the same images as they are.
        precision: 1/(B² W) of each state, `(batch,)`.
        scale: how images are cut.
    """
    height, width = x.shape[-2:]
    spans = [(a, b) for a in _spans(height, scale) for b in _spans(width, scale)]
    dtype = _dtype(x, seen, precision, scale)
    states, s = x.to(dtype), precision.to(dtype)[:, None]
    queries = [s * states[:, :, a.window, b.window].flatten(1) for a, b in spans]
    moves = list(itertools.product(range(-scale.shift, scale.shift + 1), repeat=2))
    reach = math.log(seen.shape[-1] * len(moves) / torch.finfo(x.dtype).eps)
    sums = [_Online(len(x), x.shape[1] * len(a.weight) * len(b.weight), reach, states) for a, b in spans]
    same = seen is values and all(one.window == one.answer for pair in spans for one in pair)
    tile = max(_TILE, min(_LOGITS // len(x), _LARGEST_TILE))
    for start in range(0, seen.shape[-1], tile):
        shown, given = (part[..., start : start + tile].to(dtype) for part in (seen, values))
        energy, strips = shown.square().sum(0) * -0.5, dict[tuple[int, int], Tensor]()
        for (a, b), query, online in zip(spans, queries, sums, strict=True):
            for dy, dx in moves:
                if not (a.inside(dy, height) and b.inside(dx, width)):
                    continue
                (rows, up), (columns, left) = a.moved(dy), b.moved(dx)
                band = (rows.start, rows.stop)
                if band not in strips:
                    strips[band] = energy[rows].sum(0)
                keys = shown[:, rows, columns].flatten(0, 2)
                answers = keys if same else given[:, up, left].flatten(0, 2)
                online.add(torch.addmm(s * strips[band][columns].sum(0), query, keys), answers)
    return _assembled(x, spans, sums)


def _dtype(x: Tensor, seen: Tensor, precision: Tensor, scale: Scale) -> torch.dtype:
    """Float32 where the rounding of logits is small, float64 elsewhere."""
    if x.dtype == torch.float64:
        return torch.float64
    height, width = x.shape[-2:]
    side = 2 * scale.radius + scale.block
    numbers = x.shape[1] * min(side, height) * min(side, width)
    size = float((seen[..., :_TILE].square().mean() + x.square().flatten(1).mean(1)).mul(precision).max())
    error = numbers * size * torch.finfo(torch.float32).eps
    return torch.float32 if error < _LOGIT_ERROR else torch.float64


def _assembled(x: Tensor, spans: Sequence[tuple[_Span, _Span]], sums: Sequence[_Online]) -> Tensor:
    """The weighted mean of all answers for each pixel."""
    total = torch.zeros(x.shape, dtype=sums[0].mean.dtype, device=x.device)
    count = torch.zeros(x.shape[-2:], device=x.device)
    for (a, b), online in zip(spans, sums, strict=True):
        weight = (a.weight[:, None] * b.weight).to(x.device)
        answer = (online.mean / online.total).reshape(len(x), x.shape[1], *weight.shape)
        total[:, :, a.answer, b.answer] += answer * weight
        count[a.answer, b.answer] += weight
    return (total / count).to(x.dtype)
