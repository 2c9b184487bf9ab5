from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.integrate
import torch
from torch import Tensor

from unstir.physics import Cosine, Exponential, Linear, LinearBeta, Schedule, Straight

SCHEDULES = [Linear(), Linear(0.01, 3.0), Exponential(), LinearBeta(), Cosine(), Straight()]
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{type(s).__name__}-{s.t_max:g}")


def clock(schedule: Schedule, n: int = 50) -> Tensor:
    """Times with both ends, dense towards the data."""
    unit = torch.linspace(0, 1, n, dtype=torch.float64) ** 3
    return schedule.t_min + (schedule.t_max - schedule.t_min) * unit


def derivative(f: Callable[[Tensor], Tensor], t: Tensor) -> Tensor:
    return torch.func.jvp(f, (t,), (torch.ones_like(t),))[1]


@every
def test_derivatives_are_those_of_autograd(schedule: Schedule) -> None:
    t = clock(schedule)
    torch.testing.assert_close(schedule.dA(t), derivative(schedule.A, t), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(schedule.dB(t), derivative(schedule.B, t), rtol=1e-9, atol=1e-12)


@every
def test_the_time_of_a_ratio_inverts_it(schedule: Schedule) -> None:
    t = clock(schedule)
    ratio = schedule.B(t) / schedule.A(t)
    torch.testing.assert_close(schedule.time_at(ratio), t, rtol=1e-9, atol=1e-12)


@every
def test_noise_grows_and_signal_does_not(schedule: Schedule) -> None:
    t = clock(schedule)
    A, B = schedule.A(t), schedule.B(t)
    assert bool((B > 0).all())
    assert bool((A > 0).all())
    assert bool((B.diff() > 0).all())
    assert bool((A.diff() <= 0).all())
    assert float(B[0] / A[0]) < 0.02  # the data are all but clean at t_min
    assert float(B[-1] / A[-1]) > 2.9


@every
def test_any_shape_and_dtype(schedule: Schedule) -> None:
    t = clock(schedule, 6)
    for value in (schedule.A, schedule.B, schedule.dA, schedule.dB):
        single = value(t.float().reshape(2, 3))
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.flatten().double(), value(t), rtol=2e-3, atol=1e-6)
        assert value(t[0]).shape == ()


@pytest.mark.parametrize("schedule", [LinearBeta(), Cosine()], ids=["linear", "cosine"])
def test_variance_is_preserved(schedule: Schedule) -> None:
    t = clock(schedule)
    torch.testing.assert_close(
        schedule.A(t) ** 2 + schedule.B(t) ** 2, torch.ones_like(t), rtol=0, atol=1e-12
    )


def test_linear_beta_is_the_integral_of_beta() -> None:
    schedule = LinearBeta()
    for t in (0.01, 0.3, 1.0):
        area, _ = scipy.integrate.quad(lambda s: 0.1 + 19.9 * s, 0, t)
        assert float(schedule.A(torch.tensor(t).double())) ** 2 == pytest.approx(math.exp(-area), rel=1e-6)


def test_linear_beta_is_the_limit_of_ddpms_thousand_steps() -> None:
    remaining = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    t = torch.linspace(1e-3, 1, 1000, dtype=torch.float64)
    found = LinearBeta().A(t).square().numpy()
    np.testing.assert_allclose(found[:300], remaining[:300], atol=1e-3)
    assert found[-1] == pytest.approx(remaining[-1], rel=0.1)


def test_cosine_is_nichols_equation_17() -> None:
    t = np.linspace(1e-3, 0.99, 40)
    squared = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(Cosine().A(torch.from_numpy(t)).square().numpy(), squared, rtol=1e-12)


def test_song_and_karras_noise_levels() -> None:
    t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    expected = torch.tensor([0.01, math.sqrt(0.01 * 50), 50.0], dtype=torch.float64)
    torch.testing.assert_close(Exponential().B(t), expected)
    assert torch.equal(Linear().B(t), t)
    straight = Straight()
    ends = torch.tensor([straight.t_min, straight.t_max], dtype=torch.float64)
    ratio = straight.B(ends) / straight.A(ends)
    torch.testing.assert_close(ratio, torch.tensor([0.002, 80.0], dtype=torch.float64), rtol=1e-9, atol=0)
