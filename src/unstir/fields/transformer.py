"""A transformer for rows of letters: every place sees every other (Vaswani 2017, encoder)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from unstir.errors import InputError
from unstir.fields.embedding import NoiseEmbedding
from unstir.fields.sizes import DEFAULT, Sizes, chosen

SIZES: Sizes = {
    "small": {"width": 64, "depth": 2, "heads": 4},
    "base": {"width": 128, "depth": 3, "heads": 4},
    "large": {"width": 256, "depth": 6, "heads": 8},
}


class Transformer(nn.Module):
    """torch's `TransformerEncoder`, fed with the noise level and with a vector learned for each place.

    Args:
        shape: `(length, features)`.
        width: features within; the size's by default, as are `depth` and `heads`.
        depth: layers.
        heads: of each layer's attention; a divisor of `width`.
        answer: `(length, features)` of what it answers; as `shape` by default.
        classes: how many classes labels tell apart; 0 to ignore them.
        size: `small`, `base` or `large`.
        augment: how many numbers tell an item's augmentation; 0 for none.

    Raises:
        InputError: items of another number of dimensions, or a size of another name.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        answer: Sequence[int] | None = None,
        classes: int = 0,
        size: str = DEFAULT,
        augment: int = 0,
    ) -> None:
        super().__init__()
        answer = tuple(answer or shape)
        if len(shape) != 2 or len(answer) != 2 or answer[0] != shape[0]:
            raise InputError(
                f"network transformer: items have shape {tuple(shape)}; it needs the letters of text, "
                "use unet or mlp"
            )
        options = chosen("transformer", SIZES, size, width=width, depth=depth, heads=heads)
        width, depth, heads = int(options["width"]), int(options["depth"]), int(options["heads"])
        self.embedding = NoiseEmbedding(width, classes=classes, augment=augment)
        self.input = nn.Linear(shape[1], width)
        self.place = nn.Parameter(torch.randn(shape[0], width) / width**0.5)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.output = nn.Linear(width, answer[1])
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, x: Tensor, noise: Tensor, label: Tensor | None = None, told: Tensor | None = None
    ) -> Tensor:
        level = functional.silu(self.embedding(noise, label, told))
        h = self.input(x) + self.place + level[:, None]
        out: Tensor = self.output(self.layers(h))
        return out
