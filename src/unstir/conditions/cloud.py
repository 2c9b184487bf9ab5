"""The data as a process knows them: one normal cloud, of which Wiener's filter tells the rest.

In the modes y ~ N(μ, F + L Lᵀ), F diagonal: the main axes L of the data and what they leave of each mode's
variance, where the process keeps them (heat and its kin), else one variance for all. Seen through noise of
precision P, diagonal, what is left of it unknown is

    (P + (F + L Lᵀ)⁻¹)⁻¹ = F K + K L (I + Lᵀ P K L)⁻¹ Lᵀ K      K = (I + F P)⁻¹
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.flow import Streams
from unstir.physics import DATA_STD, LinearProcess

_LEAST = 1e-6  # of the largest variance, of what the axes leave of a mode


@dataclass(frozen=True, eq=False)
class Cloud:
    """A normal law of items, in the modes of a process.

    Attributes:
        centre: μ, broadcast against an item's shape.
        variance: of each mode, likewise.
        axes: L, `(axes, *shape)`, or None.
    """

    centre: Tensor
    variance: Tensor
    axes: Tensor | None = None

    @property
    def floor(self) -> Tensor:
        """F."""
        if self.axes is None:
            return self.variance
        left = self.variance - self.axes.square().sum(0)
        return left.clamp_min(_LEAST * float(self.variance.max()))

    def covariance(self, v: Tensor) -> Tensor:
        """(F + L Lᵀ) v, `(batch, *shape)`."""
        carried: Tensor = self.floor.to(v) * v
        if self.axes is None:
            return carried
        L = self.axes.to(v).flatten(1)
        return carried + ((v.flatten(1) @ L.T) @ L).reshape(v.shape)

    def draw(self, like: Tensor, streams: Streams) -> Tensor:
        """An item about the centre for each stream, `(batch, *shape)`."""
        drawn = self.floor.to(like).sqrt() * streams.normal(like)[0]
        if self.axes is None:
            return drawn
        L = self.axes.to(like).flatten(1)
        z = streams.draw(lambda g: torch.randn((1, len(L)), generator=g, dtype=like.dtype)).to(like)
        return drawn + (z @ L).reshape(drawn.shape)

    def left(self, precision: Tensor) -> Callable[[Tensor], Tensor]:
        """The product with what is left unknown.

        Args:
            precision: P, `(batch or 1, *shape)`, broadcast.
        """
        K = 1 / (1 + self.floor.to(precision) * precision)
        plain = self.floor.to(precision) * K
        if self.axes is None:
            return lambda v: plain * v
        L = self.axes.to(precision).flatten(1)
        P = precision.expand(len(precision), *self.axes.shape[1:]).flatten(1)
        KL = K.expand(len(K), *self.axes.shape[1:]).flatten(1)[:, None] * L
        known = (KL.double() @ (P[:, None] * L).double().mT).add_(torch.eye(len(L)).to(P.device))
        root = torch.linalg.cholesky(known)

        def product(v: Tensor) -> Tensor:
            z = torch.cholesky_solve((KL @ v.flatten(1)[..., None]).double(), root).to(v)
            return plain * v + (KL.mT @ z).reshape(v.shape)

        return product


def cloud_of(process: LinearProcess, shape: Sequence[int]) -> Cloud:
    """What a process knows of its data; float64."""
    if process.spectrum is None:
        usual = usual_variance(process, shape)
        return Cloud(torch.zeros_like(usual), usual)
    centre = torch.zeros_like(process.spectrum) if process.centre is None else process.centre
    axes = None if process.axes is None else process.axes.double()
    return Cloud(centre.double(), process.spectrum.double(), axes)


def usual_variance(process: LinearProcess, shape: Sequence[int]) -> Tensor:
    """s², the variance of each mode where modes are damped, else one number for all; float64."""
    if process.spectrum is None or process.damping is None:
        return torch.full((1,) * len(shape), (DATA_STD * process.scale) ** 2, dtype=torch.float64)
    return process.spectrum.double()
