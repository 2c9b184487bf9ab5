"""Field lines between charges and dome: one charge exactly, Gauss's law, and there and back."""

from __future__ import annotations

import itertools

import pytest
import torch

from unstir.picture import dome


def _charges() -> torch.Tensor:
    return torch.randn(30, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 0.5


def test_one_charge_has_straight_lines() -> None:
    starts = dome.even(200, 3.0)
    lines = dome.falling(torch.zeros(1, 2), starts)
    assert torch.allclose(lines / lines.norm(dim=2, keepdim=True), (starts / 3.0).expand_as(lines))
    assert float(lines[-1].norm(dim=1).max()) < 1.1e-3


def test_heights_of_even_points_are_uniform() -> None:
    """Archimedes: equal heights of a sphere have equal areas."""
    points = dome.even(5000, 2.0)
    assert torch.allclose(points.norm(dim=1), torch.tensor(2.0).double())
    assert torch.allclose(points[:, :2].mean(0), torch.zeros(2).double(), atol=2e-3)
    assert torch.allclose(points[:, 2].sort().values, (torch.arange(5000).double() + 0.5) / 2500)


def test_flux_through_the_dome_is_half_of_all() -> None:
    """Gauss's law, and as much below the plane as above."""
    for radius in (1.5, 4.0):
        through = dome.flux(_charges() * 0.5, dome.even(20000, radius))
        assert float(through.mean()) == pytest.approx(1.0, abs=2e-3)


def test_flux_of_one_charge_and_of_one_off_the_middle() -> None:
    points = dome.even(50, 3.0)
    assert torch.allclose(dome.flux(torch.zeros(1, 2), points), torch.ones(50).double())
    top = torch.tensor([[0.0, 0.0, 3.0]]).double()
    # E at (0, 0, R) of a charge at distance a from the middle: R/(R² + a²)^{3/2}, times R².
    assert float(dome.flux(torch.tensor([[4.0, 0.0]]), top)) == pytest.approx(27 / 125)


def test_a_larger_dome_is_charged_more_evenly() -> None:
    spread = [float(dome.flux(_charges(), dome.even(2000, r)).std()) for r in (2.0, 4.0, 8.0, 16.0)]
    # The dipole's share falls as 1/R where the charges' mean is off the middle.
    assert all(later < 0.7 * sooner for sooner, later in itertools.pairwise(spread))


def test_lines_down_retrace_lines_up() -> None:
    charges = _charges()
    up = dome.rising(charges, 60, 3.0, torch.Generator().manual_seed(1))
    down = dome.falling(charges, up[-1])
    began = charges[torch.arange(60) % 30]
    miss = (down[-1, :, :2] - began).norm(dim=1)
    assert float((miss < 5e-3).double().mean()) > 0.9  # but lines near the edge between two charges


def test_even_starts_come_to_each_charge_alike() -> None:
    charges = torch.tensor([[-0.4, 0.0], [0.4, 0.0]]).double()
    end = dome.falling(charges, dome.even(2000, 12.0))[-1, :, :2]
    assert float((end[:, 0] > 0).double().mean()) == pytest.approx(0.5, abs=0.02)
