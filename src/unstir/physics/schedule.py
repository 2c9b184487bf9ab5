"""Schedules: how much signal A(t) and noise B(t) there is in x_t = A_t y + B_t ε, and at what time.

All that the flow depends on is the noise-to-signal ratio B/A; A and the clock only say how it is
drawn. `time_at` inverts the ratio, so that time steps and training noise levels can be laid out in
the ratio, once, for every schedule.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.errors import InputError


class Schedule(ABC):
    """A, B and their time derivatives, on tensors of times of any shape and floating dtype."""

    t_min: float
    t_max: float

    @abstractmethod
    def A(self, t: Tensor) -> Tensor:
        """The signal's coefficient."""

    @abstractmethod
    def B(self, t: Tensor) -> Tensor:
        """The noise's coefficient."""

    @abstractmethod
    def dA(self, t: Tensor) -> Tensor:
        """dA/dt."""

    @abstractmethod
    def dB(self, t: Tensor) -> Tensor:
        """dB/dt."""

    @abstractmethod
    def time_at(self, ratio: Tensor) -> Tensor:
        """The time at which B/A equals `ratio`."""


@dataclass(frozen=True)
class Linear(Schedule):
    """EDM: A = 1, B = t, so that time is the noise level σ (Karras 2022, table 1)."""

    t_min: float = 0.002
    t_max: float = 80.0

    def A(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def B(self, t: Tensor) -> Tensor:
        return t

    def dA(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def dB(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def time_at(self, ratio: Tensor) -> Tensor:
        return ratio


@dataclass(frozen=True)
class Exponential(Schedule):
    """VE: A = 1, B = σ_min (σ_max/σ_min)^t on t in [0, 1] (Song 2021, equation 30)."""

    sigma_min: float = 0.01
    sigma_max: float = 50.0
    t_min: float = 0.0
    t_max: float = 1.0

    def A(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def B(self, t: Tensor) -> Tensor:
        return self.sigma_min * torch.exp(t * math.log(self.sigma_max / self.sigma_min))

    def dA(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def dB(self, t: Tensor) -> Tensor:
        return self.B(t) * math.log(self.sigma_max / self.sigma_min)

    def time_at(self, ratio: Tensor) -> Tensor:
        return torch.log(ratio / self.sigma_min) / math.log(self.sigma_max / self.sigma_min)


@dataclass(frozen=True)
class LinearBeta(Schedule):
    """VP with β(t) = β_0 + t (β_1 − β_0): A² = exp(−∫β), A² + B² = 1 (Song 2021, equations 32 and 33)."""

    beta_0: float = 0.1
    beta_1: float = 20.0
    t_min: float = 1e-4
    t_max: float = 1.0

    def _minus_log_A(self, t: Tensor) -> Tensor:
        return (0.25 * (self.beta_1 - self.beta_0) * t + 0.5 * self.beta_0) * t

    def A(self, t: Tensor) -> Tensor:
        return torch.exp(-self._minus_log_A(t))

    def B(self, t: Tensor) -> Tensor:
        return torch.sqrt(-torch.expm1(-2 * self._minus_log_A(t)))

    def dA(self, t: Tensor) -> Tensor:
        return -0.5 * (self.beta_0 + t * (self.beta_1 - self.beta_0)) * self.A(t)

    def dB(self, t: Tensor) -> Tensor:
        return -self.A(t) * self.dA(t) / self.B(t)

    def time_at(self, ratio: Tensor) -> Tensor:
        # The positive root of ¼Δt² + ½β₀t = −log A, in the form that keeps its digits near 0.
        minus_log_A = 0.5 * torch.log1p(ratio**2)
        half = 0.5 * self.beta_0
        return 2 * minus_log_A / (half + torch.sqrt(half**2 + (self.beta_1 - self.beta_0) * minus_log_A))


@dataclass(frozen=True)
class Cosine(Schedule):
    """VP with A = cos θ, B = sin θ, the angle θ running as in Nichol & Dhariwal 2021, equation 17.

    Their ᾱ = cos²((t+s)/(1+s) π/2) / cos²(s/(1+s) π/2) is A². The clock stops where β would exceed 0.999.
    """

    offset: float = 0.008
    t_min: float = 1e-3
    t_max: float = 0.992

    def _angle(self, t: Tensor) -> Tensor:
        return (t + self.offset) / (1 + self.offset) * (math.pi / 2)

    def _start(self) -> float:
        return math.cos(self.offset / (1 + self.offset) * math.pi / 2)

    def A(self, t: Tensor) -> Tensor:
        return torch.cos(self._angle(t)) / self._start()

    def B(self, t: Tensor) -> Tensor:
        return torch.sqrt(1 - self.A(t) ** 2)

    def dA(self, t: Tensor) -> Tensor:
        return -torch.sin(self._angle(t)) / self._start() * (math.pi / 2) / (1 + self.offset)

    def dB(self, t: Tensor) -> Tensor:
        return -self.A(t) * self.dA(t) / self.B(t)

    def time_at(self, ratio: Tensor) -> Tensor:
        angle = torch.acos(self._start() / torch.sqrt(1 + ratio**2))
        return angle / (math.pi / 2) * (1 + self.offset) - self.offset


@dataclass(frozen=True)
class Straight(Schedule):
    """Rectified flow: A = 1 − t, B = t (Lipman 2023; Liu 2023).

    The clock stops a little before 1, where B/A = 80 as in EDM: beyond it the field is a constant, and time
    steps spent there are lost.
    """

    t_min: float = 0.002 / 1.002
    t_max: float = 80 / 81

    def A(self, t: Tensor) -> Tensor:
        return 1 - t

    def B(self, t: Tensor) -> Tensor:
        return t

    def dA(self, t: Tensor) -> Tensor:
        return -torch.ones_like(t)

    def dB(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def time_at(self, ratio: Tensor) -> Tensor:
        return ratio / (1 + ratio)


@dataclass(frozen=True)
class Rotation(Schedule):
    """A = cos t, B = sin t: a spring let go at the data, seen until a quarter turn (Holderrieth 2024).

    The clock stops where B/A = 80, as for `Straight`.
    """

    t_min: float = math.atan(0.002)
    t_max: float = math.atan(80.0)

    def A(self, t: Tensor) -> Tensor:
        return torch.cos(t)

    def B(self, t: Tensor) -> Tensor:
        return torch.sin(t)

    def dA(self, t: Tensor) -> Tensor:
        return -torch.sin(t)

    def dB(self, t: Tensor) -> Tensor:
        return torch.cos(t)

    def time_at(self, ratio: Tensor) -> Tensor:
        return torch.atan(ratio)


@dataclass(frozen=True)
class Constant(Schedule):
    """A = 1, B = σ on t in [0, 1]: nothing but the basis tells the times apart (inverse heat dissipation)."""

    sigma: float = 0.02
    t_min: float = 0.0
    t_max: float = 1.0

    def A(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def B(self, t: Tensor) -> Tensor:
        return torch.full_like(t, self.sigma)

    def dA(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def dB(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def time_at(self, ratio: Tensor) -> Tensor:
        raise InputError(
            "process heat: its noise is constant, so that no time belongs to a noise level; "
            "likelihoods need one, use blurring"
        )
