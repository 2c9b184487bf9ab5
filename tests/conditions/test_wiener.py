"""Wiener's filter and its draws against the closed form."""

from __future__ import annotations

import torch

from unstir.conditions import Matrix, wiener
from unstir.flow import Streams
from unstir.physics import CosineModes


def test_mean_and_draws_are_those_of_the_gaussian_posterior() -> None:
    generator = torch.Generator().manual_seed(0)
    size, n, basis = 5, 4000, CosineModes()
    spectrum = torch.linspace(1.0, 0.1, size, dtype=torch.float64)
    rows = torch.randn(2, size, generator=generator, dtype=torch.float64)
    modes = basis.coordinates(torch.eye(size, dtype=torch.float64))  # each state's modes, a row a state
    C = modes @ torch.diag(spectrum) @ modes.T
    gain = C @ rows.T @ torch.linalg.inv(rows @ C @ rows.T + 0.09 * torch.eye(2, dtype=torch.float64))
    o = torch.tensor([[0.4, -0.7]], dtype=torch.float64)
    measurement = Matrix(rows, 0.3)
    mean = wiener(measurement, o, basis, spectrum)
    torch.testing.assert_close(mean, o @ gain.T, rtol=1e-4, atol=1e-6)
    drawn = wiener(measurement, o.expand(n, 2), basis, spectrum, Streams(0, 0, n))
    covariance = C - gain @ rows @ C
    assert float((drawn.mean(0) - mean).norm() / covariance.trace().sqrt()) < 0.05
    assert float((drawn.T.cov() - covariance).norm() / covariance.norm()) < 0.06
