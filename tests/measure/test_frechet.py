from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure import frechet_distance, gaussian_fit


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def whitened(n: int, d: int, seed: int) -> Tensor:
    """Rows of mean 0 and covariance I exactly."""
    x = normal(n, d, seed)
    x = x - x.mean(0)
    whitening: Tensor = torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T)))
    return x @ whitening.T


def test_known_gaussians() -> None:
    x = whitened(200, 3, 0)
    widths, shift = torch.tensor([2.0, 0.5, 3.0]).double(), torch.tensor([1.0, 2.0, -2.0]).double()
    expected = 9 + (1 + 0.25 + 4)  # ‖shift‖² + Σ (width − 1)²
    assert frechet_distance(x, whitened(300, 3, 1) * widths + shift) == pytest.approx(expected, rel=1e-9)


def test_covariances_that_do_not_commute_agree_with_scipys_matrix_root() -> None:
    a, b = normal(90, 6, 0) @ normal(6, 6, 1), normal(70, 6, 2) @ normal(6, 6, 3) + 1
    c1, c2 = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(c1 @ c2).real
    expected = float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("n", [2, 5, 19, 21, 200])
def test_equal_sets_are_at_zero_even_with_singular_covariance(n: int) -> None:
    a = normal(n, 20, 0) * 100
    a[:, 3], a[:, 4] = 7.0, a[:, 5]
    found = frechet_distance(a, a.flip(0))
    assert 0 <= found < 1e-8


def test_orthogonal_subspaces_do_not_share_a_root() -> None:
    a, b = torch.zeros(50, 4).double(), torch.zeros(50, 4).double()
    a[:, :2], b[:, 2:] = whitened(50, 2, 0), whitened(50, 2, 1)
    assert frechet_distance(a, b) == pytest.approx(4.0, rel=1e-9)  # the two traces, nothing in common
    assert frechet_distance(a, torch.zeros(9, 4)) == pytest.approx(2.0, rel=1e-9)
    assert frechet_distance(torch.ones(5, 4), torch.zeros(9, 4)) == pytest.approx(4.0)


def test_it_sees_a_wrong_covariance() -> None:
    a, b = normal(500, 4, 0), normal(500, 4, 1)
    assert frechet_distance(a, b) < 0.1 < frechet_distance(a, b * 1.5)


def test_the_fit_has_the_datas_mean_and_covariance() -> None:
    data = (normal(300, 6, 0) @ normal(6, 6, 1) + 5).reshape(300, 2, 3)
    fit = gaussian_fit(data)
    torch.testing.assert_close(fit.mean, data.flatten(1).mean(0))
    torch.testing.assert_close(fit.covariance, torch.cov(data.flatten(1).T))
    draws = fit.sample(100_000, seed=0)
    assert draws.shape == (100_000, 2, 3)
    assert draws.dtype == torch.float32
    assert frechet_distance(draws, data) < 1e-2 * float(fit.covariance.trace())
    scores = (draws.flatten(1).double() - fit.mean) @ torch.linalg.inv(
        torch.linalg.cholesky(fit.covariance)
    ).T
    assert float((scores**4).mean()) == pytest.approx(3, rel=0.05)  # Gaussian, not merely matched


def test_draws_of_a_singular_fit_stay_in_the_datas_plane() -> None:
    data = torch.zeros(30, 10).double()
    data[:, :2], data[:, 9] = normal(30, 2, 0), 4.0
    draws = gaussian_fit(data).sample(100, seed=0)
    torch.testing.assert_close(draws[:, 9], torch.full((100,), 4.0))
    assert draws[:, 2:9].abs().max() < 1e-5
    few = gaussian_fit(normal(5, 40, 1))  # fewer items than dimensions
    assert few.factor.shape == (5, 40)
    assert torch.linalg.matrix_rank(few.covariance) == 4


def test_draws_depend_on_the_seed_and_bytes_become_parts_of_255() -> None:
    data = torch.tensor([[0], [255]], dtype=torch.uint8)
    fit = gaussian_fit(data)
    assert float(fit.mean) == 0.5
    assert float(fit.covariance) == pytest.approx(0.5)
    assert fit.sample(4, 1).equal(fit.sample(4, 1))
    assert not fit.sample(4, 1).equal(fit.sample(4, 2))


def test_bad_sets_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(4, 3))
    with pytest.raises(InputError, match="b is NaN or infinite in 4 items"):
        frechet_distance(torch.zeros(4, 3), torch.full((4, 3), math.nan))
    with pytest.raises(InputError, match="data has shape"):
        gaussian_fit(torch.zeros(1, 3))
    with pytest.raises(InputError, match="n=0"):
        gaussian_fit(torch.zeros(3, 3)).sample(0, 0)
