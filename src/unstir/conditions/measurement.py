"""A measurement: what is seen of an item, o = H(y) + σ n, with H linear and n normal.

Whoever has another instrument writes `__call__`, in torch so that it can be differentiated, and σ; all else
follows. Hᵀ is the vector-Jacobian product of H, and the system that posteriors ask for,

    (v H Hᵀ + σ² I) u = r

is solved by conjugate gradients, unless the measurement knows better. An H that is not linear sets
`linear = False`; the method `dps` serves it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from unstir.conditions.conjugate import conjugate_gradients

_PROBES = 32  # items of random signs that tell a measurement's power


class Measurement(ABC):
    """H and σ.

    Attributes:
        sigma: σ, the standard deviation of what is added to each number observed; above 0.
        linear: whether H is.
    """

    sigma: float
    linear: bool = True

    @abstractmethod
    def __call__(self, items: Tensor) -> Tensor:
        """H(y), `(batch, *observed)`, of items `(batch, *shape)`."""

    def observe(self, items: Tensor, generator: torch.Generator) -> Tensor:
        """A draw of H(y) + σ n."""
        seen = self(items)
        noise = torch.randn(seen.shape, generator=generator, dtype=seen.dtype, device=generator.device)
        return seen + self.sigma * noise.to(seen.device)

    def adjoint(self, observation: Tensor, shape: Sequence[int]) -> Tensor:
        """Hᵀ u, items `(batch, *shape)`, of `(batch, *observed)`."""
        return pull(
            self, torch.zeros(len(observation), *shape, dtype=observation.dtype, device=observation.device)
        )(observation)

    def solve(self, residual: Tensor, variance: float | Tensor, shape: Sequence[int]) -> Tensor:
        """(v H Hᵀ + σ² I)⁻¹ r.

        Args:
            residual: r, `(batch, *observed)`.
            variance: v, a number, or `(batch,)`.
            shape: of one item.
        """
        v = variance if isinstance(variance, float) else across(variance, residual)
        zeros = torch.zeros(len(residual), *shape, dtype=residual.dtype, device=residual.device)
        transpose = pull(self, zeros)
        return conjugate_gradients(lambda u: v * self(transpose(u)) + self.sigma**2 * u, residual)


def pull(measurement: Measurement, at: Tensor) -> _Pull:
    """The map u ↦ (∂H/∂y)ᵀ u at the items `at`; the graph is built once."""
    return _Pull(measurement, at)


class _Pull:
    def __init__(self, measurement: Measurement, at: Tensor) -> None:
        with torch.enable_grad():
            self._items = at.detach().requires_grad_(True)
            self._seen = measurement(self._items)

    def __call__(self, u: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(self._seen, self._items, u, retain_graph=True)
        return found


def across(values: Tensor, like: Tensor) -> Tensor:
    """One value an item, `(batch,)` or `(1,)`, shaped so that it broadcasts over `like`."""
    return values.to(like).reshape(-1, *(1,) * (like.ndim - 1))


def power(measurement: Measurement, like: Tensor) -> float:
    """The mean square that each number observed has where those of an item are of variance 1: tr(H Hᵀ)/M."""
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (_PROBES, *like.shape[1:]), generator=generator).to(like) * 2 - 1
    return float(measurement(signs).double().square().mean())
