from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from unstir.physics import Gaussian, InverseGaussianMixture, Noise, StudentT, poisson

# The corners are where the published code's clipped Beta draw fails (PFGM++, training/loss.py).
CORNERS = [(2, 1), (2, 2048), (3072, 1), (3072, 128)]
GRID = [*CORNERS, (1, 1), (1, 8), (2, 8), (64, 1), (64, 8), (64, 128), (64, 2048), (3072, 2048)]
grid = pytest.mark.parametrize(("dimension", "extra"), GRID)
LAWS: list[Noise] = [Gaussian(), StudentT(1), StudentT(8), InverseGaussianMixture(1.0)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def radius_law(dimension: int, extra: float) -> scipy.stats.rv_continuous:
    """The law of ‖ε‖²/N under the multivariate t: F(N, D)."""
    return scipy.stats.f(dimension, extra)


def log_density_from_radius(mean_square: np.ndarray, dimension: int, extra: float) -> np.ndarray:
    """The density of ε from that of q = ‖ε‖²/N: p(ε) = f(q) / (N · ½ S r^{N−2}), S the unit sphere's area."""
    N = dimension
    log_area = math.log(2) + 0.5 * N * math.log(math.pi) - math.lgamma(N / 2)
    shell = math.log(N / 2) + log_area + (0.5 * N - 1) * np.log(N * mean_square)
    return radius_law(N, extra).logpdf(mean_square) - shell


@pytest.mark.parametrize(("dimension", "extra"), [(n, d) for n, d in GRID if n <= 64])
def test_the_density_is_scipys_multivariate_t(dimension: int, extra: float) -> None:
    x = StudentT(extra).draw(50, (dimension,), seeded(), torch.float64)
    expected = scipy.stats.multivariate_t(np.zeros(dimension), np.eye(dimension), df=extra).logpdf(x.numpy())
    found = StudentT(extra).log_density(x.square().sum(1), dimension)
    np.testing.assert_allclose(found.numpy(), np.atleast_1d(expected), rtol=1e-10, atol=1e-9)


@grid
def test_the_density_is_that_of_scipys_f_law_of_radii(dimension: int, extra: float) -> None:
    q = radius_law(dimension, extra).ppf(np.linspace(0.01, 0.99, 25))
    found = StudentT(extra).log_density(torch.from_numpy(dimension * q), dimension)
    np.testing.assert_allclose(
        found.numpy(), log_density_from_radius(q, dimension, extra), atol=1e-6, rtol=1e-9
    )


@grid
def test_radii_follow_their_law_without_a_clip(dimension: int, extra: float) -> None:
    draws = StudentT(extra).draw(3000, (dimension,), seeded()).double()
    mean_square = draws.square().mean(1).numpy()
    assert scipy.stats.kstest(mean_square, radius_law(dimension, extra).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("dimension", "extra"), [(2, 2048), (3072, 1)])
def test_the_published_clipped_beta_draw_fails_that_test(dimension: int, extra: float) -> None:
    beta = scipy.stats.beta(dimension / 2, extra / 2).rvs(3000, random_state=0)
    clipped = np.clip(beta, 1e-3, 1 - 1e-3)
    for share, passes in ((beta, True), (clipped, False)):
        mean_square = extra * share / (1 - share) / dimension  # r = σ√D
        pvalue = scipy.stats.kstest(mean_square, radius_law(dimension, extra).cdf).pvalue
        assert pvalue > 1e-3 if passes else pvalue < 1e-50


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_directions_are_uniform(law: Noise) -> None:
    draws = law.draw(20_000, (3,), seeded(), torch.float64)
    cosine = (draws / draws.norm(dim=1, keepdim=True))[:, 1].numpy()
    assert scipy.stats.kstest(cosine, scipy.stats.uniform(-1, 2).cdf).pvalue > 1e-3  # Archimedes


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_laws_share_their_normal_draws(law: Noise) -> None:
    normal = torch.randn(5, 2, 3, generator=seeded(3))
    draws = law.draw(5, (2, 3), seeded(3))
    ratio = (draws / normal).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))  # one W an item
    assert draws.dtype == torch.float32
    assert law.mixing(4, seeded()).dtype == torch.float64


def test_the_prior_keeps_to_sigma_max() -> None:
    narrow = poisson(D=8, sigma_max=3).prior(100, (2,), seeded(), torch.float64)
    wide = poisson(D=8).prior(100, (2,), seeded(), torch.float64)
    torch.testing.assert_close(narrow / 3, wide / 80)
    many = poisson(D=8, sigma_max=3).prior(3000, (64,), seeded(), torch.float64)
    assert scipy.stats.kstest(many.square().mean(1).numpy() / 9, radius_law(64, 8).cdf).pvalue > 1e-3


def test_many_extra_dimensions_are_diffusion() -> None:
    squared = torch.linspace(0, 200, 30, dtype=torch.float64)
    for extra, close in ((1e4, 1.0), (1e6, 1e-2), (1e8, 1e-4)):
        gap = StudentT(extra).log_density(squared, 64) - Gaussian().log_density(squared, 64)
        assert float(gap.abs().max()) < close
    w = StudentT(1e10).mixing(100, seeded())
    assert float((w - 1).abs().max()) < 1e-4
    assert float((w - 1).abs().max()) > 0


def test_float64_where_float32_loses_its_digits() -> None:
    # (d² + r²)^{−(N+D)/2} at D = 10⁶: a ratio of powers in float32 gives all three charges the same weight.
    squared, extra = torch.tensor([0.0, 0.015, 0.03]), 1e6
    exact = torch.softmax(StudentT(extra).log_density(squared.double(), 2), 0)
    torch.testing.assert_close(exact, torch.softmax(-0.5 * squared.double(), 0), rtol=1e-4, atol=0)
    total = (squared + extra).float()
    naive = (total.min() / total) ** ((2 + extra) / 2)
    assert float(((naive / naive.sum()) - exact).abs().max()) > 1e-3


@pytest.mark.parametrize("extra", [1, 8, 128, 2048])
@pytest.mark.parametrize("dimension", [1, 2, 64])
def test_mixing_given_the_noise_is_the_conjugate_posterior(extra: float, dimension: int) -> None:
    uniform = torch.tensor([1e-4, 0.1, 0.5, 0.9, 1 - 1e-4], dtype=torch.float64)
    for squared in (0.0, 0.5 * dimension, 1e6):
        found = StudentT(extra).mixing_given(torch.full((5,), squared), dimension, uniform)
        law = scipy.stats.invgamma((extra + dimension) / 2, scale=(extra + squared) / 2)
        np.testing.assert_allclose(law.sf(found.numpy()), uniform.numpy(), rtol=1e-6)
        if extra + dimension > 2:
            mean = StudentT(extra).mean_mixing(torch.tensor([squared]), dimension)
            assert float(mean) == pytest.approx(law.mean(), rel=1e-9)


@pytest.mark.parametrize("extra", [1, 8])
def test_drawing_w_again_given_the_noise_leaves_its_law(extra: float) -> None:
    law = StudentT(extra)
    noise = law.draw(20_000, (2,), seeded(), torch.float64)
    uniform = torch.rand(20_000, generator=seeded(1), dtype=torch.float64)
    again = law.mixing_given(noise.square().sum(1), 2, uniform)
    assert scipy.stats.kstest(extra / again.numpy(), scipy.stats.chi2(extra).cdf).pvalue > 1e-3
    blind = law.mixing_given(torch.full((20_000,), 2.0), 2, uniform)
    assert scipy.stats.kstest(extra / blind.numpy(), scipy.stats.chi2(extra).cdf).pvalue < 1e-10


def quadrature(law: Noise, squared: Tensor, dimension: int) -> Tensor:
    nodes, log_weights = law.mixing_nodes(dimension)
    assert float(log_weights.exp().sum()) == pytest.approx(1)
    terms = -0.5 * squared[:, None] / nodes - 0.5 * dimension * (2 * math.pi * nodes).log()
    return torch.logsumexp(terms + log_weights, 1)


@pytest.mark.parametrize("dimension", [1, 2, 8, 64, 784])
@pytest.mark.parametrize("law", [StudentT(d) for d in (1, 2, 8, 128, 2048, 1e8)], ids=str)
def test_the_quadrature_over_w_gives_the_density(law: Noise, dimension: int) -> None:
    squared = law.draw(2000, (dimension,), seeded(), torch.float64).square().sum(1)
    expected = law.log_density(squared, dimension)
    torch.testing.assert_close(quadrature(law, squared, dimension), expected, rtol=0, atol=2e-5)


def test_the_gaussian_law_has_no_tail_and_one_node() -> None:
    law = Gaussian()
    assert not law.mixed
    squared = torch.tensor([0.0, 1.0, 7.0], dtype=torch.float64)
    assert torch.equal(quadrature(law, squared, 3), law.log_density(squared, 3))
    assert torch.equal(law.mixing_given(squared, 3, torch.rand(3)), torch.ones(3, dtype=torch.float64))
    assert torch.equal(law.mean_mixing(squared, 3), torch.ones(3, dtype=torch.float64))
    expected = scipy.stats.multivariate_normal(np.zeros(3)).logpdf(np.ones(3))
    assert float(law.log_density(torch.tensor(3.0), 3)) == pytest.approx(float(expected))
