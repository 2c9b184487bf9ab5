from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics.kac import Kac, kac, mixture_density, mixture_velocity
from unstir.physics.telegraph import (
    draw_telegraph,
    telegraph_log_density,
    telegraph_variance,
    telegraph_velocity,
)

A, C = 3.0, 2.0
rates = pytest.mark.parametrize("a", [0.5, 3.0, 30.0])
WEIGHTS, MEANS, STDS = (torch.tensor(v).double() for v in ([0.3, 0.7], [-0.6, 0.4], [0.1, 0.2]))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def density(x: Tensor, t: float, a: float = A) -> Tensor:
    return telegraph_log_density(x, t, a, C).exp()


def integral(values: Tensor, x: Tensor) -> float:
    return float(scipy.integrate.simpson(values.numpy(), x=x.numpy()))


def between_the_fronts(t: float, n: int = 20_001) -> Tensor:
    return torch.linspace(-C * t, C * t, n, dtype=torch.float64) * (1 - 1e-12)


@rates
@pytest.mark.parametrize("t", [0.01, 0.7, 2.0])
def test_mass_and_variance_with_the_atoms(a: float, t: float) -> None:
    x = between_the_fronts(t)
    p, atoms = density(x, t, a), math.exp(-a * t)
    assert integral(p, x) + atoms == pytest.approx(1, abs=1e-9)
    variance = integral(x**2 * p, x) + atoms * (C * t) ** 2
    assert variance == pytest.approx(float(telegraph_variance(t, a, C)), rel=1e-8)


def test_the_variance_keeps_its_digits_where_nothing_turns() -> None:
    t = torch.tensor([1e-9, 1e-6, 0.999e-3 / 6, 1.001e-3 / 6], dtype=torch.float64)
    u = 2 * A * t
    expected = (C * t) ** 2 * (1 - u / 3 + u**2 / 12 - u**3 / 60)
    torch.testing.assert_close(telegraph_variance(t, A, C), expected, rtol=1e-9, atol=0)


def test_the_density_solves_the_telegraph_equation() -> None:
    x, t, h = torch.linspace(-1.0, 1.0, 21, dtype=torch.float64), 0.7, 1e-3
    later, now, before = density(x, t + h), density(x, t), density(x, t - h)
    right, left = density(x + h, t), density(x - h, t)
    u_tt, u_t = (later - 2 * now + before) / h**2, (later - before) / (2 * h)
    u_xx = (right - 2 * now + left) / h**2
    residual = u_tt + 2 * A * u_t - C**2 * u_xx
    assert float(residual.abs().max()) < 1e-4 * float((C**2 * u_xx).abs().max())
    assert float((residual + A * u_t).abs().max()) > 0.1  # another rate does not


def test_the_velocity_carries_the_density() -> None:
    x, t, h = torch.linspace(-1.0, 1.0, 21, dtype=torch.float64), 0.7, 1e-4

    def flux(at: Tensor) -> Tensor:
        return density(at, t) * telegraph_velocity(at, t, A, C)

    u_t = (density(x, t + h) - density(x, t - h)) / (2 * h)
    divergence = (flux(x + h) - flux(x - h)) / (2 * h)
    torch.testing.assert_close(u_t, -divergence, rtol=0, atol=1e-6)


@rates
def test_the_velocity_is_bounded_by_the_speed(a: float) -> None:
    for t in (1e-6, 0.3, 100.0):
        x = between_the_fronts(t, 1001)
        v = telegraph_velocity(x, t, a, C)
        edge = a * C * t / (2 + a * t)
        assert float(v.abs().max()) <= edge * (1 + 1e-9) < C
        assert float(v[-1]) == pytest.approx(edge, rel=1e-6)
        fronts = torch.tensor([-2 * C * t, -C * t, C * t, 2 * C * t], dtype=torch.float64)
        assert telegraph_velocity(fronts, t, a, C).tolist() == [-C, -C, C, C]


def test_many_turns_at_high_speed_are_diffusion() -> None:
    a, t, variance = 1e8, 0.7, 0.9
    c = math.sqrt(a * variance)
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    expected = torch.from_numpy(scipy.stats.norm(scale=math.sqrt(variance * t)).logpdf(x.numpy()))
    torch.testing.assert_close(telegraph_log_density(x, t, a, c), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(telegraph_velocity(x, t, a, c), x / (2 * t), rtol=1e-6, atol=0)


@rates
def test_draws_follow_the_law(a: float) -> None:
    t, n = 0.7, 40_000
    k = draw_telegraph(torch.full((n,), t), a, C, seeded())
    at_front = k.abs() == C * torch.tensor(t).double()
    share = math.exp(-a * torch.tensor(t).item())
    assert float(at_front.double().mean()) == pytest.approx(share, abs=4 * math.sqrt(share / n) + 1e-9)
    x = between_the_fronts(t)
    p = density(x, t, a).numpy()
    cdf = scipy.integrate.cumulative_trapezoid(p, x.numpy(), initial=0)
    inner = k[~at_front].numpy()
    assert scipy.stats.kstest(inner, lambda q: np.interp(q, x.numpy(), cdf / cdf[-1])).pvalue > 1e-3


def test_draws_are_those_of_a_particle_that_turns() -> None:
    t, n, steps = 0.7, 20_000, 700
    turns = torch.rand((n, steps), generator=seeded()) < A * t / steps
    first = 2.0 * torch.randint(0, 2, (n, 1), generator=seeded(1)) - 1
    path = C * (t / steps) * (first * (-1.0) ** turns.cumsum(1)).sum(1)
    k = draw_telegraph(torch.full((n,), t), A, C, seeded(2))
    jitter = 0.01 * torch.randn((2, n), generator=seeded(3)).numpy()  # over atoms and steps
    assert scipy.stats.ks_2samp(path.numpy() + jitter[0], k.numpy() + jitter[1], method="asymp").pvalue > 1e-3


def test_the_path_ends_in_a_prior_without_data() -> None:
    process = kac()
    data = torch.tensor([[-5.0], [5.0]]).repeat(4000, 1)
    x = process.perturb(data, torch.full((8000,), process.t_max), seeded())[:, 0]
    prior = process.prior(8000, (1,), seeded(1))[:, 0]
    assert scipy.stats.ks_2samp(x.numpy(), prior.numpy(), method="asymp").pvalue > 1e-3
    assert float(prior.var()) == pytest.approx(float(telegraph_variance(1.0, 9.0, 3.0)), rel=0.05)


def test_the_kernel_is_normalised_and_sees_the_atoms() -> None:
    process = Kac(width=0.02)
    data, t = torch.tensor([[0.3]]).double(), 0.2
    grid = torch.linspace(-1.5, 1.5, 60_001, dtype=torch.float64)
    log_p = process.log_kernel(grid[:, None], data, torch.full((len(grid),), t).double())[:, 0]
    assert integral(log_p.exp(), grid) == pytest.approx(1, abs=1e-4)  # a jump at either front
    near = ((grid - 0.8 * 0.3) - 0.6).abs() < 0.1
    continuous = (telegraph_log_density(grid - 0.24, t, 9.0, 3.0).exp() * near).sum()
    mass = float((log_p.exp() * near).sum() - continuous) * 3 / 60_000
    assert mass == pytest.approx(math.exp(-9 * t) / 2, rel=1e-4)


def test_the_kernel_adds_over_coordinates_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    process = kac()
    x, data = (torch.randn((n, 2, 3), generator=seeded(n)) for n in (4, 5))
    t = torch.linspace(0.1, 1.0, 4)
    whole = process.log_kernel(x, data, t)
    # The package's own `kac` is the constructor.
    monkeypatch.setattr(sys.modules["unstir.physics.kac"], "_PAIRS", 1)
    torch.testing.assert_close(process.log_kernel(x, data, t), whole)
    one = sum(process.log_kernel(x[:, :, [j]], data[:, :, [j]], t) for j in range(3))
    torch.testing.assert_close(one, whole)
    assert whole.shape == (4, 5)
    assert bool(whole.isfinite().all())
    torch.testing.assert_close(process.log_prior(x[3:]), whole[3:, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_target_is_the_mean_of_the_speeds(dtype: torch.dtype) -> None:
    # E[dx/dt | y] = ḟ y + 0, and early on nearly all move at full speed, so they must be seen to.
    process = kac()
    data = torch.full((20_000, 1), 0.7, dtype=dtype)
    t = torch.full((20_000,), 0.01, dtype=dtype)
    x = process.perturb(data, t, seeded())
    v = process.target(data, x, t) + data
    share = float((v.abs() > 2.999).double().mean())
    assert share == pytest.approx(math.exp(-0.09), abs=0.01)
    assert float(v.mean()) == pytest.approx(0, abs=0.1)
    assert float(v.abs().max()) <= 3.00001


@pytest.mark.parametrize("t", [0.02, 0.3, 0.8])
def test_a_mixture_is_carried_by_its_velocity(t: float) -> None:
    process, h = kac(), 1e-5
    x = torch.linspace(-1.5, 1.5, 31, dtype=torch.float64)

    def p(at: Tensor, time: float) -> Tensor:
        return mixture_density(process, WEIGHTS, MEANS, STDS, at, time)

    def flux(at: Tensor) -> Tensor:
        return p(at, t) * mixture_velocity(process, WEIGHTS, MEANS, STDS, at, t)

    change = (p(x, t + h) - p(x, t - h)) / (2 * h)
    divergence = (flux(x + h) - flux(x - h)) / (2 * h)
    torch.testing.assert_close(change, -divergence, rtol=0, atol=1e-5)
    grid = torch.linspace(-6, 6, 12_001, dtype=torch.float64)
    assert integral(p(grid, t), grid) == pytest.approx(1, abs=1e-7)


def test_a_mixture_has_the_density_of_its_draws() -> None:
    process, n, t = kac(), 20_000, 0.4
    which = torch.multinomial(WEIGHTS, n, replacement=True, generator=seeded())
    data = MEANS[which] + STDS[which] * torch.randn(n, generator=seeded(1), dtype=torch.float64)
    x = process.perturb(data[:, None], torch.full((n,), t), seeded(2))[:, 0]
    grid = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    p = mixture_density(process, WEIGHTS, MEANS, STDS, grid, t).numpy()
    cdf = scipy.integrate.cumulative_trapezoid(p, grid.numpy(), initial=0)
    assert scipy.stats.kstest(x.numpy(), lambda q: np.interp(q, grid.numpy(), cdf)).pvalue > 1e-3


def test_run_backwards_the_exact_flow_gives_back_the_mixture() -> None:
    process, steps, start = kac(), 60, 0.99
    # A flow on the line keeps quantiles: from those at the start to those of the data.
    grid = torch.linspace(-4, 4, 16_001, dtype=torch.float64)
    p = mixture_density(process, WEIGHTS, MEANS, STDS, grid, start).numpy()
    cdf = scipy.integrate.cumulative_trapezoid(p, grid.numpy(), initial=0)
    levels = np.linspace(0.01, 0.99, 50)
    x = torch.from_numpy(np.interp(levels, cdf, grid.numpy()))

    def velocity(at: Tensor, time: float) -> Tensor:
        return mixture_velocity(process, WEIGHTS, MEANS, STDS, at, max(time, 1e-9))

    h = start / steps
    for i in range(steps):
        t = start - i * h
        k1 = velocity(x, t)
        k2 = velocity(x - 0.5 * h * k1, t - 0.5 * h)
        k3 = velocity(x - 0.5 * h * k2, t - 0.5 * h)
        k4 = velocity(x - h * k3, t - h)
        x = x - h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    truth = scipy.stats.norm(MEANS.numpy(), STDS.numpy())
    reached = (WEIGHTS.numpy() * truth.cdf(x.numpy()[:, None])).sum(1)
    np.testing.assert_allclose(reached, levels, atol=2e-3)


def test_fitting_to_data_of_another_size_scales_the_process() -> None:
    process = kac().fitted(2.0)
    assert process.speed == 12
    x = process.perturb(torch.zeros(1, 500), torch.tensor([0.1]), seeded())
    torch.testing.assert_close(x, 4 * kac().perturb(torch.zeros(1, 500), torch.tensor([0.1]), seeded()))
    assert process.name == "kac"


def test_names_and_ranges() -> None:
    assert kac().name == "kac"
    assert kac(a=4.0, c=2.5).name == "kac:a=4,c=2.5"
    for bad in ({"a": 0.0}, {"a": math.inf}, {"c": -1.0}, {"c": math.nan}):
        with pytest.raises(InputError, match="must be positive and finite"):
            kac(**bad)
