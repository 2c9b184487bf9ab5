"""The noise level as features, for every network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class NoiseEmbedding(nn.Module):
    """Sines and cosines of the noise level, then two layers, to `width` features."""

    frequencies: Tensor

    def __init__(self, width: int, count: int = 32) -> None:
        super().__init__()
        # Levels lie within about ±1.5: periods from 10 down to 0.1.
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(-1, 1, count), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * count, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, noise: Tensor) -> Tensor:
        angle = noise[:, None] * self.frequencies
        out: Tensor = self.layers(torch.cat([angle.sin(), angle.cos()], 1))
        return out
