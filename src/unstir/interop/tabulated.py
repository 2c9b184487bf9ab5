"""A variance-preserving schedule from a table of ᾱ at whole time steps: DDPM's, whatever its betas are.

    A² = ᾱ     B² = 1 − ᾱ     ℓ = ln(B/A)

The clock is diffusers' count of time steps. At whole ones A and B are the table's; between them ℓ is a
monotone cubic (Fritsch & Carlson 1980), so that solvers that step elsewhere have a smooth path, with

    dA = −A B² dℓ     dB = A² B dℓ
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics import Schedule

_SMALLEST = 1e-14  # of ᾱ: a last step without any signal has as good as none


@dataclass(frozen=True)
class Tabulated(Schedule):
    """A and B by time step.

    Attributes:
        alphas: ᾱ of time steps 0, 1, …, falling.

    Raises:
        InputError: fewer than two, or values that do not fall within (0, 1).
    """

    alphas: tuple[float, ...]

    def __post_init__(self) -> None:
        table = np.asarray(self.alphas)
        if len(table) < 2 or not (np.diff(table) < 0).all() or not (table[0] < 1 and table[-1] >= 0):
            raise InputError(
                f"alphas: {len(table)} values that do not fall from below 1 to 0 or more; no betas give such"
            )

    @property
    def t_min(self) -> float:  # type: ignore[override]
        """The first time step."""
        return 0.0

    @property
    def t_max(self) -> float:  # type: ignore[override]
        """The last one."""
        return float(len(self.alphas) - 1)

    def A(self, t: Tensor) -> Tensor:
        return torch.sigmoid(-2 * self._level(t)).sqrt()

    def B(self, t: Tensor) -> Tensor:
        return torch.sigmoid(2 * self._level(t)).sqrt()

    def dA(self, t: Tensor) -> Tensor:
        return -self.A(t) * self.B(t).square() * self._level(t, 1)

    def dB(self, t: Tensor) -> Tensor:
        return self.A(t).square() * self.B(t) * self._level(t, 1)

    def time_at(self, ratio: Tensor) -> Tensor:
        level = np.log(ratio.double().clamp_min(1e-300).cpu().numpy())
        low, high = np.zeros_like(level), np.full_like(level, self.t_max)
        for _ in range(60):  # halves the clock: to rounding
            middle = 0.5 * (low + high)
            below = self._cubic(middle) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return torch.as_tensor(0.5 * (low + high)).to(ratio)

    @cached_property
    def _cubic(self) -> Any:  # noqa: ANN401  # SciPy's
        from scipy.interpolate import PchipInterpolator

        alphas = np.maximum(np.asarray(self.alphas, dtype=np.float64), _SMALLEST)
        return PchipInterpolator(np.arange(len(alphas)), 0.5 * (np.log1p(-alphas) - np.log(alphas)))

    def _level(self, t: Tensor, derivative: int = 0) -> Tensor:
        """ℓ or its derivative, at times of any shape."""
        found = self._cubic(t.detach().double().cpu().numpy(), derivative)
        return torch.as_tensor(found).to(t)
