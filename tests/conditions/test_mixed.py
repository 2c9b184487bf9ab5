"""Laws of y for every W against sums over all of W, and the conditioned field against the exact one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unstir import physics
from unstir.conditions import Cloud, ConditionedField, Matrix, cloud_of
from unstir.conditions.mixed import Mixed, gauss
from unstir.fields import MixtureField
from unstir.physics import LinearProcess

SIGMA = 0.1
MIXED = ["poisson:D=1", "poisson:D=128", "yukawa:kappa=1", "levy:alpha=1.8", "heat_poisson:D=16"]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(name: str, size: int) -> tuple[LinearProcess, MixtureField]:
    """A process that knows mean and covariance of normal data, and their field."""
    process = physics.parse(name)
    assert isinstance(process, LinearProcess)
    a, mean = draw(size, size), 0.3 * draw(1, size, seed=1)
    covariance = 0.25 * a @ a.T / size + 1e-3 * torch.eye(size, dtype=torch.float64)
    modes = process.basis.coordinates(torch.linalg.cholesky(covariance).T)
    centre = process.basis.coordinates(mean)[0]
    told = process.knowing({"spectrum": modes.square().sum(0), "centre": centre, "axes": modes})
    return told, MixtureField(told, torch.ones(1), mean, covariance[None])


def given(field: MixtureField, rows: Tensor, o: Tensor) -> MixtureField:
    """The field of what is left of the data once o is seen, by Bayes' rule."""
    mean, covariance = field.means[0], field.covariances[0]
    gain = (
        covariance @ rows.T @ torch.linalg.inv(rows @ covariance @ rows.T + SIGMA**2 * torch.eye(len(rows)))
    )
    left = covariance - gain @ rows @ covariance
    mean = mean + gain @ (o - rows @ mean)
    return MixtureField(field.process, torch.ones(1), mean[None], 0.5 * (left + left.T)[None])


@pytest.mark.parametrize("name", MIXED)
def test_moments_are_exact_for_a_gaussian_whatever_the_law_of_noise(name: str) -> None:
    process, field = normal(name, 8)
    rows, o = draw(4, 8, seed=2) / 8**0.5, draw(1, 4, seed=3)
    exact, guided = given(field, rows, o[0]), ConditionedField(field, process, Matrix(rows, SIGMA), o)
    for ratio in (3.0, 0.5, 0.05):
        t = process.time_at(torch.tensor(ratio, dtype=torch.float64))
        y = exact.sample(200, torch.Generator().manual_seed(0))
        x = process.perturb(y, t.expand(200), torch.Generator().manual_seed(1))
        expected = exact.at(float(t))(x, None)
        found = guided.at(float(t))(x, None)
        spread = exact.covariances[0].trace().sqrt()
        # By the slope alone they were apart by up to thousands of deviations.
        assert float((found - expected).norm(dim=1).quantile(0.95) / spread) < 0.01
        assert float((found - expected).norm(dim=1).max() / spread) < 0.1


@pytest.mark.parametrize("name", MIXED)
def test_the_slope_of_many_numbers_gives_the_covariance(name: str) -> None:
    process, field = normal(name, 40)
    t = process.time_at(torch.tensor(0.5, dtype=torch.float64))
    y = field.sample(20, torch.Generator().manual_seed(0))
    x = process.perturb(y, t.expand(20), torch.Generator().manual_seed(1))
    guided = ConditionedField(field, process, Matrix(torch.eye(40), SIGMA), x)
    view = guided.view(x, float(t), laws=True)
    assert view.mixed is None
    unit = torch.eye(40, dtype=torch.float64)
    found = torch.stack([view.covariance(one.expand(20, 40)) for one in unit], 2)
    coordinates, A = process.basis.coordinates, process.signal(t[None], (40,))[0]
    laws = Mixed(process.noise, cloud_of(process, (40,)), coordinates(x), A, float(process.B(t)))
    modes = coordinates(unit)
    expected = modes @ (laws.weighted / laws.precision[:, None, None]) @ modes.T
    apart = (found - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    assert float(apart.median()) < 0.15  # without care for W 0.2 to 0.7


def test_laws_are_those_of_sums_over_all_of_W() -> None:
    noise = physics.parse("poisson:D=3").noise  # type: ignore[attr-defined]
    axes, x, A, B = draw(3, 3), 2 * draw(5, 3, seed=1), 0.8, 0.7
    cloud = Cloud(draw(3, seed=2), axes.square().sum(0), axes)
    laws = Mixed(noise, cloud, x, torch.full((3,), A, dtype=torch.float64), B)
    W, log_weights = noise.mixing_nodes(3)
    V = A**2 * axes.T @ axes + B**2 * W[:, None, None] * torch.eye(3)
    off = (x - A * cloud.centre)[:, None]
    seen = torch.distributions.MultivariateNormal(torch.zeros(3).double(), V).log_prob(off)
    share = torch.softmax(log_weights + seen, 1)
    torch.testing.assert_close(laws.precision, share @ (1 / W), rtol=1e-4, atol=0)
    gain = A * axes.T @ axes @ V.inverse()
    means = torch.einsum("qij,bj->bqi", gain, off[:, 0])
    about = means - torch.einsum("bq,bqi->bi", share, means)[:, None]
    left = axes.T @ axes - A * gain @ axes.T @ axes
    weighted = torch.einsum("bq,qij->bij", share / W, left)
    weighted += torch.einsum("bq,bqi,bqj->bij", share / W, about, about)
    torch.testing.assert_close(laws.weighted, weighted, rtol=1e-3, atol=1e-4)


def test_quadrature_is_exact_for_polynomials() -> None:
    points, shares = draw(60), torch.softmax(draw(4, 60, seed=1), 1)
    weights, nodes = gauss(points, shares, 5)
    for degree in range(10):
        torch.testing.assert_close((weights * nodes**degree).sum(1), shares @ points**degree)
    weights, nodes = gauss(points[:3], torch.softmax(draw(4, 3, seed=1), 1), 5)
    assert weights.isfinite().all()
    assert nodes.isfinite().all()
    torch.testing.assert_close((weights * nodes).sum(1), torch.softmax(draw(4, 3, seed=1), 1) @ points[:3])
