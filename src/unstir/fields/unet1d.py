"""A U-Net for signals `(channels, length)`: residual convolutions along the one axis there is.

Blocks are those of `shifted.py`. Between resolutions a signal is halved by a convolution of stride 2, and
doubled by repeating values; there are as many of them as bring the coarsest below 16 places, where one kernel
sees most of the signal. (diffusers' `UNet1DModel` knows no classes, and takes no lengths that its strides do
not divide, nor short ones.)

All of it works on pictures one pixel high: with channels last in bfloat16, which torch has for these alone,
that takes half the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from unstir.errors import InputError
from unstir.fields.embedding import NoiseEmbedding
from unstir.fields.norms import norm
from unstir.fields.shifted import Shifted
from unstir.fields.sizes import DEFAULT, Sizes, chosen

# `width` is that of the full resolution; those below have twice as many.
SIZES: Sizes = {
    "small": {"width": 16, "layers": 1},
    "base": {"width": 32, "layers": 1},
    "large": {"width": 64, "layers": 2},
}
_COARSEST = 16  # places
_LEVELS = 6
_KERNEL = 5


class UNet1d(nn.Module):
    """A U-Net fed with the noise level, the class and signals of any length.

    Args:
        shape: `(channels, length)`.
        channels: features at each resolution, each half the one before; by default (w, 2w, 2w, …), of which
            there are 2 to 6 by the length, where w is 16, 32 or 64 by the size.
        layers: residual blocks at each resolution; the size's by default.
        answer: the shape of what it answers, of the same length; as `shape` by default.
        classes: how many classes labels tell apart; 0 to ignore them.
        size: `small`, `base` or `large`.
        augment: how many numbers tell an item's augmentation; 0 for none.

    Raises:
        InputError: items that are no signals, or a size of another name.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] | None = None,
        layers: int | None = None,
        answer: Sequence[int] | None = None,
        classes: int = 0,
        size: str = DEFAULT,
        augment: int = 0,
    ) -> None:
        super().__init__()
        if len(shape) != 2:
            raise InputError(f"network unet1d: items have shape {tuple(shape)}; it needs signals, use mlp")
        options = chosen("unet1d", SIZES, size, layers=layers)
        width, layers = int(options["width"]), int(options["layers"])
        levels = min(max(1 + math.ceil(math.log2(max(shape[1], 1) / _COARSEST)), 2), _LEVELS)
        channels = tuple(channels or (width, *[2 * width] * (levels - 1)))
        if layers < 1 or min(channels) < 1:
            raise InputError(f"network unet1d: channels={channels}, layers={layers}; give 1 or more of each")
        self.multiple = 2 ** (len(channels) - 1)
        known = 4 * channels[0]
        self.embedding = NoiseEmbedding(known, classes=classes, augment=augment)
        self.input = _conv(shape[0], channels[0])
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        kept, now = [channels[0]], channels[0]
        for level, wide in enumerate(channels):
            if level:
                self.down.append(_Halved(now))
                kept.append(now)
            for _ in range(layers):
                self.down.append(Shifted(now, wide, known, _conv))
                kept.append(wide)
                now = wide
        self.middle = nn.ModuleList(Shifted(now, now, known, _conv) for _ in range(2))
        for level, wide in reversed(list(enumerate(channels))):
            for _ in range(layers + 1):
                self.up.append(Shifted(now + kept.pop(), wide, known, _conv))
                now = wide
            if level:
                self.up.append(_Doubled(now))
        self.norm = norm(now)
        self.output = _conv(now, (answer or shape)[0])
        nn.init.zeros_(self.output.weight)
        if self.output.bias is not None:
            nn.init.zeros_(self.output.bias)

    def forward(
        self, x: Tensor, noise: Tensor, label: Tensor | None = None, told: Tensor | None = None
    ) -> Tensor:
        length = x.shape[2]
        e = functional.silu(self.embedding(noise, label, told))
        h = self.input(functional.pad(x, (0, -length % self.multiple))[:, :, None])
        kept = [h]
        for block in self.down:
            h = block(h, e)
            kept.append(h)
        for block in self.middle:
            h = block(h, e)
        for block in self.up:
            h = block(h if isinstance(block, _Doubled) else torch.cat([h, kept.pop()], 1), e)
        out: Tensor = self.output(functional.hardswish(self.norm(h)))
        return out[:, :, 0, :length]


class _Halved(nn.Module):
    def __init__(self, wide: int) -> None:
        super().__init__()
        self.conv = _conv(wide, wide, stride=2)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        out: Tensor = self.conv(h)
        return out


class _Doubled(nn.Module):
    def __init__(self, wide: int) -> None:
        super().__init__()
        self.conv = _conv(wide, wide)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        out: Tensor = self.conv(functional.interpolate(h, scale_factor=(1.0, 2.0)))
        return out


def _conv(given: int, wide: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(given, wide, (1, _KERNEL), (1, stride), (0, _KERNEL // 2))
