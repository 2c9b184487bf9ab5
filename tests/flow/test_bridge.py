"""Across a bridge: Gaussian pairs come back with their joint law, and images nearer to the clean ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from unstir.data import Scaling, load
from unstir.fields import BridgeField, GaussianPairs, build_network
from unstir.flow import Streams, default_solver, sample, trajectory
from unstir.flow.bridge import Mean, Posterior
from unstir.physics import Bridge, bridge

MEAN = torch.tensor([0.3, -0.2, 0.1, 0.4], dtype=torch.float64)
COVARIANCE = torch.tensor(
    [[0.3, 0.1, 0.2, 0.0], [0.1, 0.25, 0.05, 0.15], [0.2, 0.05, 0.35, 0.05], [0.0, 0.15, 0.05, 0.3]],
    dtype=torch.float64,
)


@dataclass(frozen=True, eq=False)
class Noisy(Bridge):
    """A bridge whose steps have a variance 30 % too large."""

    def posterior(self, x: Tensor, clean: Tensor, t: float, s: float) -> tuple[Tensor, float]:
        mean, deviation = super().posterior(x, clean, t, s)
        return mean, math.sqrt(1.3) * deviation


@pytest.fixture(scope="module")
def starts() -> Tensor:
    law = torch.distributions.MultivariateNormal(MEAN[2:], COVARIANCE[2:, 2:])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return law.sample((8_000,))[..., None, None]


def joint(process: Bridge, solver: Posterior | Mean, starts: Tensor) -> Tensor:
    """Covariance of restored and given points, with their mean in a last row."""
    state = process.begin(starts, torch.Generator())
    walk = trajectory(
        process, GaussianPairs(process, MEAN, COVARIANCE), state, solver=solver, steps=100,
        streams=Streams(0, 0, len(starts)),
    )  # fmt: skip
    *_, last = walk
    z = last.state[..., 0, 0]
    return torch.cat([torch.cov(z.T), z.mean(0)[None]])


def test_the_joint_law_comes_back(starts: Tensor) -> None:
    process = bridge()
    got = joint(process, Posterior(), starts)
    assert float((got[:4] - COVARIANCE).abs().max()) < 0.05 * 0.3
    assert float((got[4] - MEAN).abs().max()) < 0.02
    broken = Noisy(process.name, process.degradation, process.noise, process.sigma)
    assert float((joint(broken, Posterior(), starts)[:4] - COVARIANCE).abs().max()) > 0.05 * 0.3


def test_without_noise_the_mean_comes_back_and_no_spread_about_it(starts: Tensor) -> None:
    got = joint(bridge(), Mean(), starts)
    regression = COVARIANCE[:2, 2:] @ torch.linalg.solve(COVARIANCE[2:, 2:], COVARIANCE[2:, :2])
    torch.testing.assert_close(got[:2, 2:4], COVARIANCE[:2, 2:], rtol=0, atol=0.015)
    torch.testing.assert_close(got[:2, :2], regression, rtol=0, atol=0.015)


def test_one_step_is_the_guess_and_the_given_image_is_kept() -> None:
    process, given = bridge(), torch.randn(3, 2, 1, 1, generator=torch.Generator().manual_seed(0))
    field = GaussianPairs(process, MEAN, COVARIANCE)
    guess = field(torch.cat([given, given], 1), torch.ones(3))
    once = sample(process, field, 3, (2, 1, 1), steps=1, start=given)
    torch.testing.assert_close(once, guess)
    assert isinstance(default_solver(process), Posterior)


def test_digits_are_deblurred_after_a_short_training() -> None:
    data = load("digits")
    scaling = Scaling.fit(data)
    y = scaling.to_model(data.values)
    process = bridge().prepared(y[:1500])
    torch.manual_seed(0)
    given, answer = BridgeField.sizes(process, (1, 8, 8))
    network = build_network("unet", given, {"channels": [16, 32]}, answer)
    field = BridgeField(network, process, (1, 8, 8))
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(field.parameters(), 3e-3)
    for _ in range(25):
        index = torch.randint(1500, (48,), generator=generator)
        loss = field.loss(y[index], generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    clean = y[1500:1650]
    degraded = process.degraded(clean, generator)
    restored = sample(process, field.eval(), 150, solver="mean", steps=5, start=degraded)
    before, after = ((x - clean).square().mean() for x in (degraded, restored))
    assert float(10 * torch.log10(before / after)) > 4  # dB; Wiener's filter alone gains 2.9
