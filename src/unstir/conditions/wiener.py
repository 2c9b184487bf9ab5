"""The posterior of a Gaussian prior whose modes are independent: Wiener's filter, and draws from it.

With y ~ N(0, C), C diagonal in a basis, and o = H y + σ n (Matheron's rule for the draw):

    E[y | o] = K o      y₀ + K (o − H y₀ − σ n) ~ p(y | o)      K = C Hᵀ (H C Hᵀ + σ²)⁻¹
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.conditions.conjugate import conjugate_gradients
from unstir.conditions.measurement import Measurement, pull
from unstir.flow import Streams
from unstir.physics import Basis


def wiener(
    measurement: Measurement, observed: Tensor, basis: Basis, spectrum: Tensor, streams: Streams | None = None
) -> Tensor:
    """E[y | o] `(batch, *shape)`, or with streams a draw of p(y | o) each.

    Args:
        measurement: linear.
        observed: o, `(batch, *observed)`.
        basis: in which C is diagonal.
        spectrum: C, `shape`.
        streams: one an item.
    """
    C = spectrum.to(observed)
    zeros = torch.zeros(len(observed), *C.shape, dtype=observed.dtype, device=observed.device)
    transpose, start, residual = pull(measurement, zeros), zeros, observed
    if streams is not None:
        start = basis.state(C.sqrt() * streams.normal(zeros)[0])
        noise = streams.draw(lambda g: torch.randn((1, *observed.shape[1:]), generator=g))
        residual = observed - measurement(start) - measurement.sigma * noise.to(observed)

    def carried(u: Tensor) -> Tensor:
        return basis.state(C * basis.coordinates(transpose(u)))

    weights = conjugate_gradients(lambda u: measurement(carried(u)) + measurement.sigma**2 * u, residual)
    return start + carried(weights)
