"""The blocks of the U-Nets that EDM and PFGM++ published weights for, written from the papers' equations.

With e the features of noise level and class, GN a group norm and ↕ a resampling (none, by 2 up, by 2 down):

    h = conv1(silu(GN1(conv0(↕ silu(GN0 x))) modulated by e))       + W e before GN1 (DDPM++, NCSN++)
    x' = s (h + skip(↕ x))                                          or (1 + a) GN1 + b, (a, b) = W e (ADM)
    x'' = s (x' + proj(v softmax(qᵀk/√d)))                          where it attends, (q, k, v) = qkv(GN2 x')

s is √½ in DDPM++ and NCSN++ (Song 2021, appendix H) and 1 in ADM (Dhariwal & Nichol 2021, section 3). A
resampling filters each channel by f fᵀ/Σ², f = [1, 1] (a mean of four, a copy to four) or [1, 3, 3, 1] in
NCSN++. Parameters are named as the published files name them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Way = Literal["level", "up", "down"]
_FEWEST = 4  # channels of a group
_GROUPS = 32


@dataclass(frozen=True)
class Family:
    """What tells the families of blocks apart.

    Attributes:
        features: of e.
        scale: s.
        eps: of the group norms.
        modulated: whether e scales and shifts, rather than adds.
        head: channels of an attention head; None for one head of all.
        projected: whether a resampled skip path has a 1×1 convolution even where channels stay.
        taps: f.
    """

    features: int
    scale: float
    eps: float
    modulated: bool
    head: int | None
    projected: bool
    taps: tuple[float, ...] = (1, 1)


def group_norm(channels: int, eps: float) -> nn.GroupNorm:
    """With as many groups of four channels or more as there can be, up to 32."""
    return nn.GroupNorm(min(_GROUPS, channels // _FEWEST), channels, eps)


class Conv(nn.Module):
    """A convolution of 3×3 or 1×1, or none at all, after a resampling; `late` where a filter down comes last.

    Args:
        given: channels.
        width: channels of the answer.
        kernel: 3, 1, or 0 for no convolution.
        way: `level`, `up` or `down`.
        taps: f.
        late: whether the filter down follows the convolution, on a border of its own width.
    """

    resample_filter: Tensor | None

    def __init__(
        self, given: int, width: int, kernel: int, way: Way = "level", taps: Sequence[float] = (1, 1),
        late: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.way, self.late, self.kernel = way, late, kernel
        self.weight = nn.Parameter(torch.empty(width, given, kernel, kernel)) if kernel else None
        self.bias = nn.Parameter(torch.empty(width)) if kernel else None
        f = torch.tensor(list(taps), dtype=torch.float32)
        square = (f[:, None] * f / f.sum() ** 2)[None, None]
        self.register_buffer("resample_filter", None if way == "level" else square)

    def forward(self, x: Tensor) -> Tensor:
        border: int = self.kernel // 2
        if self.resample_filter is not None and not self.late:
            x = self._resampled(x, self._margin())
        if self.weight is not None:
            border += self._margin() if self.late else 0
            x = functional.conv2d(x, self.weight, None if self.late else self.bias, padding=border)
        if self.late and self.bias is not None:  # after the filter, which leaves it as it is
            return self._resampled(x, 0) + self.bias[:, None, None]
        return x

    def _margin(self) -> int:
        return 0 if self.resample_filter is None else (self.resample_filter.shape[-1] - 1) // 2

    def _resampled(self, x: Tensor, margin: int) -> Tensor:
        if self.resample_filter is None:
            return x
        count = x.shape[1]
        f = self.resample_filter.to(x).expand(count, -1, -1, -1)
        if self.way == "up":
            return functional.conv_transpose2d(x, 4 * f, stride=2, padding=margin, groups=count)
        return functional.conv2d(x, f, stride=2, padding=margin, groups=count)


class Block(nn.Module):
    """A residual block, with attention behind it where `attends`."""

    def __init__(
        self, family: Family, given: int, width: int, way: Way = "level", attends: bool = False
    ) -> None:
        super().__init__()
        self.family, self.given, self.width = family, given, width
        self.norm0 = group_norm(given, family.eps)
        self.conv0 = Conv(given, width, 3, way, family.taps)
        self.affine = nn.Linear(family.features, width * (2 if family.modulated else 1))
        self.norm1 = group_norm(width, family.eps)
        self.conv1 = Conv(width, width, 3)
        self.skip: Conv | None = None
        if way != "level" or given != width:
            kernel = 1 if family.projected or given != width else 0
            self.skip = Conv(given, width, kernel, way, family.taps)
        self.heads = (1 if family.head is None else width // family.head) if attends else 0
        if self.heads:
            self.norm2 = group_norm(width, family.eps)
            self.qkv = Conv(width, 3 * width, 1)
            self.proj = Conv(width, width, 1)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.conv0(functional.silu(self.norm0(x)))
        told = self.affine(e)[:, :, None, None]
        if self.family.modulated:
            a, b = told.chunk(2, 1)
            h = b + (1 + a) * self.norm1(h)
        else:
            h = self.norm1(h + told)
        h = self.conv1(functional.silu(h))
        x = self.family.scale * (h + (x if self.skip is None else self.skip(x)))
        return self.family.scale * (x + self._attention(x)) if self.heads else x

    def _attention(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        # Of each head's channels q, k and v come in turn.
        parts = self.qkv(self.norm2(x)).reshape(n, self.heads, -1, 3, height * width)
        q, k, v = (part.mT for part in parts.unbind(3))
        seen = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(seen.mT.reshape(x.shape))
        return out


class Waves(nn.Module):
    """Cosines and sines of the noise level, at fixed frequencies that fall from 1 to about 10⁻⁴.

    Args:
        width: how many.
        whole: whether the last frequency is 10⁻⁴ itself (Song's) or the one before it (ADM's).
        sine_first: their order.
    """

    def __init__(self, width: int, whole: bool, sine_first: bool) -> None:
        super().__init__()
        self.count, self.last, self.sine_first = width // 2, width // 2 - whole, sine_first

    def forward(self, level: Tensor) -> Tensor:
        exponent = torch.arange(self.count, dtype=torch.float32, device=level.device) / self.last
        angle = level[:, None] * torch.pow(1e-4, exponent)
        parts = (angle.sin(), angle.cos()) if self.sine_first else (angle.cos(), angle.sin())
        return torch.cat(parts, 1)


class Fourier(nn.Module):
    """Sines and cosines at the random frequencies that the weights bring (NCSN++)."""

    freqs: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("freqs", torch.empty(width // 2))

    def forward(self, level: Tensor) -> Tensor:
        angle = level[:, None] * (2 * math.pi * self.freqs)
        return torch.cat([angle.sin(), angle.cos()], 1)
