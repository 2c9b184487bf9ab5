"""A transformer for rows of letters: every place sees every other (Vaswani 2017, encoder)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from unstir.errors import InputError
from unstir.fields.embedding import NoiseEmbedding


class Transformer(nn.Module):
    """torch's `TransformerEncoder`, fed with the noise level and with a vector learned for each place.

    Args:
        shape: `(length, features)`.
        width: features within.
        depth: layers.
        heads: of each layer's attention; a divisor of `width`.
        answer: `(length, features)` of what it answers; as `shape` by default.

    Raises:
        InputError: items of another number of dimensions.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 128,
        depth: int = 3,
        heads: int = 4,
        answer: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        answer = tuple(answer or shape)
        if len(shape) != 2 or len(answer) != 2 or answer[0] != shape[0]:
            raise InputError(
                f"network transformer: items have shape {tuple(shape)}; it needs the letters of text, "
                "use unet or mlp"
            )
        self.embedding = NoiseEmbedding(width)
        self.input = nn.Linear(shape[1], width)
        self.place = nn.Parameter(torch.randn(shape[0], width) / width**0.5)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.output = nn.Linear(width, answer[1])
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        level = functional.silu(self.embedding(noise))
        h = self.input(x) + self.place + level[:, None]
        out: Tensor = self.output(self.layers(h))
        return out
