"""Measurements by their definitions, and their systems against dense ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from unstir.conditions import (
    Blurred,
    Matrix,
    Measurement,
    Noised,
    Pooled,
    Seen,
    Tomography,
    operators,
    tomography,
)

SHAPE = (2, 6, 9)
KEEP = torch.rand(6, 9, generator=torch.Generator().manual_seed(1)) > 0.4
ALL = [
    Seen(KEEP, 0.2),
    Pooled(4, 0.2),
    Blurred(0.8, 0.2),
    Noised(0.2),
    Tomography(5, 0.2),
    Matrix(torch.randn(7, 108, generator=torch.Generator().manual_seed(2)), 0.2),
]


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def dense(measurement: Measurement) -> Tensor:
    """H as a matrix, column by column."""
    size = math.prod(SHAPE)
    return measurement(torch.eye(size, dtype=torch.float64).reshape(size, *SHAPE)).flatten(1).T


@pytest.mark.parametrize("measurement", ALL, ids=lambda one: type(one).__name__)
def test_adjoint_and_system_are_those_of_the_dense_matrix(measurement: Measurement) -> None:
    H = dense(measurement)
    seen = measurement(normal(3, *SHAPE))
    u = torch.randn(seen.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    back = measurement.adjoint(u, SHAPE).flatten(1)
    torch.testing.assert_close(back, u.flatten(1) @ H)
    variance = torch.tensor([0.1, 1.0, 4.0], dtype=torch.float64)
    identity = torch.eye(len(H), dtype=torch.float64)
    system = variance[:, None, None] * (H @ H.T) + 0.04 * identity
    expected = torch.linalg.solve(system, u.flatten(1)).reshape(seen.shape)
    torch.testing.assert_close(measurement.solve(u, variance, SHAPE), expected, rtol=1e-3, atol=1e-4)
    one = torch.linalg.solve(0.3 * (H @ H.T) + 0.04 * identity, u.flatten(1).T).T.reshape(seen.shape)
    torch.testing.assert_close(measurement.solve(u, 0.3, SHAPE), one, rtol=1e-3, atol=1e-4)


def test_a_large_sinogram_is_solved_by_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = Tomography(5, 0.2)
    u = measurement(normal(2, *SHAPE))
    closed = measurement.solve(u, 0.5, SHAPE)
    monkeypatch.setattr(tomography, "_LARGEST", 0)
    torch.testing.assert_close(measurement.solve(u, 0.5, SHAPE), closed, rtol=1e-3, atol=1e-4)


def test_blur_is_scipys() -> None:
    x = normal(1, 1, 24, 17)
    expected = gaussian_filter(x[0, 0].numpy(), 1.5, mode="reflect", truncate=8)
    np.testing.assert_allclose(Blurred(1.5, 0.1)(x)[0, 0].numpy(), expected, atol=2e-4)


def test_line_integrals_are_those_of_fine_sampling() -> None:
    height, width, angles = 7, 10, 6
    image = normal(1, 1, height, width)
    sinogram = Tomography(angles, 0.1)(image)[0, 0].numpy()
    count = math.ceil(math.hypot(height, width))
    assert sinogram.shape == (angles, count)
    step = 1e-4
    u = np.arange(-8, 8, step) + step / 2
    for j in range(angles):
        theta = math.pi * j / angles
        for k in range(0, count, 3):
            s = k - (count - 1) / 2
            x = s * math.cos(theta) - u * math.sin(theta) + width / 2
            y = s * math.sin(theta) + u * math.cos(theta) + height / 2
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            values = image[0, 0].numpy()[y[inside].astype(int), x[inside].astype(int)]
            assert sinogram[j, k] == pytest.approx(values.sum() * step / width, abs=3e-4)


def test_observe_adds_noise_of_the_stated_size() -> None:
    generator = torch.Generator().manual_seed(0)
    seen = Noised(0.3).observe(torch.zeros(1, 1, 100, 100), generator)
    assert float(seen.std()) == pytest.approx(0.3, rel=0.03)


def test_refusals(refused) -> None:  # noqa: ANN001
    assert "keep" in refused(Seen, torch.zeros(2, 2, dtype=torch.bool), 0.1)
    assert "last axes" in refused(Seen(KEEP, 0.1), torch.zeros(1, 1, 5, 5))
    assert "angles" in refused(Tomography, 0, 0.1)
    assert operators.Noised(0.1).linear
