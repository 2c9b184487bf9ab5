from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from unstir.fields import MixtureField
from unstir.physics import LinearProcess, edm, parse

NAMES = [
    "vp",
    "vp:schedule=cosine",
    "ve",
    "edm",
    "rectified",
    "poisson:D=1",
    "poisson:D=8",
    "poisson:D=2048",
    "yukawa:kappa=0.1",
    "yukawa:kappa=10",
]
every = pytest.mark.parametrize("process", [parse(name) for name in NAMES], ids=NAMES)
Mixture = Callable[[LinearProcess, int], MixtureField]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@every
def test_in_one_dimension_it_agrees_with_sums_over_the_data(process: LinearProcess) -> None:
    weights, means, stds = torch.tensor([0.3, 0.7]), torch.tensor([-0.6, 0.4]), torch.tensor([0.2, 0.1])
    field = MixtureField(process, weights, means[:, None], stds**2)
    # The trapezoid rule over y, with the process's own kernel: no quadrature over W.
    y = torch.linspace(-3, 3, 30_001, dtype=torch.float64)
    normal = torch.exp(-0.5 * ((y[:, None] - means) / stds) ** 2) / (stds * math.sqrt(2 * math.pi))
    log_prior = (normal @ weights.double()).log() + math.log(float(y[1] - y[0]))
    times = process.times(12)
    for t in times[process.B(times) > 0.01 * process.A(times)]:
        offset = torch.tensor([-3.0, 0.2, 40.0], dtype=torch.float64)
        x = (process.A(t) * 0.1 + offset * process.B(t))[:, None]
        terms = process.log_kernel(x, y[:, None], t.expand(3)) + log_prior
        log_mass = torch.logsumexp(terms, 1)
        seen = log_mass > -20  # no draw lies farther out
        torch.testing.assert_close(field.log_density(x, float(t))[seen], log_mass[seen], rtol=0, atol=1e-4)
        mean = torch.softmax(terms, 1) @ y[:, None]
        torch.testing.assert_close(field.at(float(t))(x, None)[seen], mean[seen], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["vp", "edm", "rectified"])
def test_one_gaussian_has_the_linear_denoiser(name: str) -> None:
    process = parse(name)
    covariance = torch.tensor([[0.4, 0.1], [0.1, 0.2]]).double()
    mean = torch.tensor([[0.3, -0.2]]).double()
    field = MixtureField(process, torch.ones(1), mean, covariance[None])
    x = torch.randn(5, 2, dtype=torch.float64)
    for t in process.times(5):
        A, B = process.A(t), process.B(t)
        total = A**2 * covariance + B**2 * torch.eye(2).double()
        expected = mean + A * (x - A * mean) @ torch.linalg.solve(total, covariance)
        torch.testing.assert_close(field.at(float(t))(x, None), expected, rtol=1e-9, atol=1e-12)
        law = torch.distributions.MultivariateNormal(A * mean[0], total)
        torch.testing.assert_close(field.log_density(x, float(t)), law.log_prob(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["vp", "ve", "edm", "rectified"])
def test_with_gaussian_noise_the_denoiser_is_tweedies(name: str, mixture: Mixture) -> None:
    # D = (x + B² ∇log p)/A joins mean and density; for other laws the continuity equation does.
    process = parse(name)
    field = mixture(process, 2)
    for t in process.times(6)[1:-1]:
        x = process.perturb(field.sample(9, seeded()), t.expand(9), seeded(1)).requires_grad_()
        (score,) = torch.autograd.grad(field.log_density(x, float(t)).sum(), x)
        A, B = process.A(t), process.B(t)
        expected = (x + B**2 * score) / A
        torch.testing.assert_close(field.at(float(t))(x, None), expected.detach(), rtol=1e-6, atol=1e-7)


@every
@pytest.mark.parametrize("size", [2, 8])
def test_it_is_the_mean_of_draws_that_end_there(process: LinearProcess, size: int, mixture: Mixture) -> None:
    # E[y − D(x)] = 0, and weighted with any function of x.
    field = mixture(process, size)
    y = field.sample(20_000, seeded())
    for t in process.times(8)[1:-1:2]:
        x = process.perturb(y, t.expand(len(y)), seeded(1))
        error = y - field.at(float(t))(x, None)
        weight = torch.tanh(x / float(process.B(t)))
        for moment in (error, error * weight):
            sigma = moment.std(0) / math.sqrt(len(y))
            assert float((moment.mean(0) / sigma).abs().max()) < 4.5


def test_the_density_of_the_data_is_scipys() -> None:
    weights = torch.tensor([1.0, 3.0])
    means = torch.tensor([[0.0, 1.0], [-1.0, 0.5]])
    covariances = torch.tensor([[[0.5, 0.2], [0.2, 0.3]], [[0.1, 0.0], [0.0, 0.4]]])
    field = MixtureField(edm(), weights, means, covariances)
    y = np.random.default_rng(0).normal(size=(6, 2))
    expected = sum(
        w * scipy.stats.multivariate_normal(m.numpy(), c.numpy()).pdf(y)
        for w, m, c in zip((0.25, 0.75), means, covariances, strict=True)
    )
    np.testing.assert_allclose(field.log_data_density(torch.from_numpy(y)).exp().numpy(), expected, rtol=1e-6)


@every
def test_the_density_at_the_end_is_the_priors(process: LinearProcess, mixture: Mixture) -> None:
    field = mixture(process, 2)
    x = process.prior(50, (2,), seeded(), torch.float64)
    gap = field.log_density(x, process.t_max) - process.log_prior(x)
    assert float(gap.abs().max()) < 0.1  # the data, 1/80 of the noise or so, still shift it a little


@every
def test_one_variance_a_component_is_the_same_as_its_matrix(process: LinearProcess) -> None:
    weights, means, variances = torch.rand(3), torch.randn(3, 2, 3), torch.tensor([0.1, 0.02, 0.3])
    short = MixtureField(process, weights, means, variances)
    long = MixtureField(process, weights, means, variances[:, None, None] * torch.eye(6))
    torch.testing.assert_close(short.covariances, long.covariances)
    x = torch.randn(7, 2, 3).double()
    for t in process.times(4).tolist():
        torch.testing.assert_close(short.at(t)(x, None), long.at(t)(x, None))
        torch.testing.assert_close(short.log_density(x, t), long.log_density(x, t))
    torch.testing.assert_close(short.log_data_density(x), long.log_data_density(x))
    torch.testing.assert_close(short.sample(5, seeded()).shape, long.sample(5, seeded()).shape)


def test_draws_have_the_mixtures_moments(mixture: Mixture) -> None:
    for size in (2, 8):
        field = mixture(edm(), size)
        draws = field.sample(100_000, seeded())
        mean = field.weights @ field.means
        centred = field.means - mean
        covariance = (field.weights[:, None, None] * field.covariances).sum(0)
        covariance = covariance + (centred.T * field.weights) @ centred
        assert float((draws.mean(0) - mean).norm()) < 0.01
        assert float((torch.cov(draws.T) - covariance).norm() / covariance.norm()) < 0.02
    isotropic = MixtureField(edm(), torch.ones(1), torch.zeros(1, 2), torch.tensor([0.25]))
    assert float(isotropic.sample(100_000, seeded()).std()) == pytest.approx(0.5, rel=0.01)


@every
def test_times_of_a_batch_may_differ(process: LinearProcess, mixture: Mixture) -> None:
    field, t = mixture(process, 2), process.times(6)
    x = torch.randn(6, 2)
    each = torch.cat([field.at(float(ti))(xi[None], None) for xi, ti in zip(x, t, strict=True)])
    torch.testing.assert_close(field(x, t), each)
    assert field(x, t).dtype == torch.float32
    same = t[:1].expand(6)
    torch.testing.assert_close(field(x, same), field.at(float(t[0]))(x, None))


def test_far_from_everything_it_stays_finite(mixture: Mixture) -> None:
    for name in ("poisson:D=1", "yukawa:kappa=0.1"):
        field = mixture(parse(name), 2)
        x = torch.tensor([[1e8, -1e8], [0.0, 1e4]])
        for t in (0.002, 0.5, 80.0):
            assert bool(field.at(t)(x, None).isfinite().all())
            assert bool(field.log_density(x, t).isfinite().all())


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "words"),
    [
        (torch.ones(2), torch.zeros(3, 2), torch.ones(3), "one positive share for each of the 3 means"),
        (torch.tensor([1.0, 0.0]), torch.zeros(2, 2), torch.ones(2), "one positive share"),
        (torch.ones(2), torch.zeros(2), torch.ones(2), "means (components, *shape)"),
        (torch.ones(2), torch.zeros(2, 2), torch.ones(3), "have shape (3,)"),
        (torch.ones(2), torch.zeros(2, 2), torch.ones(2, 3, 3), "give symmetric (2, 2, 2)"),
        (torch.ones(1), torch.zeros(1, 2), torch.tensor([[[1.0, 0.5], [0.0, 1.0]]]), "give symmetric"),
        (torch.ones(1), torch.zeros(1, 2), torch.tensor([[[1.0, 2.0], [2.0, 1.0]]]), "not positive definite"),
        (torch.ones(1), torch.zeros(1, 2), torch.zeros(1), "not positive definite"),
    ],
)
def test_what_makes_no_mixture_is_refused(
    weights: Tensor, means: Tensor, covariances: Tensor, words: str, refused: Callable[..., str]
) -> None:
    assert words in refused(MixtureField, edm(), weights, means, covariances)
