from __future__ import annotations

import math

import pytest
import torch

from unstir.physics.pde import Box, Custom, GridCurrent, Heat, Helmholtz, Screened

T = 0.7


def test_an_omega_of_ones_own_has_the_density_of_the_row_it_copies() -> None:
    k = torch.linspace(0, 20, 101, dtype=torch.float64)
    screened, own = Screened(1.4), Custom(lambda k: -1j * torch.sqrt(k**2 + 1.4**2))
    torch.testing.assert_close(own.density(k, T), screened.density(k, T))
    # its deaths are spread as the density, not as the potential
    torch.testing.assert_close(own.source(k, T), -1.4 * own.density(k, T))
    helmholtz = Custom(lambda k: -1j * torch.sqrt((k**2 - 0.36).to(torch.complex128)))
    torch.testing.assert_close(helmholtz.density(k, T), Helmholtz(0.6).density(k, T))


def test_its_field_is_that_of_the_row_too() -> None:
    box, data = Box(2, 8.0, 48), torch.tensor([[-1.0, 0.5], [0.8, -0.6]])
    x = torch.tensor([[0.3, 0.2], [-1.5, 1.0]], dtype=torch.float64)
    own, heat = (GridCurrent.of_points(row, box, data) for row in (Custom(lambda k: -1j * k**2), Heat()))
    for found, expected in zip(own.field(x, T), heat.field(x, T), strict=True):
        torch.testing.assert_close(found, expected)


def test_its_mass_is_that_of_its_longest_wave() -> None:
    assert Custom(lambda k: -0.5j - 1j * k).mass(T) == pytest.approx(math.exp(-0.5 * T))
