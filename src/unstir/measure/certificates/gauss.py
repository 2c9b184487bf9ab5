"""Gauss's law: the flux through a closed surface is the charge inside, whatever the surface and the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from unstir.measure.certificates.check import Check, Finding


@dataclass(frozen=True)
class GaussLaw(Check):
    """Fluxes through several surfaces.

    Attributes:
        fluxes: (flux, charge inside) of each surface, the whole charge being 1.
    """

    kind: ClassVar[str] = "Gauss's law"

    fluxes: Callable[[], Sequence[tuple[float, float]]]
    bound: float = 1e-3

    def measure(self) -> Finding:
        return Finding(max(abs(flux - inside) for flux, inside in self.fluxes()), self.bound)
