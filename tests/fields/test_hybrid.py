from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from unstir.fields import HybridField, LangevinMixture
from unstir.measure import continuity_residual
from unstir.physics import LangevinProcess, langevin

WEIGHTS = torch.tensor([0.45, 0.3, 0.25])
MEANS = torch.tensor([[0.6, 0.2], [-0.7, 0.4], [-0.24, -0.84]])
COVARIANCES = torch.tensor(
    [[[0.03, 0.015], [0.015, 0.02]], [[0.02, -0.01], [-0.01, 0.03]], [[0.04, 0.0], [0.0, 0.015]]]
)


class Constant(torch.nn.Module):
    """Answers with a constant, and keeps what it is given."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        self.given, self.noise = x, noise
        return self.value * torch.ones_like(x.chunk(2, 1)[0])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(process: LangevinProcess | None = None) -> LangevinMixture:
    return LangevinMixture(process or langevin(), WEIGHTS, MEANS, COVARIANCES)


def residual(field: LangevinMixture, moved: LangevinProcess, t: float) -> float:
    x = field.process.perturb(field.data.sample(50, seeded()), torch.full((50,), t), seeded(1))

    def velocity(x: Tensor, t: float) -> Tensor:
        return moved.velocity(x, torch.full((len(x),), t).double(), field.at(t)(x, None))

    return float(continuity_residual(field.process, field.log_density, velocity, x, t).max())


def test_the_oracles_density_is_the_joint_gaussians() -> None:
    field, t = mixture(), 0.2
    a, root = (part.numpy() for part in field.process.kernel(torch.tensor(t).double()))
    x = torch.randn(20, 4, generator=seeded()).double()
    noise, a_time = np.kron(root @ root.T, np.eye(2)), a[:, None]
    density = np.zeros(20)
    for weight, mean, covariance in zip(WEIGHTS, MEANS, COVARIANCES, strict=True):
        carried = np.kron(a_time @ a_time.T, covariance.numpy()) + noise
        law = scipy.stats.multivariate_normal(np.kron(a, mean.numpy()), carried)
        density += float(weight) * law.pdf(x.numpy())
    np.testing.assert_allclose(
        field.log_density(x, float(torch.tensor(t).double())), np.log(density), rtol=1e-5
    )


@pytest.mark.parametrize("t", [0.01, 0.1, 0.4, 0.9])
def test_the_oracle_answers_with_the_score_of_its_density(t: float) -> None:
    field = mixture()
    time = torch.full((30,), t).double()
    x = field.process.perturb(field.data.sample(30, seeded()), time, seeded(1)).requires_grad_()
    (score,) = torch.autograd.grad(field.log_density(x, t).sum(), x)
    torch.testing.assert_close(field.process.score(time, field(x.detach(), time)), score[:, 2:])


@pytest.mark.parametrize("t", [0.02, 0.2, 0.6])
def test_certificate_of_continuity(t: float) -> None:
    assert residual(mixture(), langevin(), t) < 1e-6


def test_the_certificate_notices_another_friction_mass_or_start(monkeypatch: pytest.MonkeyPatch) -> None:
    field = mixture()
    assert residual(field, dataclasses.replace(langevin(), beta=4.1), 0.2) > 1e-3
    assert residual(field, dataclasses.replace(langevin(), mass=0.26), 0.2) > 1e-3
    monkeypatch.setattr(LangevinProcess, "friction", 1.02)
    assert residual(field, langevin(), 0.2) > 1e-3


def test_of_gaussian_data_nothing_is_left_for_the_network() -> None:
    process = langevin()
    known = HybridField(Constant(), process, std=0.5)
    exact = LangevinMixture(process, torch.ones(1), torch.zeros(1, 3), torch.tensor([0.25]))
    for t in (0.003, 0.1, 0.5, 1.0):
        x = process.perturb(exact.data.sample(20, seeded()), torch.full((20,), t).double(), seeded(1))
        time = torch.full((20,), t).double()
        torch.testing.assert_close(known(x, time), exact(x, time), rtol=1e-6, atol=1e-8)


def test_what_the_network_sees_and_must_answer_has_variance_1_at_all_times() -> None:
    process, network = langevin(), Constant()
    field = HybridField(network, process)
    data = 0.5 * torch.randn(40_000, 1, generator=seeded()).double()
    for t in (1e-3, 3e-3, 0.1, 0.5, 1.0):
        time = torch.full((len(data),), t).double()
        x = process.perturb(data, time, seeded(1))
        network.value = torch.nn.Parameter(torch.tensor(0.0), requires_grad=False)
        rest = process.target(data, x, time) - field(x, time)
        network.value.data.fill_(1)
        answer = rest / (field(x, time) - (process.target(data, x, time) - rest))
        assert float(answer.var()) == pytest.approx(1, rel=0.03)
        np.testing.assert_allclose(np.cov(network.given.T.numpy()), np.eye(2), atol=0.03)
        assert abs(float(network.noise[0])) < 2


def test_its_loss_is_the_error_of_a_network_that_knows_nothing() -> None:
    process = langevin()
    data = 0.5 * torch.randn(20_000, 2, generator=seeded())
    for answer, expected in ((0.0, 1.0), (1.0, 2.0)):
        loss = HybridField(Constant(answer), process).loss(data, seeded(1))
        assert loss.item() == pytest.approx(expected, abs=0.05)


def test_sizes_are_both_halves_in_and_one_out() -> None:
    assert HybridField.sizes(langevin(), (3, 8, 8)) == ((6, 8, 8), (3, 8, 8))
    HybridField(Constant(), langevin(), shape=(3, 8, 8)).check()
