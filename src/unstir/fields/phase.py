"""The exact field of a Gaussian mixture in the phase space of Langevin diffusion: an oracle for certificates.

A state tells of the data what z = y + σ n tells, and L⁻¹u beside that is noise w of its own, so that

    E[ε_v | u] = ε_v(u, E[y | z])        log p_t(u) = log p(z) + log N(w)       + the volume of the change

and everything follows from the denoiser and the density of the mixture under plain Gaussian noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.field import Slice
from unstir.fields.mixture import MixtureField
from unstir.physics import edm
from unstir.physics.langevin import LangevinProcess, apply


class LangevinMixture:
    """E[ε_v | u] and the density of a Gaussian mixture carried by Langevin diffusion.

    Args:
        process: whose states they are.
        weights: shares `(components,)`, positive, normalised here.
        means: `(components, *shape)`.
        covariances: `(components, N, N)`, or `(components,)` for isotropic variances; N is the size of shape.

    Attributes:
        data: the mixture itself, with its weights, means, covariances and `sample`.

    Raises:
        InputError: shapes that do not fit, or a covariance that is not symmetric and positive definite.
    """

    def __init__(self, process: LangevinProcess, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        self.process = process
        self.data = MixtureField(edm(), weights, means, covariances)
        self.shape = self.data.shape

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[ε_v | u], `(batch, *shape)`, for states `x` at times `(batch,)`, or one for all."""
        if x.shape[1:] != self.process.state_shape(self.shape):
            raise InputError(
                f"x: states have shape {tuple(x.shape[1:])}; give {self.process.state_shape(self.shape)}"
            )
        denoised = self.data(self.process.project(x, t), self.process.sigma(t))
        return self.process.noise_given(x, t, denoised)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        time = torch.tensor([t], dtype=torch.float64, device=self.data.means.device)
        return lambda x, label: self(x, time)

    def log_density(self, x: Tensor, t: float) -> Tensor:
        """log p_t(u) in nats, float64 `(batch,)`, differentiable in the states `x`."""
        time = torch.tensor([t], dtype=torch.float64, device=x.device)
        inverse, b = self.process.whitening(time)
        size, sigma = math.prod(self.shape), float(1 / b[0].norm())
        # The part of L⁻¹u across b.
        turned = torch.stack([-b[:, 1], b[:, 0]], 1)[:, None] * sigma
        w = apply(turned @ inverse, x.double()).flatten(1)
        across = -0.5 * (w.square().sum(1) + size * math.log(2 * math.pi))
        along = self.data.log_density(self.process.project(x.double(), time), sigma)
        volume = inverse[0, 0, 0].log() + inverse[0, 1, 1].log() + math.log(sigma)
        return along + across + size * volume
