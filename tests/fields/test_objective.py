"""The objective: noise levels follow their law, and the loss is the one that the field learns from."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from unstir import physics
from unstir.fields import NeuralField, build_network
from unstir.physics import LinearProcess

PROCESSES = ["edm", "ve", "vp", "vp:schedule=cosine", "rectified", "poisson:D=1", "yukawa", "edm:sigma_max=2"]
MEAN, STD = -1.2, 1.2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def log_ratio(process: LinearProcess, t: Tensor) -> Tensor:
    """ln(B/A) at float32 times."""
    t = t.double()
    return (process.B(t) / process.A(t)).log()


def law(process: LinearProcess, level: Tensor, std: float = STD, mean: float = MEAN) -> Tensor:
    return torch.from_numpy(stats.norm.cdf(level.numpy(), mean + math.log(process.scale), std))


def within(process: LinearProcess, level: Tensor) -> Tensor:
    """Where the law is not held at an end of the process's range."""
    last = process.t_max * (1 - 1e-6)  # A may be 0 at the very end
    ends = log_ratio(process, torch.tensor([process.t_min, last]))
    return (level > ends[0] + 1e-3) & (level < ends[1] - 1e-3)


@pytest.mark.parametrize("name", PROCESSES)
def test_each_item_has_its_share_of_the_law(name: str) -> None:
    process, n = physics.parse(name), 1000
    t = process.training_times(n, MEAN, STD, generator())
    assert (t.dtype, t.shape) == (torch.float32, (n,))
    assert bool(((t >= process.t_min) & (t <= process.t_max)).all())
    level = log_ratio(process, t)
    inside = within(process, level)
    assert inside.float().mean() > 0.9
    place = n * law(process, level)
    error = (place - (torch.arange(n) + 0.5))[inside].abs()
    assert error.max() < 0.5 + 0.02 * n / 1000  # float32 times


@pytest.mark.parametrize("name", PROCESSES)
def test_together_they_follow_the_log_normal_law(name: str) -> None:
    process, source = physics.parse(name), generator(1)
    level = torch.cat([log_ratio(process, process.training_times(4, MEAN, STD, source)) for _ in range(1500)])
    inside = within(process, level)
    # The law given that it is not held at an end; strata make it nearer than independent draws.
    share = law(process, level[inside]).numpy()
    low, high = share.min(), share.max()
    assert stats.kstest((share - low) / (high - low), "uniform").pvalue > 0.01
    # What is outside the range is held at its ends: nothing is lost.
    lost = 1 - inside.double().mean()
    assert lost == pytest.approx(1 - (high - low), abs=0.01)


def test_a_wrong_law_is_noticed() -> None:
    process, source = physics.parse("edm"), generator(1)
    level = torch.cat([log_ratio(process, process.training_times(4, MEAN, STD, source)) for _ in range(1500)])
    assert stats.kstest(law(process, level, std=1.1 * STD).numpy(), "uniform").pvalue < 1e-3
    assert stats.kstest(law(process, level, mean=MEAN + 0.1).numpy(), "uniform").pvalue < 1e-3


def test_the_noise_follows_the_data_s_scale() -> None:
    plain, wide = physics.edm(), physics.edm().fitted(5.0)
    assert torch.allclose(
        log_ratio(wide, wide.training_times(50, MEAN, STD, generator())),
        log_ratio(plain, plain.training_times(50, MEAN, STD, generator())) + math.log(10),
        atol=1e-4,
    )


@pytest.mark.parametrize("name", ["edm", "ve", "vp", "vp:schedule=cosine", "rectified"])
def test_a_network_that_says_zero_loses_one(name: str) -> None:
    """The target of the network has variance 1 at every noise level, when the data have ½²."""
    process = physics.parse(name)
    field = NeuralField(build_network("mlp", (8,), {"width": 8, "depth": 1}), process)
    data = 0.5 * torch.randn((20_000, 8), generator=generator(2))
    with torch.no_grad():
        loss = float(field.loss(data, generator(3)))
    assert loss == pytest.approx(1, abs=0.02)


class Tilted(nn.Module):
    """Any network that is not zero."""

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        return torch.tanh(x + noise[:, None])


@pytest.mark.parametrize("name", ["edm", "vp", "rectified"])
def test_the_loss_is_the_denoiser_s_error_over_its_scale(name: str) -> None:
    process = physics.parse(name)
    field = NeuralField(Tilted(), process)
    data = 0.5 * torch.randn((64, 3), generator=generator(4))
    loss = field.loss(data, generator(5))
    source = generator(5)
    t = process.training_times(64, MEAN, STD, source)
    x = process.perturb(data, t, source)
    A, B = process.A(t)[:, None], process.B(t)[:, None]
    scale = (0.5 * B) ** 2 / ((0.5 * A) ** 2 + B**2)
    expected = ((field(x, t) - data) ** 2 / scale).mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-3)
