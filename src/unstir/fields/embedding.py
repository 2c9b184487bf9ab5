"""The noise level and the class as features, for every network.

    e = W₂ silu(W₁ [sin 2πfλ, cos 2πfλ] + b₁) + b₂ + E_label

λ is the noise level, f lie evenly in their logarithm, and E is a table of `classes` + 1 rows: the last is
that of "no class". Without classes there is no table, and every label is ignored.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CLASS_STD = 0.2  # of a new table's numbers: as large as the noise's features beside them


class NoiseEmbedding(nn.Module):
    """Sines and cosines of the noise level, then two layers, to `width` features; and the class's, added.

    Args:
        width: features.
        count: frequencies.
        classes: how many there are; 0 for none.
    """

    frequencies: Tensor

    def __init__(self, width: int, count: int = 32, classes: int = 0) -> None:
        super().__init__()
        # Levels lie within about ±1.5: periods from 10 down to 0.1.
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(-1, 1, count), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * count, width), nn.SiLU(), nn.Linear(width, width))
        self.classes = classes
        self.label = None
        if classes:
            self.label = nn.Embedding(classes + 1, width)
            nn.init.normal_(self.label.weight, std=CLASS_STD)

    def forward(self, noise: Tensor, label: Tensor | None = None) -> Tensor:
        angle = noise[:, None] * self.frequencies
        out: Tensor = self.layers(torch.cat([angle.sin(), angle.cos()], 1))
        return out if self.label is None else out + self.label(numbers(label, noise, self.classes))


def numbers(label: Tensor | None, noise: Tensor, classes: int) -> Tensor:
    """Class numbers `(batch,)`: where no label is given, `classes`, which stands for none."""
    return (
        torch.full(noise.shape, classes, dtype=torch.int64, device=noise.device) if label is None else label
    )
