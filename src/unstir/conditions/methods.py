"""Methods: how far an observation o moves the denoiser at a state x.

Were y given x normal with mean D and covariance C = Cov[y | x], then

    E[y | x, o] = D + C Hᵀ (H C Hᵀ + σ² I)⁻¹ (o − H D)

The methods differ in what stands for the matrix in brackets; C, the field's own slope, is in front of all.

    Moments   H C Hᵀ + σ², by minimal residuals              Rozet 2024, Boys 2023
    PiGDM     r² H Hᵀ + σ², r² one number, closed form       Song 2023
    DPS       one number, the residual's mean square         Chung 2023

A covariance bounds its own columns: with u = (H C Hᵀ + σ²)⁻¹ r, ‖C Hᵀ u‖² ≤ tr C uᵀ H C Hᵀ u ≤ tr C ⟨u, r⟩. A
slope that is none (where W varies given x, or a network's) may break that and send a few states of thousands
far away. So `Moments` make no step longer than √(2 V ⟨u, r⟩), with V the variance of all of y together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.conditions.conjugate import minimal_residual
from unstir.conditions.measurement import across
from unstir.conditions.view import View
from unstir.errors import InputError

_LOOSE = 2.0  # data may vary more than a process knows


class Method(ABC):
    """One way to condition on an observation."""

    # Whether only a linear measurement will do.
    needs_linear: bool = True
    # Whether it takes the laws of y for every W (`mixed.py`).
    takes_laws: bool = False

    @abstractmethod
    def weights(self, view: View) -> Tensor:
        """What stands for (H C Hᵀ + σ²)⁻¹ (o − H D), `(batch, *observed)`."""

    def mean(self, view: View) -> Tensor:
        """E[y | x, o], `(batch, *shape)`."""
        u = self.weights(view)
        shift = view.covariance(view.pull(u))
        most = (_LOOSE * view.total * (u * view.residual).flatten(1).sum(1).clamp_min(0)).sqrt()
        length = shift.flatten(1).norm(dim=1).clamp_min(torch.finfo(shift.dtype).tiny)
        return view.denoised + across((most / length).clamp_max(1), shift) * shift


@dataclass(frozen=True)
class Moments(Method):
    """Exact where y given x is normal; a product with the field's slope for every iteration.

    The slope of a trained network is neither quite symmetric nor quite positive (a tenth of it, on digits):
    there conjugate gradients diverge after two or three iterations, minimal residuals do not.

    Attributes:
        iterations: of GMRES, at most.
        rtol: where they stop, as a share of the residual.
    """

    iterations: int = 4
    rtol: float = 1e-3
    takes_laws = True

    def mean(self, view: View) -> Tensor:
        shift = view.shift(_LOOSE * view.total)
        return super().mean(view) if shift is None else view.denoised + shift

    def weights(self, view: View) -> Tensor:
        H, variance = view.measurement, view.measurement.sigma**2

        def system(u: Tensor) -> Tensor:  # of what ΠGDM's answer must be given, to be right
            u = view.roughly_solve(u)
            return H(view.covariance(view.pull(u))) + variance * u

        found = minimal_residual(system, view.residual, iterations=self.iterations, rtol=self.rtol)
        return view.roughly_solve(found)


class Held(Method):
    """A method whose stand-in for H C Hᵀ may be far too small, held from going too far.

    Along its own direction u the system asks for α = ⟨u, r⟩/⟨u, (H C Hᵀ + σ²) u⟩ of it, which costs H alone:
    no more than that is taken. On Fashion-MNIST brightness has a far larger variance than r².
    """

    def mean(self, view: View) -> Tensor:
        H, u = view.measurement, self.weights(view)
        shift = view.covariance(view.pull(u))
        image = H(view.denoised + shift) - H(view.denoised) + H.sigma**2 * u
        wanted = (u * view.residual).flatten(1).sum(1)
        power = (u * image).flatten(1).sum(1)
        alpha = torch.where(power > wanted, wanted / power, 1.0)
        return view.denoised + across(alpha, shift) * shift


@dataclass(frozen=True)
class PiGDM(Held):
    """As if y given x had one variance r² = s²B²/(A²s² + B²), one a mode under heat, and no correlations."""

    def weights(self, view: View) -> Tensor:
        return view.roughly_solve(view.residual)


@dataclass(frozen=True)
class DPS(Held):
    """As if H D missed o by noise alone, of the size that the residual has; for any differentiable H.

    Chung 2023 divides the gradient by the residual's length in each of very many steps. Divided by its mean
    square instead, or by σ² where that is larger, it does not depend on how many there are.

    Attributes:
        size: ζ, a factor on the correction.
    """

    size: float = 1.0
    needs_linear = False

    def weights(self, view: View) -> Tensor:
        power = view.residual.flatten(1).square().mean(1).clamp_min(view.measurement.sigma**2)
        return view.residual * across(self.size / power, view.residual)


METHODS: dict[str, Callable[..., Method]] = {"moments": Moments, "pigdm": PiGDM, "dps": DPS}


def parse_method(text: str) -> Method:
    """The method that `text` names, such as `moments:iterations=4`.

    Raises:
        InputError: an unknown name or parameter.
    """
    from unstir import spec

    method = spec.parse("method", text, METHODS)
    if not isinstance(method, Method):
        raise InputError(f"method={text}: is none; give one of {', '.join(METHODS)}")
    return method
