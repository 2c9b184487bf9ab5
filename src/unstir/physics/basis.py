"""Bases: the orthonormal coordinates in which signal and noise coefficients are diagonal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor


class Basis(ABC):
    """An orthonormal change of coordinates of states `(batch, *shape)`; lengths are kept."""

    @abstractmethod
    def coordinates(self, x: Tensor) -> Tensor:
        """From states to coordinates."""

    @abstractmethod
    def state(self, u: Tensor) -> Tensor:
        """From coordinates back to states."""


@dataclass(frozen=True)
class Pixel(Basis):
    """Each pixel or column is its own coordinate."""

    def coordinates(self, x: Tensor) -> Tensor:
        return x

    def state(self, u: Tensor) -> Tensor:
        return u
