"""Streams of random numbers, one a sample, so that sample i depends on the seed and i alone.

Numbers are drawn on the CPU whatever the device: the same samples everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

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
        self._ahead: list[tuple[Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self.generators)

    def draw(self, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        """`one(generator)` gives `(1, …)` for a sample: all of them, `(count, …)`."""
        return torch.cat([one(generator) for generator in self.generators])

    def normal(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Standard normal draws shaped as `like`, `(count, *shape)`, and uniform ones, float64 `(count,)`.

        Drawn many steps ahead, since a call to each generator costs more than the numbers; how many depends
        on the shape alone, and so therefore does every sample.
        """
        if not self._ahead:
            shape = like.shape[1:]
            many = max(1, min(32, 4096 // shape.numel()))
            normal = self.draw(lambda g: torch.randn((1, many, *shape), generator=g, dtype=like.dtype))
            uniform = self.draw(lambda g: torch.rand((1, many), generator=g, dtype=torch.float64))
            self._ahead = list(zip(normal.unbind(1), uniform.unbind(1), strict=True))[::-1]
        normal, uniform = self._ahead.pop()
        return normal.to(like.device), uniform
