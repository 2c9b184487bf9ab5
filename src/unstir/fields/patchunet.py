"""A U-Net on patches of 2×2 pixels: the one to train on a processor, and where minutes count.

The pixels of a patch become channels, so that the first convolutions see a quarter of the places at twice the
features: as many operations for wider products, and a quarter of the memory for all that lies between them.
Blocks are those of `shifted.py`. Down by a strided product of 2×2, up by one that makes four places of one;
no attention.
Source: Ronneberger 2015; Shi 2016, sub-pixel convolution.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from unstir.errors import InputError
from unstir.fields.embedding import NoiseEmbedding
from unstir.fields.norms import norm
from unstir.fields.shifted import Shifted
from unstir.fields.sizes import DEFAULT, Sizes, chosen

SIZES: Sizes = {
    "small": {"width": 32, "layers": 1, "middle": 2},
    "base": {"width": 64, "layers": 2, "middle": 3},
    "large": {"width": 128, "layers": 2, "middle": 4},
}
_MULTIPLE = 8  # of features
_SMALLEST = 8  # places along a side below which resolution is not halved again


class PatchUNet(nn.Module):
    """A U-Net on patches, fed with the noise level, the class and images of any size.

    Args:
        shape: `(channels, height, width)`; filled up with zeros to whole patches.
        patch: pixels along a patch's side; 2 by default, and 1 for images of up to 16 pixels.
        width: features at the first resolution, a multiple of 8, and twice as many below; the
            size's by default.
        layers: blocks at each resolution, down and up again; the size's by default.
        middle: blocks at the lowest; the size's by default.
        answer: the shape of what it answers, of the same height and width; as `shape` by default.
        classes: how many classes labels tell apart; 0 to ignore them.
        size: `small`, `base` or `large`.
        augment: how many numbers tell an item's augmentation; 0 for none.

    Raises:
        InputError: items that are no images, or options that make no network.
    """

    def __init__(
        self,
        shape: Sequence[int],
        patch: int | None = None,
        width: int | None = None,
        layers: int | None = None,
        middle: int | None = None,
        answer: Sequence[int] | None = None,
        classes: int = 0,
        size: str = DEFAULT,
        augment: int = 0,
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise InputError(f"network patch-unet: items have shape {tuple(shape)}; it needs images, use mlp")
        options = chosen("patch-unet", SIZES, size, width=width, layers=layers, middle=middle)
        width, layers, middle = int(options["width"]), int(options["layers"]), int(options["middle"])
        patch = (1 if min(shape[1:]) <= 16 else 2) if patch is None else int(patch)
        if patch < 1 or width < _MULTIPLE or width % _MULTIPLE or layers < 1 or middle < 1:
            raise InputError(
                f"network patch-unet: patch={patch}, width={width}, layers={layers}, middle={middle}; give a "
                f"width that {_MULTIPLE} divides, and 1 or more of the others"
            )
        side, widths = max(shape[1:]) / patch, [width]
        while side >= 1.5 * _SMALLEST or len(widths) == 1:
            side, widths = side / 2, [*widths, 2 * width]
        self.patch, self.multiple = patch, patch * 2 ** (len(widths) - 1)
        features = 2 * width
        self.embedding = NoiseEmbedding(features, classes=classes, augment=augment)
        self.input = _conv(shape[0] * patch**2, width)
        self.down, self.shrink, self.up, self.grow = (nn.ModuleList() for _ in range(4))
        for a, b in itertools.pairwise(widths):
            self.down.append(_Stack(a, a, layers, features))
            self.shrink.append(nn.Conv2d(a, b, 2, stride=2))
            self.grow.insert(0, nn.Conv2d(b, 4 * a, 1))
            self.up.insert(0, _Stack(2 * a, a, layers, features))
        self.middle = _Stack(widths[-1], widths[-1], middle, features)
        self.last = norm(width)
        self.output = _conv(width, (answer or shape)[0] * patch**2)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Tensor, noise: Tensor, label: Tensor | None = None, told: Tensor | None = None
    ) -> Tensor:
        height, width = x.shape[2:]
        x = functional.pad(x, (0, -width % self.multiple, 0, -height % self.multiple))
        e = functional.silu(self.embedding(noise, label, told))
        h, kept = self.input(functional.pixel_unshuffle(x, self.patch)), []
        for stack, shrink in zip(self.down, self.shrink, strict=True):
            h = stack(h, e)
            kept.append(h)
            h = shrink(h)
        h = self.middle(h, e)
        for grow, stack in zip(self.grow, self.up, strict=True):
            h = stack(torch.cat([functional.pixel_shuffle(grow(h), 2), kept.pop()], 1), e)
        out: Tensor = functional.pixel_shuffle(self.output(functional.hardswish(self.last(h))), self.patch)
        return out[..., :height, :width]


class _Stack(nn.Module):
    """Blocks one after the other, the first of which may change the number of features."""

    def __init__(self, given: int, width: int, depth: int, features: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Shifted(given if i == 0 else width, width, features, _conv) for i in range(depth)
        )

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        for block in self.blocks:
            h = block(h, e)
        return h


def _conv(given: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(given, width, 3, padding=1)
