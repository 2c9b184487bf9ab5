"""Fields of a bridge: in closed form for Gaussian pairs, and what a network is given to learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unstir.fields import BridgeField, GaussianPairs
from unstir.physics import CosineModes, bridge


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs(size: int) -> tuple[Tensor, Tensor]:
    """A mean and a covariance of clean and degraded points of `size`."""
    factor = torch.randn(2 * size, 2 * size, generator=generator(), dtype=torch.float64)
    return torch.linspace(-0.5, 0.5, 2 * size, dtype=torch.float64), 0.1 * factor @ factor.T


def test_the_closed_form_is_gaussian_conditioning() -> None:
    process, size, t = bridge(sigma=0.5), 3, 0.35
    mean, covariance = pairs(size)
    # (x₀, x_t, x₁) = M (x₀, x₁) + noise in the middle
    one, none = torch.eye(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
    M = torch.cat(
        [torch.cat([one, none], 1), torch.cat([(1 - t) * one, t * one], 1), torch.cat([none, one], 1)]
    )
    joint = M @ covariance @ M.T
    joint[size : 2 * size, size : 2 * size] += 0.25 * t * (1 - t) * one
    seen = slice(size, 3 * size)
    state = torch.randn(7, 2 * size, generator=generator(1), dtype=torch.float64)
    expected = mean[:size] + (state - (M @ mean)[seen]) @ torch.linalg.solve(
        joint[seen, seen], joint[seen, :size]
    )
    got = GaussianPairs(process, mean, covariance)(state[..., None, None], torch.full((7,), t))
    torch.testing.assert_close(got[..., 0, 0], expected)


def test_the_closed_form_at_the_ends() -> None:
    mean, covariance = pairs(2)
    field = GaussianPairs(bridge(), mean, covariance)
    state = torch.randn(5, 4, generator=generator(1), dtype=torch.float64)
    x = torch.cat([state[:, 2:], state[:, 2:]], 1)  # at t = 1 both are x₁
    regression = mean[:2] + (state[:, 2:] - mean[2:]) @ torch.linalg.solve(
        covariance[2:, 2:], covariance[2:, :2]
    )
    torch.testing.assert_close(field(x[..., None, None], torch.ones(5))[..., 0, 0], regression)
    torch.testing.assert_close(field(state[..., None, None], torch.zeros(5))[..., 0, 0], state[:, :2])


class Zero(nn.Module):
    """A network that says nothing."""

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x[:, : x.shape[1] // 2])


def correlated(n: int) -> Tensor:
    """Gaussian images whose modes differ in variance."""
    basis, draw = CosineModes(), generator(4)
    spectrum = 1 / (1 + torch.arange(36.0).reshape(6, 6))
    return 0.5 * basis.state(spectrum.sqrt() * torch.randn(n, 1, 6, 6, generator=draw)) * 3


def test_the_best_linear_guess_is_right_for_gaussian_images() -> None:
    items = correlated(20_000)
    process = bridge(noise=0.1).prepared(items)
    field = BridgeField(Zero(), process, (1, 6, 6))
    basis = CosineModes()
    y = items[:5000]
    for t in (0.05, 0.5, 1.0):
        time = torch.full((len(y),), t)
        x = process.perturb(y, time, generator(5))
        _, out, given, level = field._known(x, time)
        error = basis.coordinates(field(x, time) - y)
        # what is left has the size that is foretold, mode by mode, and is orthogonal to all that was seen
        torch.testing.assert_close(error.var(0), out.square().mean(0), rtol=0.15, atol=1e-6)
        for seen in basis.coordinates(x).chunk(2, 1):
            across = (error * seen).mean(0) / (error.std(0) * seen.std(0))
            assert float(across.abs().max()) < 0.07
        assert 0.8 < float(given[:, :1].std()) < 1.2
        assert float(given.abs().max()) < 8
        assert float(level.abs().max()) < 1.6


def test_a_wrong_variance_shows() -> None:
    items = correlated(20_000)
    right = bridge(noise=0.1).prepared(items)
    wrong = bridge(noise=0.1, sigma=0.7).prepared(items)
    y, time = items[:5000], torch.full((5000,), 0.5)
    x = right.perturb(y, time, generator(5))
    errors = [float((BridgeField(Zero(), p, (1, 6, 6))(x, time) - y).square().mean()) for p in (right, wrong)]
    assert errors[1] > 1.02 * errors[0]
