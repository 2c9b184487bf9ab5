"""The exact density, flux and births of any row on a periodic grid, by the FFT.

p̂_0 is the spectrum of the data, each point a Gaussian blob of two cells' width: a smooth density at t = 0.
v = J/p and R/p are taken between the grid's points, from splines of p, J and R.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics.pde.box import Box
from unstir.physics.pde.condition import BLUR
from unstir.physics.pde.current import Current, data_points, data_weights
from unstir.physics.pde.dispersion import Row

# Of the mean density: below this, p is the rounding of an FFT, and v = J/p is brought to 0 there.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class GridCurrent(Current):
    """The current of `row` in `box`, from the spectrum of the data's density."""

    row: Row
    box: Box
    spectrum: Tensor

    @classmethod
    def of_points(cls, row: Row, box: Box, data: Tensor, weights: Tensor | None = None) -> GridCurrent:
        """From points `(n, dimension)` inside the box, weighted equally by default.

        Raises:
            InputError: points of another dimension, not finite, or outside the box.
        """
        points = data_points(data, box.dimension)
        if bool((points.abs() > box.side / 2).any()):
            far = float(points.abs().max())
            raise InputError(
                f"data: reach {far:.4g} from 0, outside the box of side {box.side:g}; "
                f"give box={4 * far:.4g} or more"
            )
        weights = data_weights(weights, len(points))
        return cls(row, box, box.deposit(points, weights, BLUR * box.spacing))

    @classmethod
    def of_density(cls, row: Row, box: Box, density: Tensor) -> GridCurrent:
        """From a density on the box's points, `(cells, …)`, which is normalised.

        Raises:
            InputError: the wrong shape, negative values, or no mass.
        """
        shape = (box.cells,) * box.dimension
        if density.shape != shape or not bool((density >= 0).all()) or not float(density.sum()) > 0:
            raise InputError(
                f"density: has shape {tuple(density.shape)}; give values of 0 or more of shape {shape}"
            )
        return cls(row, box, box.transform(density.double() / (density.sum() * box.spacing**box.dimension)))

    @property
    def dimension(self) -> int:
        """Of the box."""
        return self.box.dimension

    def state(self, t: float) -> Tensor:
        """p, each component of J, and R on the grid at t: `(dimension + 2, cells, …)`."""
        return self.box.values(self.row.flow(self.spectrum, self.box, t))

    def field(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        spectra = self.row.flow(self.spectrum, self.box, t)
        mean = float(spectra[0].flatten()[0].real) / self.box.side**self.box.dimension
        found = self.box.interpolate(spectra, x)
        p, rounding = found[:, 0], _ROUNDING * mean
        over = p / (p**2 + rounding**2)
        return found[:, 1:-1] * over[:, None], found[:, -1] * over

    def density(self, x: Tensor, t: float) -> Tensor:
        return self.box.interpolate(self.row.flow(self.spectrum, self.box, t)[:1], x)[:, 0]

    def mass(self, t: float) -> float:
        return self.row.mass(t)

    def creation(self, t: float, sign: int) -> float:
        return float((sign * self.state(t)[-1]).clamp_min(0).sum()) * self.box.spacing**self.box.dimension

    def draw_born(self, n: int, t: float, sign: int, generator: torch.Generator) -> Tensor:
        return self._draw(n, sign * self.state(t)[-1], generator)

    def draw(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        return self._draw(n, self.state(t)[0], generator)

    def equilibrium(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        # Every mode but k = 0 has faded.
        uniform = torch.rand(n, self.box.dimension, generator=generator, dtype=torch.float64)
        return (uniform - 0.5) * self.box.side

    def wrap(self, x: Tensor) -> Tensor:
        return self.box.wrap(x)

    def _draw(self, n: int, density: Tensor, generator: torch.Generator) -> Tensor:
        """A cell by the inverse of the cumulative sum, then a triangular step: p's linear interpolation."""
        total = density.flatten().clamp_min(0).cumsum(0)
        uniform = torch.rand(n, generator=generator, dtype=torch.float64) * total[-1]
        cell = torch.searchsorted(total, uniform).clamp_max(len(total) - 1)
        step = torch.rand(2, n, self.box.dimension, generator=generator, dtype=torch.float64)
        x = self.box.points().reshape(-1, self.box.dimension)[cell]
        return self.box.wrap(x + self.box.spacing * (step[0] - step[1]))
