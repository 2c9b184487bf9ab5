"""A diffusion transformer: patches that attend to one another (Peebles & Xie 2023, section 3, "adaLN-Zero").

An image is cut into patches of p × p pixels, each a token h of `width` features to which its place is added,
sines and cosines of row and column. With c = silu(e) of noise level and class, a block is

    (s₁, b₁, g₁, s₂, b₂, g₂) = W c + w
    h ← h + g₁ · attention(LN(h) (1 + s₁) + b₁)
    h ← h + g₂ · MLP(LN(h) (1 + s₂) + b₂)

with W = w = 0 at first, so that each starts as the identity.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from unstir.errors import InputError
from unstir.fields.embedding import NoiseEmbedding
from unstir.fields.sizes import DEFAULT, Sizes, chosen

SIZES: Sizes = {
    "small": {"width": 96, "depth": 4, "heads": 3},
    "base": {"width": 128, "depth": 6, "heads": 4},
    "large": {"width": 256, "depth": 8, "heads": 8},
}
_SLOWEST = 10_000  # the longest wavelength of the places, over 2π


class DiT(nn.Module):
    """A transformer of patches, fed with the noise level, the class and images of one size.

    Args:
        shape: `(channels, height, width)`; filled up with zeros to whole patches.
        patch: pixels along a patch's side; 4 by default, and 2 for images of up to 16 pixels.
        width: features of a patch; a multiple of 4; the size's by default, as are `depth` and `heads`.
        depth: blocks.
        heads: of each block's attention; a divisor of `width`.
        answer: the shape of what it answers, of the same height and width; as `shape` by default.
        classes: how many classes labels tell apart; 0 to ignore them.
        size: `small`, `base` or `large`.
        augment: how many numbers tell an item's augmentation; 0 for none.

    Raises:
        InputError: items that are no images, or options that do not fit together.
    """

    place: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        patch: int | None = None,
        width: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        answer: Sequence[int] | None = None,
        classes: int = 0,
        size: str = DEFAULT,
        augment: int = 0,
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise InputError(f"network dit: items have shape {tuple(shape)}; it needs images, use mlp")
        options = chosen("dit", SIZES, size, width=width, depth=depth, heads=heads)
        width, depth, heads = int(options["width"]), int(options["depth"]), int(options["heads"])
        patch = (2 if min(shape[1:]) <= 16 else 4) if patch is None else int(patch)
        if patch < 1 or width < 4 or width % 4 or heads < 1 or width % heads:
            raise InputError(
                f"network dit: patch={patch}, width={width}, heads={heads}; give a patch of 1 or more, and a "
                "width that both 4 and the heads divide"
            )
        self.patch = patch
        rows, columns = (-(-length // patch) for length in shape[1:])
        self.register_buffer("place", places(rows, columns, width), persistent=False)
        self.embedding = NoiseEmbedding(width, classes=classes, augment=augment)
        self.input = nn.Linear(shape[0] * patch**2, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.modulation = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, (answer or shape)[0] * patch**2)
        for layer in (self.input, *(m for m in self.blocks.modules() if isinstance(m, nn.Linear))):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        for block in self.blocks:
            nn.init.zeros_(block.modulation.weight)  # type: ignore[union-attr, arg-type]
        # The network starts as zero, and its blocks as the identity.
        for parameter in (*self.output.parameters(), *self.modulation.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self, x: Tensor, noise: Tensor, label: Tensor | None = None, told: Tensor | None = None
    ) -> Tensor:
        (height, width), p = x.shape[2:], self.patch
        x = functional.pad(x, (0, -width % p, 0, -height % p))
        rows, columns = x.shape[2] // p, x.shape[3] // p
        c = functional.silu(self.embedding(noise, label, told))[:, None]
        h = self.input(functional.pixel_unshuffle(x, p).flatten(2).mT) + self.place
        for block in self.blocks:
            h = block(h, c)
        scale, shift = self.modulation(c).chunk(2, 2)
        h = self.output(_normalised(h, scale, shift))
        out: Tensor = functional.pixel_shuffle(h.mT.unflatten(2, (rows, columns)), p)
        return out[..., :height, :width]


class _Block(nn.Module):
    """Attention, then two layers, each within what noise level and class make of it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 6 * width)
        self.asked = nn.Linear(width, 3 * width, bias=False)  # a bias on keys would change no attention
        self.told = nn.Linear(width, width)
        self.layers = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        s1, b1, g1, s2, b2, g2 = self.modulation(c).chunk(6, 2)
        h = h + g1 * self._attention(_normalised(h, s1, b1))
        out: Tensor = h + g2 * self.layers(_normalised(h, s2, b2))
        return out

    def _attention(self, h: Tensor) -> Tensor:
        query, key, value = self.asked(h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        told = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.told(told.transpose(1, 2).flatten(2))
        return out


def _normalised(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return functional.layer_norm(h, h.shape[2:]) * (1 + scale) + shift


def places(rows: int, columns: int, width: int) -> Tensor:
    """Sines and cosines of each patch's row and column, a quarter of the features each: `(patches, width)`.

    Source: Vaswani 2017, section 3.5, in two dimensions.
    """
    quarter = width // 4
    speed = _SLOWEST ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    parts = []
    for index in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"):
        angle = index.flatten()[:, None] * speed
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, 1).float()
