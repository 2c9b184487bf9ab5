"""The posterior of a Gaussian prior: Wiener's filter, and draws from it.

With y ~ N(μ, C) and o = H y + σ n (Matheron's rule for the draw):

    E[y | o] = μ + K (o − H μ)      y₀ + K (o − H y₀ − σ n) ~ p(y | o)      K = C Hᵀ (H C Hᵀ + σ²)⁻¹
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unstir.conditions.cloud import Cloud
from unstir.conditions.conjugate import conjugate_gradients
from unstir.conditions.measurement import Measurement, pull
from unstir.flow import Streams
from unstir.physics import Basis


def wiener(
    measurement: Measurement,
    observed: Tensor,
    basis: Basis,
    cloud: Cloud,
    shape: Sequence[int],
    streams: Streams | None = None,
) -> Tensor:
    """E[y | o] `(batch, *shape)`, or with streams a draw of p(y | o) each.

    Args:
        measurement: linear.
        observed: o, `(batch, *observed)`.
        basis: of the cloud's modes.
        cloud: the prior.
        shape: of one item.
        streams: one an item.
    """
    zeros = torch.zeros(len(observed), *shape, dtype=observed.dtype, device=observed.device)
    transpose, modes, seen = pull(measurement, zeros), cloud.centre.to(zeros).expand_as(zeros), observed
    if streams is not None:
        modes = modes + cloud.draw(zeros, streams)
        noise = streams.draw(lambda g: torch.randn((1, *observed.shape[1:]), generator=g))
        seen = observed - measurement.sigma * noise.to(observed)
    start = basis.state(modes)

    def carried(u: Tensor) -> Tensor:
        return basis.state(cloud.covariance(basis.coordinates(transpose(u))))

    def system(u: Tensor) -> Tensor:
        return measurement(carried(u)) + measurement.sigma**2 * u

    return start + carried(conjugate_gradients(system, seen - measurement(start)))
