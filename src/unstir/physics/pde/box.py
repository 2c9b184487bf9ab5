"""A periodic box [−L/2, L/2)^N, and functions on it by their Fourier series.

    f(x) = L^{−N} Σ_k f̂(k) e^{ik·(x + L/2)},   k in (2π/L) Z^N, |k_i| ≤ π/h, h = L/cells

with the corner as the phases' origin, so that f̂ is the plain FFT times h^N. Between the grid's points f is
its cubic spline, whose coefficients are f̂(k) / Π_i (2 + cos k_i h)/3: fourth order, and no system to solve.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Box:
    """A periodic box of `dimension` 1 or 2, `side` L, with `cells` points a side."""

    dimension: int = 1
    side: float = 8.0
    cells: int = 128

    @property
    def spacing(self) -> float:
        """h, the distance of neighbours."""
        return self.side / self.cells

    @property
    def lowest(self) -> float:
        """2π/L, the smallest wavenumber that fits."""
        return 2 * math.pi / self.side

    @property
    def highest(self) -> float:
        """The largest |k| on the grid."""
        return math.sqrt(self.dimension) * math.pi / self.spacing

    def waves(self) -> list[Tensor]:
        """The components k_i, each shaped to broadcast over a spectrum."""
        full = 2 * math.pi * torch.fft.fftfreq(self.cells, self.spacing, dtype=torch.float64)
        half = 2 * math.pi * torch.fft.rfftfreq(self.cells, self.spacing, dtype=torch.float64)
        sides = [full] * (self.dimension - 1) + [half]
        return [k.reshape([-1 if i == j else 1 for j in range(self.dimension)]) for i, k in enumerate(sides)]

    def wavenumber(self) -> Tensor:
        """|k| for each coefficient of a spectrum."""
        squared = sum((k**2 for k in self.waves()), torch.zeros(()))
        return squared.sqrt()

    def points(self) -> Tensor:
        """The grid's points, `(cells, …, dimension)`."""
        axis = torch.arange(self.cells, dtype=torch.float64) * self.spacing - self.side / 2
        return torch.stack(torch.meshgrid(*[axis] * self.dimension, indexing="ij"), -1)

    def wrap(self, x: Tensor) -> Tensor:
        """`x` brought back into the box."""
        return torch.remainder(x + self.side / 2, self.side) - self.side / 2

    def transform(self, values: Tensor) -> Tensor:
        """The spectrum of values on the grid, `(…, cells, …)`."""
        spectrum: Tensor = torch.fft.rfftn(values, dim=self._axes)
        return spectrum * self.spacing**self.dimension

    def values(self, spectrum: Tensor) -> Tensor:
        """The values on the grid of a spectrum: `transform` undone."""
        size = [self.cells] * self.dimension
        field: Tensor = torch.fft.irfftn(spectrum, size, dim=self._axes, norm="forward")
        return field / self.side**self.dimension

    def deposit(self, data: Tensor, weights: Tensor, width: float) -> Tensor:
        """The spectrum of Σ_j w_j times a Gaussian blob of standard deviation `width` about data point j.

        Exact: the points need not lie on the grid. Shapes `(points, dimension)` and `(points,)`.
        """
        factors = [
            torch.exp(-1j * (data[:, i, None] + self.side / 2) * k.reshape(-1))
            for i, k in enumerate(self.waves())
        ]
        last = weights[:, None] * factors[-1]
        spectrum = last.sum(0) if self.dimension == 1 else factors[0].mT @ last
        return spectrum * torch.exp(-0.5 * (width * self.wavenumber()) ** 2)

    def interpolate(self, spectra: Tensor, x: Tensor) -> Tensor:
        """Values `(n, fields)` of the spectra `(fields, …)` at the points x, `(n, dimension)`."""
        prefilter = torch.ones(())
        for k in self.waves():
            prefilter = prefilter * (2 + torch.cos(k * self.spacing)) / 3
        coefficients = self.values(spectra / prefilter).flatten(1)
        place = (self.wrap(x) + self.side / 2) / self.spacing
        base = place.floor()
        weights = _spline(place - base)  # (4, n, dimension)
        base = base.long() - 1
        result = torch.zeros(len(x), len(spectra), dtype=torch.float64)
        for offsets in itertools.product(range(4), repeat=self.dimension):
            index = torch.zeros(len(x), dtype=torch.long)
            weight = torch.ones(len(x), dtype=torch.float64)
            for i, offset in enumerate(offsets):
                index = index * self.cells + (base[:, i] + offset) % self.cells
                weight = weight * weights[offset, :, i]
            result += weight[:, None] * coefficients[:, index].mT
        return result

    @property
    def _axes(self) -> list[int]:
        return list(range(-self.dimension, 0))


def _spline(u: Tensor) -> Tensor:
    """The four cubic B-spline weights at the fraction u of a cell."""
    return (
        torch.stack(
            [
                (1 - u) ** 3,
                3 * u**3 - 6 * u**2 + 4,
                -3 * u**3 + 3 * u**2 + 3 * u + 1,
                u**3,
            ]
        )
        / 6
    )
