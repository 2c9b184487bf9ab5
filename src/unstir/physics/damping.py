"""Damping: how the heat equation shrinks each mode, so that x_t = A_t d_k(t) y + B_t ε per frequency k.

A blur by a Gaussian of width σ_B is heat let flow for τ = σ_B²/2: mode k is multiplied by e^{−λ_k τ}, with
λ_k the eigenvalue of −∇² (Rissanen 2022, equation 4). A floor d_min keeps every mode recoverable from the
noise (Hoogeboom & Salimans 2022, appendix A).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from unstir.physics.basis import eigenvalues


class Damping(ABC):
    """d_k and its time derivative on the clock s in [0, 1], for items of any shape."""

    @abstractmethod
    def width(self, s: Tensor, side: int) -> Tensor:
        """The blur σ_B in pixels, for items whose longer side has `side` of them."""

    @abstractmethod
    def width_rate(self, s: Tensor, side: int) -> Tensor:
        """dσ_B/ds."""

    @property
    @abstractmethod
    def floor(self) -> float:
        """d_min, the least that is left of a mode."""

    def factor(self, s: Tensor, shape: Sequence[int]) -> Tensor:
        """d_k(s), float64 `(*s.shape, *modes)`, where `modes` broadcasts against `shape`."""
        modes, s = _modes(tuple(shape), s.device), s.double().reshape(*s.shape, *(1,) * len(shape))
        width = self.width(s, _side(shape))
        return self.floor + (1 - self.floor) * torch.exp(-0.5 * modes * width**2)

    def rate(self, s: Tensor, shape: Sequence[int]) -> Tensor:
        """dd_k/ds, shaped as `factor`."""
        modes, s = _modes(tuple(shape), s.device), s.double().reshape(*s.shape, *(1,) * len(shape))
        width, change = self.width(s, _side(shape)), self.width_rate(s, _side(shape))
        return -(1 - self.floor) * torch.exp(-0.5 * modes * width**2) * modes * width * change


@dataclass(frozen=True)
class SineBlur(Damping):
    """σ_B = σ_max sin²(π s/2), from no blur at all (Hoogeboom & Salimans 2022, appendix A).

    Attributes:
        largest: σ_max as a share of the longer side; their 20 pixels of 32 are 0.625.
        floor: d_min.
    """

    largest: float = 0.625
    floor: float = 1e-3

    def width(self, s: Tensor, side: int) -> Tensor:
        return self.largest * side * torch.sin(0.5 * math.pi * s) ** 2

    def width_rate(self, s: Tensor, side: int) -> Tensor:
        return self.largest * side * 0.5 * math.pi * torch.sin(math.pi * s)


@dataclass(frozen=True)
class LogBlur(Damping):
    """σ_B = σ_min (σ_max/σ_min)^s, from half a pixel (Rissanen 2022, section 3.1).

    Attributes:
        largest: σ_max as a share of the longer side.
        smallest: σ_min in pixels.
        floor: d_min.
    """

    largest: float = 0.5
    smallest: float = 0.5
    floor: float = 0.0

    def width(self, s: Tensor, side: int) -> Tensor:
        return self.smallest * torch.exp(s * self._growth(side))

    def width_rate(self, s: Tensor, side: int) -> Tensor:
        return self._growth(side) * self.width(s, side)

    def _growth(self, side: int) -> float:
        return math.log(max(self.largest * side / self.smallest, 1.0 + 1e-6))


@cache
@torch.inference_mode(mode=False)
def _modes(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """The eigenvalues, once for each device."""
    return eigenvalues(shape).to(device)


def _side(shape: Sequence[int]) -> int:
    return max(shape[-2:])
