from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from unstir.physics import Gaussian, InverseGaussianMixture, StudentT

KAPPAS = [0.1, 1.0, 10.0]
kappas = pytest.mark.parametrize("kappa", KAPPAS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def density(law: InverseGaussianMixture, radius: float, dimension: int) -> float:
    return math.exp(float(law.log_density(torch.tensor(radius).double() ** 2, dimension)))


def posterior(squared: float, dimension: int, kappa: float) -> scipy.stats.rv_continuous:
    """W given ‖ε‖²: density ∝ w^{p−1} exp(−(κw + b/w)/2), p = −(N+1)/2, b = ‖ε‖² + κ."""
    b = squared + kappa
    return scipy.stats.geninvgauss(-(dimension + 1) / 2, math.sqrt(kappa * b), scale=math.sqrt(b / kappa))


@kappas
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_density_integrates_to_one(kappa: float, dimension: int) -> None:
    law = InverseGaussianMixture(kappa)
    area = 2 * math.pi ** (dimension / 2) / math.gamma(dimension / 2)
    mass = sum(
        scipy.integrate.quad(
            lambda r: area * r ** (dimension - 1) * density(law, r, dimension), a, b, epsabs=1e-10
        )[0]
        for a, b in ((0, 1), (1, 10), (10, 100), (100, 1000))
    )
    assert mass == pytest.approx(1, abs=1e-7)


@kappas
@pytest.mark.parametrize("k", [0.3, 1.0, 3.0])
def test_its_characteristic_function(kappa: float, k: float) -> None:
    # E exp(−W k²/2) for W inverse-Gaussian (1, κ), so E exp(ik·ε) = exp(κ(1 − sqrt(1 + k²/κ)))
    expected = math.exp(kappa * (1 - math.sqrt(1 + k**2 / kappa)))
    law = InverseGaussianMixture(kappa)
    by_density, _ = scipy.integrate.quad(
        lambda x: 2 * density(law, x, 1), 0, 300, weight="cos", wvar=k, limit=400
    )
    assert by_density == pytest.approx(expected, abs=1e-7)
    draws = law.draw(100_000, (3,), seeded())
    along = draws @ torch.tensor([2.0, -1.0, 2.0]) / 3  # any direction
    assert float((k * along).cos().mean()) == pytest.approx(expected, abs=4 / math.sqrt(100_000))


@pytest.mark.parametrize("kappa", [1e-4, *KAPPAS, 1e6])
def test_the_mixing_variable_is_inverse_gaussian(kappa: float) -> None:
    w = InverseGaussianMixture(kappa).mixing(20_000, seeded()).numpy()
    assert scipy.stats.kstest(w, scipy.stats.invgauss(1 / kappa, scale=kappa).cdf).pvalue > 1e-3


@kappas
@pytest.mark.parametrize("dimension", [1, 2, 64])
def test_mixing_given_the_noise_is_the_generalised_inverse_gaussian(kappa: float, dimension: int) -> None:
    law = InverseGaussianMixture(kappa)
    uniform = torch.tensor([1e-3, 0.05, 0.3, 0.5, 0.8, 0.99, 1 - 1e-4], dtype=torch.float64)
    for squared in (0.0, 0.5 * dimension, 30.0 * dimension):
        found = law.mixing_given(torch.full((7,), squared), dimension, uniform)
        reached = posterior(squared, dimension, kappa).cdf(found.numpy())
        np.testing.assert_allclose(reached, uniform.numpy(), atol=2e-4)


@pytest.mark.parametrize("kappa", [0.01, 1.0, 1e6])
def test_mixing_given_the_noise_is_finite_and_rises_with_the_uniform_draw(kappa: float) -> None:
    uniform = torch.tensor([0.0, 1e-9, 0.1, 0.5, 0.9, 1 - 1e-9, 1 - 2**-53], dtype=torch.float64)
    for dimension in (1, 64, 3072):
        for squared in (0.0, 1.0, 1e6, 1e12):
            w = InverseGaussianMixture(kappa).mixing_given(torch.full((7,), squared), dimension, uniform)
            assert bool((w > 0).all())
            assert bool((w.diff() > 0).all())
            assert bool(w.isfinite().all())


@kappas
@pytest.mark.parametrize("dimension", [1, 2, 64, 3072])
def test_the_mean_mixing(kappa: float, dimension: int) -> None:
    law = InverseGaussianMixture(kappa)
    squared = torch.tensor([0.0, 0.7, 50.0]) * dimension
    found = law.mean_mixing(squared, dimension)
    p = -(dimension + 1) / 2
    for value, s in zip(found.tolist(), squared.tolist(), strict=True):
        # In units of the mode, for the quadrature's sake.
        b = s + kappa
        mode = b / (math.sqrt(p**2 + kappa * b) - p)
        u = np.linspace(-12, 12, 200_001) / math.sqrt(math.hypot(p, math.sqrt(kappa * b))) + math.log(mode)
        log_density = p * u - 0.5 * (kappa * np.exp(u) + b * np.exp(-u))
        weight = np.exp(log_density - log_density.max())
        assert value == pytest.approx(float((weight * np.exp(u)).sum() / weight.sum()), rel=1e-6)


@kappas
def test_drawing_w_again_given_the_noise_leaves_its_law(kappa: float) -> None:
    law = InverseGaussianMixture(kappa)
    noise = law.draw(20_000, (2,), seeded(), torch.float64)
    uniform = torch.rand(20_000, generator=seeded(1), dtype=torch.float64)
    again = law.mixing_given(noise.square().sum(1), 2, uniform).numpy()
    assert scipy.stats.kstest(again, scipy.stats.invgauss(1 / kappa, scale=kappa).cdf).pvalue > 1e-3


@pytest.mark.parametrize("dimension", [1, 2, 8, 64])
def test_strong_screening_is_diffusion(dimension: int) -> None:
    squared = torch.linspace(0, 3, 20, dtype=torch.float64) * dimension
    strong = InverseGaussianMixture(1e8).log_density(squared, dimension)
    torch.testing.assert_close(strong, Gaussian().log_density(squared, dimension), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dimension", [1, 2, 8, 64])
def test_weak_screening_is_poisson_flow_in_one_extra_dimension(dimension: int) -> None:
    kappa = 1e-8
    squared = torch.linspace(0, 30, 20, dtype=torch.float64) * dimension
    weak = InverseGaussianMixture(kappa).log_density(kappa * squared, dimension)
    weak = weak + 0.5 * dimension * math.log(kappa)  # of ε/√κ
    torch.testing.assert_close(weak, StudentT(1).log_density(squared, dimension), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kappa", [0.01, *KAPPAS, 1000.0])
@pytest.mark.parametrize("dimension", [1, 2, 8, 64])
def test_the_quadrature_over_w_gives_the_density(kappa: float, dimension: int) -> None:
    law = InverseGaussianMixture(kappa)
    nodes, log_weights = law.mixing_nodes(dimension)
    assert float(log_weights.exp().sum()) == pytest.approx(1)
    squared = law.draw(2000, (dimension,), seeded(), torch.float64).square().sum(1)
    terms = -0.5 * squared[:, None] / nodes - 0.5 * dimension * (2 * math.pi * nodes).log()
    found = torch.logsumexp(terms + log_weights, 1)
    torch.testing.assert_close(found, law.log_density(squared, dimension), rtol=0, atol=2e-5)


def test_the_density_is_differentiable() -> None:
    squared = torch.tensor([0.3, 2.0, 40.0], dtype=torch.float64, requires_grad=True)
    for dimension in (1, 2, 64):
        assert torch.autograd.gradcheck(
            lambda s, n=dimension: InverseGaussianMixture(0.5).log_density(s, n), (squared,)
        )
