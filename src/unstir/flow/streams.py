"""Streams of random numbers, one a sample, so that sample i depends on the seed and i alone.

Numbers are drawn on the CPU whatever the device: the same samples everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from unstir.errors import InputError


class Streams:
    """Generators of samples `first … first + count − 1` under one seed.

    Consecutive samples have consecutive seeds of a generator, starting from a place that the seed scatters
    over all 2³² of them: within one seed no two samples ever share a stream.

    Args:
        seed: 0 or more.
        first: index of the first sample, 0 or more.
        count: how many samples.
    """

    def __init__(self, seed: int, first: int, count: int) -> None:
        if not 0 <= seed < 2**63:
            raise InputError(f"seed={seed}: a seed is a whole number from 0 to 2^63 - 1")
        start = int(torch.randint(2**32, (), generator=torch.Generator().manual_seed(seed)))
        self.generators = [torch.Generator().manual_seed((start + first + i) % 2**32) for i in range(count)]

    def __len__(self) -> int:
        return len(self.generators)

    def part(self, start: int, stop: int) -> Streams:
        """The streams of samples start to stop within these; they go on where these are."""
        part = object.__new__(Streams)
        part.generators = self.generators[start:stop]
        return part

    def draw(self, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        """`one(generator)` gives `(1, …)` for a sample: all of them, `(count, …)`."""
        return torch.cat([one(generator) for generator in self.generators])

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal draws shaped as `like`, `(count, *shape)`."""
        shape: Sequence[int] = like.shape[1:]
        drawn = self.draw(lambda g: torch.randn((1, *shape), generator=g, dtype=like.dtype))
        return drawn.to(like.device)
