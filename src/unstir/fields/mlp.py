"""A residual MLP, for vectors: tables, points, and any items small enough to be flattened."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from unstir.fields.embedding import NoiseEmbedding
from unstir.fields.sizes import DEFAULT, Sizes, chosen

SIZES: Sizes = {
    "small": {"width": 128, "depth": 3},
    "base": {"width": 256, "depth": 4},
    "large": {"width": 512, "depth": 6},
}


class ResidualMLP(nn.Module):
    """Residual blocks of two layers, their normalised input scaled and shifted by noise level and class.

    Args:
        shape: of one item; flattened inside.
        width: features within; the size's by default.
        depth: blocks; the size's by default.
        answer: the shape of what it answers; as `shape` by default.
        classes: how many classes labels tell apart; 0 to ignore them.
        size: `small`, `base` or `large`.
        augment: how many numbers tell an item's augmentation; 0 for none.

    Raises:
        InputError: a size of another name.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int | None = None,
        depth: int | None = None,
        answer: Sequence[int] | None = None,
        classes: int = 0,
        size: str = DEFAULT,
        augment: int = 0,
    ) -> None:
        super().__init__()
        options = chosen("mlp", SIZES, size, width=width, depth=depth)
        width, depth = int(options["width"]), int(options["depth"])
        self.answer = tuple(answer or shape)
        self.embedding = NoiseEmbedding(width, classes=classes, augment=augment)
        self.input = nn.Linear(math.prod(shape), width)
        self.modulation = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        self.output = nn.Linear(width, math.prod(self.answer))
        # Blocks start as the identity and the network as zero: the first step is the best constant.
        for block in self.blocks:
            nn.init.zeros_(block[2].weight)  # type: ignore[index]
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, x: Tensor, noise: Tensor, label: Tensor | None = None, told: Tensor | None = None
    ) -> Tensor:
        level = functional.silu(self.embedding(noise, label, told))
        h = self.input(x.flatten(1))
        for modulation, block in zip(self.modulation, self.blocks, strict=True):
            scale, shift = modulation(level).chunk(2, 1)
            h = h + block(functional.layer_norm(h, h.shape[1:]) * (1 + scale) + shift)
        out: Tensor = self.output(functional.silu(functional.layer_norm(h, h.shape[1:])))
        return out.reshape(-1, *self.answer)
