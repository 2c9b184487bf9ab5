"""A linear PDE as its dispersion relation ω(k), for φ ~ exp(i(k·x − ωt)), and what it does to a density.

GenPhys (Liu 2023, 2304.02637) reads a PDE as a flow of mass, ∂p/∂t + ∇·J = R with J = pv. Where it is linear
in the density of the data there are three multipliers,

    p̂ = P(k, t) p̂_0,   Ĵ = −ik F(k, t) p̂_0,   R̂ = S(k, t) p̂_0,   P(k, 0) = 1,   k² F = S − ∂_t P

The rows with names are in `rows.py`; `Custom` is any ω of a user's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics.pde.box import Box

Dispersion = Callable[[Tensor], Tensor]


class Row(ABC):
    """One line of the table. Concrete rows are frozen dataclasses; their fields are the PDE's parameters."""

    name: ClassVar[str]
    equation: ClassVar[str]
    hint: ClassVar[str]  # where it generates, in words

    @abstractmethod
    def omega(self, k: Tensor) -> Tensor:
        """ω at wavenumbers k ≥ 0: complex128, of k's shape. Of several branches, the slowest to decay."""

    @abstractmethod
    def flow(self, spectrum: Tensor, box: Box, t: float) -> Tensor:
        """The spectra of p_t, J_t (one a dimension) and R_t from that of p_0: `(dimension + 2, …)`."""

    @abstractmethod
    def mass(self, t: float) -> float:
        """∫p_t for unit mass at t = 0."""


class LinearRow(Row):
    """p, J and R are linear in p_0: three real multipliers on its spectrum."""

    @abstractmethod
    def density(self, k: Tensor, t: float) -> Tensor:
        """P(k, t): p̂_t = P p̂_0."""

    @abstractmethod
    def potential(self, k: Tensor, t: float) -> Tensor:
        """F(k, t): Ĵ_t = −ik F p̂_0. Its value at k = 0 counts for nothing."""

    @abstractmethod
    def source(self, k: Tensor, t: float) -> Tensor:
        """S(k, t): R̂_t = S p̂_0, births where positive."""

    def flow(self, spectrum: Tensor, box: Box, t: float) -> Tensor:
        k = box.wavenumber()
        potential = self.potential(k, t) * spectrum
        flux = [-1j * component * potential for component in box.waves()]
        return torch.stack([self.density(k, t) * spectrum, *flux, self.source(k, t) * spectrum])

    def mass(self, t: float) -> float:
        return float(self.density(torch.zeros((), dtype=torch.float64), t))


class Fading(LinearRow):
    """Every mode fades at its own rate r, and none swings: ω = −ir, P = e^{−rt}."""

    @abstractmethod
    def rate(self, k: Tensor) -> Tensor:
        """r(k) ≥ 0."""

    def omega(self, k: Tensor) -> Tensor:
        return -1j * self.rate(k)

    def density(self, k: Tensor, t: float) -> Tensor:
        return torch.exp(-self.rate(k) * t)


class Conserving(LinearRow):
    """No mass is born and none dies: S = 0."""

    def source(self, k: Tensor, t: float) -> Tensor:
        return torch.zeros_like(k)


@dataclass(frozen=True)
class Custom(LinearRow):
    """A law of a user's own, of first order in time: p = φ with p̂_t = Re e^{−iω(k)t} p̂_0.

    Both signs of Re ω in equal parts make p real. Of the many fluxes that satisfy continuity this takes the
    gradient field, Ĵ = ik (∂_t p̂ − λp̂)/k² with λ = (log M)' and M the mass: births and deaths, if ω(0) ≠ 0,
    are spread as the density itself, R = λp.

    Attributes:
        dispersion: ω(k) on a float64 tensor of wavenumbers k ≥ 0, complex or real, of the same shape.
    """

    dispersion: Dispersion
    name = "custom"
    equation = "φ_t = −iω(√−∇²) φ"
    hint = "change omega(k)"

    def omega(self, k: Tensor) -> Tensor:
        found = torch.as_tensor(self.dispersion(k)).to(torch.complex128)
        if found.shape != k.shape:
            raise InputError(
                f"dispersion: gives shape {tuple(found.shape)} for wavenumbers of shape {tuple(k.shape)}; "
                "give one omega each"
            )
        if not bool(torch.isfinite(found).all()):
            bad = float(k[~torch.isfinite(found)].min())
            raise InputError(
                f"dispersion: omega({bad:g}) is not finite; give a finite omega(k) for every k >= 0"
            )
        return found

    def density(self, k: Tensor, t: float) -> Tensor:
        return torch.exp(-1j * self.omega(k) * t).real

    def potential(self, k: Tensor, t: float) -> Tensor:
        omega = self.omega(k)
        slope = (-1j * omega * torch.exp(-1j * omega * t)).real
        return at_zero((self._rate(t) * self.density(k, t) - slope) / k**2, k, 0.0)

    def source(self, k: Tensor, t: float) -> Tensor:
        return self._rate(t) * self.density(k, t)

    def _rate(self, t: float) -> float:
        omega = self.omega(torch.zeros(1, dtype=torch.float64))
        wave = torch.exp(-1j * omega * t)
        return float((-1j * omega * wave).real / wave.real)


def at_zero(values: Tensor, k: Tensor, value: float) -> Tensor:
    """`values`, but `value` where k is 0."""
    return torch.where(k > 0, values, value)
