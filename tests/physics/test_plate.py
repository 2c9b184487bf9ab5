"""Plates against quadrature."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.integrate import quad

from unstir.physics import GaussianPlate, PointPlate
from unstir.physics.plate import combined


@pytest.mark.parametrize(("x", "h"), [(0.3, 0.02), (-1.2, 0.4), (5.0, -3.0), (40.0, 0.1)])
def test_a_gaussian_plate_is_its_integral_in_one_dimension(x: float, h: float) -> None:
    std = 0.5

    def weight(y: float) -> float:
        density = math.exp(-0.5 * (y / std) ** 2) / (std * math.sqrt(2 * math.pi))
        return density / ((x - y) ** 2 + h**2)

    near = [x] if abs(x) < 4 else None
    options = {"points": near, "limit": 400, "epsabs": 0, "epsrel": 1e-10}
    total = quad(weight, -5, 5, **options)[0]
    moment = quad(lambda y: weight(y) * (x - y), -5, 5, **(options | {"epsabs": 1e-10}))[0]
    log_weight, across = GaussianPlate(std).pull(
        torch.tensor([[x]], dtype=torch.float64), torch.tensor([h], dtype=torch.float64)
    )
    assert math.isclose(float(log_weight), math.log(total), rel_tol=1e-7, abs_tol=1e-7)
    assert math.isclose(float(across), moment / total, rel_tol=1e-6, abs_tol=1e-8)


def test_a_gaussian_plate_is_many_points_in_three_dimensions() -> None:
    points = 0.5 * torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.tensor([[0.2, -0.1, 0.4], [1.5, 0.0, -2.0]], dtype=torch.float64)
    height = torch.tensor([0.5, -1.0], dtype=torch.float64)
    exact, many = GaussianPlate(0.5).pull(x, height), PointPlate(points).pull(x, height)
    torch.testing.assert_close(exact[0], many[0], rtol=0, atol=0.01)
    torch.testing.assert_close(exact[1], many[1], rtol=0, atol=0.01)


def test_a_plate_is_finite_on_its_plane_and_very_far_off() -> None:
    x = torch.tensor([[0.1] * 64, [1e6] * 64], dtype=torch.float64)
    for height in (0.0, 1e5):
        log_weight, across = GaussianPlate(0.5).pull(x, torch.full((2,), height, dtype=torch.float64))
        assert bool(log_weight.isfinite().all())
        assert bool(across.isfinite().all())


def test_two_plates_are_normalised_once() -> None:
    near, far = torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]])
    x, z, L = torch.tensor([[0.4]], dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64), 2.0
    logit, across = combined(PointPlate(near).pull(x, z), PointPlate(far).pull(x, z - L))
    weights = [0.5 / ((x[0, 0] - y) ** 2 + z[0] ** 2) for y in (0.0, 1.0)]
    minus = 1 / ((x[0, 0] - 3.0) ** 2 + (z[0] - L) ** 2)
    total = weights[0] + weights[1] + minus
    expected = (weights[0] * x[0, 0] + weights[1] * (x[0, 0] - 1) - minus * (x[0, 0] - 3)) / total
    assert math.isclose(float(across), float(expected), rel_tol=1e-12)
    assert math.isclose(float(torch.sigmoid(logit)), float((weights[0] + weights[1]) / total), rel_tol=1e-12)
