from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from unstir.physics.noise import Gaussian, StudentT
from unstir.physics.stable import StableMixture

ALPHAS = [0.5, 1.0, 1.5, 1.9]
alphas = pytest.mark.parametrize("alpha", ALPHAS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def log_density(law: StableMixture, radius: np.ndarray, dimension: int) -> np.ndarray:
    return law.log_density(torch.from_numpy(radius) ** 2, dimension).numpy()


@pytest.mark.parametrize("dimension", [1, 2, 64, 3072])
def test_at_one_it_is_the_cauchy_law_to_twelve_decades(dimension: int) -> None:
    # W = ½/χ²: Student's t with D = 1, over √2
    squared = torch.cat([torch.zeros(1), torch.logspace(-12, 12, 999)]).double()
    found = StableMixture(1.0).log_density(squared, dimension)
    expected = StudentT(1.0).log_density(2 * squared, dimension) + 0.5 * dimension * math.log(2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dimension", [1, 2, 64])
def test_at_one_mixing_is_that_of_cauchy(dimension: int) -> None:
    law, cauchy = StableMixture(1.0), StudentT(1.0)
    uniform = torch.tensor([0.01, 0.05, 0.3, 0.5, 0.8, 0.95, 0.99], dtype=torch.float64)
    for value in (0.0, 1.0, 1e3, 1e12):
        squared = torch.full((7,), value, dtype=torch.float64)
        found = law.mixing_given(squared, dimension, uniform)
        # Student's W falls with its uniform draw.
        expected = cauchy.mixing_given(2 * squared, dimension, 1 - uniform) / 2
        torch.testing.assert_close(found, expected, rtol=2e-3, atol=0)
        torch.testing.assert_close(
            law.mean_mixing(squared, dimension), cauchy.mean_mixing(2 * squared, dimension) / 2
        )


@alphas
def test_its_characteristic_function(alpha: float) -> None:
    draws = StableMixture(alpha).draw(100_000, (3,), seeded())
    along = draws @ torch.tensor([2.0, -1.0, 2.0]) / 3  # any direction
    for k in (0.3, 1.0, 3.0):
        expected = math.exp(-((k**2 / 2) ** (alpha / 2)))
        assert float((k * along).cos().mean()) == pytest.approx(expected, abs=4 / math.sqrt(100_000))


@pytest.mark.parametrize("alpha", [1.1, 1.5, 1.9])
def test_the_transform_of_its_density(alpha: float) -> None:
    law = StableMixture(alpha)
    for k in (0.5, 2.0):
        found, _ = scipy.integrate.quad(
            lambda x: 2 * math.exp(float(log_density(law, np.array(x), 1))),
            0,
            np.inf,
            weight="cos",
            wvar=k,
            limlst=200,
        )
        assert found == pytest.approx(math.exp(-((k**2 / 2) ** (alpha / 2))), abs=1e-6)


@pytest.mark.parametrize("alpha", [0.8, 1.5, 1.9])
def test_in_one_dimension_it_is_scipys(alpha: float) -> None:
    x = np.array([0.0, 0.1, 0.5, 1.0, 3.0, 10.0])
    expected = scipy.stats.levy_stable.logpdf(x, alpha, 0, scale=1 / math.sqrt(2))
    np.testing.assert_allclose(log_density(StableMixture(alpha), x, 1), expected, atol=1e-5)


@alphas
@pytest.mark.parametrize("dimension", [1, 2, 64])
def test_the_density_integrates_to_one(alpha: float, dimension: int) -> None:
    radius = np.exp(np.linspace(-30, 80, 20_001))  # the trapezoid rule in log r
    area = math.log(2) + 0.5 * dimension * math.log(math.pi) - math.lgamma(dimension / 2)
    terms = area + dimension * np.log(radius) + log_density(StableMixture(alpha), radius, dimension)
    assert np.exp(terms).sum() * 110 / 20_000 == pytest.approx(1, abs=1e-5)


def test_near_two_it_is_gaussian_at_heart() -> None:
    squared = torch.linspace(0, 4, 9, dtype=torch.float64)
    found = StableMixture(1.99).log_density(squared, 1)
    torch.testing.assert_close(found, Gaussian().log_density(squared, 1), rtol=0, atol=0.02)


@alphas
def test_the_tail_is_a_power(alpha: float) -> None:
    squared = torch.tensor([1e40, 1e42], dtype=torch.float64)
    for dimension in (1, 64):
        fall = StableMixture(alpha).log_density(squared, dimension).diff()
        assert float(fall) == pytest.approx(-0.5 * (dimension + alpha) * math.log(100), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 1.5, 1.9])
def test_mixing_given_the_noise_is_what_rejection_finds(alpha: float) -> None:
    # W from its own law, kept with the chance that n = ε/√W has at the given ‖ε‖², over its largest.
    law, dimension, squared = StableMixture(alpha), 2, 3.0
    w = law.mixing(200_000, seeded())
    best = squared / dimension
    chance = (best / w) ** (dimension / 2) * torch.exp(-0.5 * squared * (1 / w - 1 / best))
    kept = w[torch.rand(len(w), generator=seeded(1), dtype=torch.float64) < chance]
    n = min(len(kept), 4000)
    uniform = torch.rand(n, generator=seeded(2), dtype=torch.float64)
    found = law.mixing_given(torch.full((n,), squared), dimension, uniform)
    assert n > 2000
    assert scipy.stats.ks_2samp(found.numpy(), kept.numpy(), method="asymp").pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.5, 1.5, 1.9])
def test_drawing_w_again_given_the_noise_leaves_its_law(alpha: float) -> None:
    law = StableMixture(alpha)
    noise = law.draw(4000, (2,), seeded(), torch.float64)
    uniform = torch.rand(4000, generator=seeded(1), dtype=torch.float64)
    again = law.mixing_given(noise.square().sum(1), 2, uniform)
    assert (
        scipy.stats.ks_2samp(again.numpy(), law.mixing(20_000, seeded(3)).numpy(), method="asymp").pvalue
        > 1e-3
    )


@pytest.mark.parametrize("alpha", [0.5, 1.5])
def test_mixing_given_the_noise_is_finite_and_rises_with_the_uniform_draw(alpha: float) -> None:
    uniform = torch.tensor([0.0, 1e-9, 0.1, 0.5, 0.9, 1 - 1e-9, 1 - 2**-53], dtype=torch.float64)
    for dimension in (1, 64):
        for squared in (0.0, 1.0, 1e6, 1e12):
            w = StableMixture(alpha).mixing_given(torch.full((7,), squared), dimension, uniform)
            assert bool((w > 0).all())
            assert bool((w.diff() > 0).all())
            assert bool(w.isfinite().all())


@alphas
@pytest.mark.parametrize("dimension", [1, 2, 64])
def test_the_quadrature_over_w_gives_density_and_mean(alpha: float, dimension: int) -> None:
    law = StableMixture(alpha)
    nodes, log_weights = law.mixing_nodes(dimension)
    assert float(log_weights.exp().sum()) == pytest.approx(1)
    squared = law.draw(2000, (dimension,), seeded(), torch.float64).square().sum(1)
    terms = -0.5 * squared[:, None] / nodes - 0.5 * dimension * (2 * math.pi * nodes).log() + log_weights
    density = law.log_density(squared, dimension)
    torch.testing.assert_close(torch.logsumexp(terms, 1), density, rtol=0, atol=2e-5)
    if dimension > 1:
        mean = (torch.softmax(terms, 1) * nodes).sum(1)
        close = squared < squared.quantile(0.9)  # where the quadrature's far end does not count
        torch.testing.assert_close(law.mean_mixing(squared, dimension)[close], mean[close], rtol=1e-3, atol=0)


def test_the_density_is_differentiable() -> None:
    squared = torch.tensor([0.0, 0.3, 2.0, 40.0], dtype=torch.float64, requires_grad=True)
    for dimension in (1, 64):
        law = StableMixture(1.5)
        (slope,) = torch.autograd.grad(law.log_density(squared, dimension).sum(), squared)
        # d log p/ds = −½ E[1/W], by the quadrature
        nodes, log_weights = law.mixing_nodes(dimension)
        terms = -0.5 * squared[1:, None] / nodes - 0.5 * dimension * nodes.log() + log_weights
        expected = -0.5 * (torch.softmax(terms, 1) / nodes).sum(1)
        torch.testing.assert_close(slope[1:], expected, rtol=1e-3, atol=0)
        assert bool(slope.isfinite().all())
