"""A process: what happens forward in time, from data to equilibrium.

Time t grows from data (`t_min`) to prior (`t_max`), on each process's own clock. Everything random takes a
`torch.Generator`; nothing here learns, reads files or prints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


class Process(ABC):
    """The one interface of the folder. Concrete processes are frozen dataclasses."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name with parameters, such as `poisson:D=128`, that `physics.parse` reads back."""

    @property
    @abstractmethod
    def t_min(self) -> float:
        """The time of the data."""

    @property
    @abstractmethod
    def t_max(self) -> float:
        """The time of the prior."""

    @abstractmethod
    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x_t given x_0 = `data`, `(batch, *shape)`, at times `t`, `(batch,)`."""

    @abstractmethod
    def prior(self, n: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Draw `n` states of the given `shape` from the equilibrium at `t_max`."""

    @abstractmethod
    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        """log p_t(x given data) in nats, for every pair.

        Args:
            x: states `(batch, *shape)`.
            data: points `(points, *shape)`.
            t: times `(batch,)`.

        Returns:
            float64 `(batch, points)`, normalised densities.
        """

    @abstractmethod
    def target(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The quantity whose posterior mean the field learns, `(batch, *shape)`."""

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """dx/dt of the deterministic flow, from that posterior mean."""


def check_state(name: str, x: Tensor, t: Tensor) -> None:
    """Raise where `x` is no floating batch or `t` is not one time for each of it."""
    if not x.is_floating_point() or x.ndim < 2:
        raise ValueError(
            f"{name}: has dtype {x.dtype} and shape {tuple(x.shape)}; give floats of shape (batch, *shape)"
        )
    if t.shape != (len(x),):
        raise ValueError(
            f"t: has shape {tuple(t.shape)} for a batch of {len(x)}; give one time each: ({len(x)},)"
        )


def per_item(values: Tensor, like: Tensor) -> Tensor:
    """Shape one value an item, `(batch,)`, so that it broadcasts over `like`, `(batch, *shape)`."""
    return values.to(like.dtype).reshape(-1, *(1,) * (like.ndim - 1))
