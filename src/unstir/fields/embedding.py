"""The noise level, the class and an augmentation's condition as features, for every network.

    e = W₂ silu(W₁ [sin 2πfλ, cos 2πfλ] + b₁) + b₂ + E_label + T a

λ is the noise level, f lie evenly in their logarithm, and E is a table of `classes` + 1 rows: the last is
that of "no class". Without classes there is no table, and every label is ignored. a says how an image was
transformed (`data/augment.py`), 0 where it was not; T is zero at first, and has no bias, so that an image as
it is adds nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CLASS_STD = 0.2  # of a new table's numbers: as large as the noise's features beside them


class NoiseEmbedding(nn.Module):
    """Sines and cosines of the noise level, then two layers, to `width` features; class and condition added.

    Args:
        width: features.
        count: frequencies.
        classes: how many there are; 0 for none.
        augment: how many numbers an augmentation tells; 0 for none.
    """

    frequencies: Tensor

    def __init__(self, width: int, count: int = 32, classes: int = 0, augment: int = 0) -> None:
        super().__init__()
        # Levels lie within about ±1.5: periods from 10 down to 0.1.
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(-1, 1, count), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * count, width), nn.SiLU(), nn.Linear(width, width))
        self.classes = classes
        self.label = None
        if classes:
            self.label = nn.Embedding(classes + 1, width)
            nn.init.normal_(self.label.weight, std=CLASS_STD)
        self.told = told_layer(augment, width) if augment else None

    def forward(self, noise: Tensor, label: Tensor | None = None, told: Tensor | None = None) -> Tensor:
        angle = noise[:, None] * self.frequencies
        out: Tensor = self.layers(torch.cat([angle.sin(), angle.cos()], 1))
        if self.label is not None:
            out = out + self.label(numbers(label, noise, self.classes))
        return out if self.told is None or told is None else out + self.told(told)


def told_layer(augment: int, width: int) -> nn.Linear:
    """T: zero at first, and made without a random draw, so that all other weights are as without it."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, augment, width, bias=False)  # type: ignore[no-untyped-call]
    nn.init.zeros_(layer.weight)
    return layer


def numbers(label: Tensor | None, noise: Tensor, classes: int) -> Tensor:
    """Class numbers `(batch,)`: where no label is given, `classes`, which stands for none."""
    return (
        torch.full(noise.shape, classes, dtype=torch.int64, device=noise.device) if label is None else label
    )
