"""Wiener's filter, its draws, and what it leaves unknown, against closed forms."""

from __future__ import annotations

import torch

from unstir import physics
from unstir.conditions import Cloud, Matrix, cloud_of, wiener
from unstir.flow import Streams
from unstir.physics import CosineModes, LinearProcess


def cloud(size: int) -> tuple[Cloud, torch.Tensor]:
    """One with a centre and two axes, and its whole covariance in modes."""
    generator = torch.Generator().manual_seed(1)
    axes = torch.randn(2, size, generator=generator, dtype=torch.float64)
    floor = torch.linspace(1.0, 0.1, size, dtype=torch.float64)
    centre = torch.randn(size, generator=generator, dtype=torch.float64)
    return Cloud(centre, floor + axes.square().sum(0), axes), torch.diag(floor) + axes.T @ axes


def test_mean_and_draws_are_those_of_the_gaussian_posterior() -> None:
    generator = torch.Generator().manual_seed(0)
    size, n, basis = 5, 4000, CosineModes()
    prior, spread = cloud(size)
    rows = torch.randn(2, size, generator=generator, dtype=torch.float64)
    modes = basis.coordinates(torch.eye(size, dtype=torch.float64))  # each state's modes, a row a state
    C, centre = modes @ spread @ modes.T, modes @ prior.centre
    gain = C @ rows.T @ torch.linalg.inv(rows @ C @ rows.T + 0.09 * torch.eye(2, dtype=torch.float64))
    o = torch.tensor([[0.4, -0.7]], dtype=torch.float64)
    measurement = Matrix(rows, 0.3)
    mean = wiener(measurement, o, basis, prior, (size,))
    torch.testing.assert_close(mean, centre + (o - rows @ centre) @ gain.T, rtol=1e-4, atol=1e-6)
    drawn = wiener(measurement, o.expand(n, 2), basis, prior, (size,), Streams(0, 0, n))
    covariance = C - gain @ rows @ C
    assert float((drawn.mean(0) - mean).norm() / covariance.trace().sqrt()) < 0.05
    assert float((drawn.T.cov() - covariance).norm() / covariance.norm()) < 0.06


def test_what_is_left_unknown() -> None:
    size = 5
    prior, spread = cloud(size)
    precision = torch.tensor([[0.0, 1e-3, 1.0, 30.0, 1e6], [2.0] * size], dtype=torch.float64)
    expected = (precision.diag_embed() + spread.inverse()).inverse()
    product = prior.left(precision)
    found = torch.stack([product(one.expand(2, size)) for one in torch.eye(size, dtype=torch.float64)], 1)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_a_process_knows_its_data_as_one_cloud() -> None:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(6, 6, generator=generator)
    items = torch.randn(3000, 6, generator=generator) @ mixing + 1
    for count in (3000, 4):  # fewer items than numbers have fewer axes
        process = physics.parse("blurring").prepared(items[:count])
        assert isinstance(process, LinearProcess)
        again = physics.parse("blurring").restored(process.kept())  # type: ignore[attr-defined]
        known = cloud_of(again, (6,))
        modes = process.basis.coordinates(items[:count].double())
        torch.testing.assert_close(known.centre, modes.mean(0), rtol=1e-4, atol=1e-5)
        found = torch.stack([known.covariance(one[None])[0] for one in torch.eye(6, dtype=torch.float64)])
        torch.testing.assert_close(found, modes.T.cov(correction=0), rtol=1e-3, atol=1e-3)
