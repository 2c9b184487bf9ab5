from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.flow import Multistep
from unstir.physics import DATA_STD, LinearProcess, parse, poisson
from unstir.physics.linear import squared_distances

NAMES = [
    "vp",
    "vp:schedule=cosine",
    "ve",
    "edm",
    "rectified",
    "poisson:D=1",
    "poisson:D=8",
    "yukawa:kappa=0.1",
]
every = pytest.mark.parametrize("process", [parse(name) for name in NAMES], ids=NAMES)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clock(process: LinearProcess, n: int = 7) -> Tensor:
    """Times inside the clock, evenly spaced in the logarithm of B/A."""
    return process.times(n + 2, rho=1e3)[1:-1]


@every
def test_times_fall_from_one_end_to_the_other(process: LinearProcess) -> None:
    for n in (2, 3, 18, 40, 1000):
        times = process.times(n)
        assert times.dtype == torch.float64
        assert times.shape == (n,)
        assert float(times[0]) == process.t_max
        assert float(times[-1]) == process.t_min
        assert bool((times.diff() < 0).all())
    assert process.times(1).tolist() == [process.t_max]


@every
def test_times_are_even_in_a_root_of_noise_to_signal(process: LinearProcess) -> None:
    for rho in (1.0, 7.0):
        times = process.times(20, rho)
        root = (process.B(times) / process.A(times)) ** (1 / rho)
        torch.testing.assert_close(root.diff(), root.diff().mean().expand(19), rtol=1e-6, atol=1e-9)


@every
@pytest.mark.parametrize("std", [DATA_STD, 10 * DATA_STD])
def test_a_jump_leaves_out_the_high_noise(process: LinearProcess, std: float) -> None:
    process = process.fitted(std)
    times = process.times(20, jump=8.0)
    assert float(times[0]) == process.t_max
    assert float(times[-1]) == process.t_min
    assert bool((times.diff() < 0).all())
    ratio = process.B(times) / process.A(times) / process.scale
    assert float(ratio[1]) == pytest.approx(8, rel=1e-6)
    root = ratio[1:] ** (1 / 7)
    torch.testing.assert_close(root.diff(), root.diff().mean().expand(18), rtol=1e-6, atol=1e-9)
    for beyond in (1e6, 1e-9):
        assert torch.equal(process.times(20, jump=beyond), process.times(20))
    assert torch.equal(process.times(2, jump=8.0), process.times(2))


def test_times_of_edm_are_karras_equation_5() -> None:
    i = np.arange(18)
    expected = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    np.testing.assert_allclose(parse("edm").times(18).numpy(), expected, rtol=1e-10)


def test_no_times_are_refused() -> None:
    with pytest.raises(ValueError, match="n=0: at least one time"):
        parse("edm").times(0)


@every
def test_the_flow_at_fixed_noise_is_the_paths_own_derivative(process: LinearProcess) -> None:
    # With one data point D = y, and x_t = A y + B ε at fixed ε solves the flow.
    y, noise, t = torch.randn(7, 3).double(), torch.randn(7, 3).double(), clock(process)

    def path(time: Tensor) -> Tensor:
        return process.A(time)[:, None] * y + process.B(time)[:, None] * noise

    x, expected = torch.func.jvp(path, (t,), (torch.ones_like(t),))
    found = process.velocity(x, t, y)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)
    wrong = process.velocity(x, t, 1.1 * y)
    assert float((wrong - expected).abs().max()) > 1e-3


@every
def test_the_kernel_integrates_to_one(process: LinearProcess) -> None:
    y = torch.tensor([[0.7]], dtype=torch.float64)
    for t in clock(process, 3):
        A, B = float(process.A(t)), float(process.B(t))

        # x = A y + B sinh u reaches a Cauchy law's tails within u = 40.
        def density(u: float, t: Tensor = t, A: float = A, B: float = B) -> float:
            x = torch.tensor([[A * 0.7 + B * math.sinh(u)]], dtype=torch.float64)
            return B * math.cosh(u) * math.exp(float(process.log_kernel(x, y, t[None])))

        mass = sum(scipy.integrate.quad(density, a, b, limit=200)[0] for a, b in ((-40, 0), (0, 40)))
        assert mass == pytest.approx(1, abs=1e-7)


@every
def test_perturbing_follows_the_kernel(process: LinearProcess) -> None:
    t = clock(process, 3)[1]
    A, B = float(process.A(t)), float(process.B(t))
    draws = process.perturb(torch.full((4000, 1), 0.7), t.expand(4000), seeded())
    # The kernel's distribution function by the trapezoid rule, on a grid that reaches into the tails.
    grid = A * 0.7 + B * torch.sinh(torch.linspace(-16, 16, 20_001, dtype=torch.float64))
    log_density = process.log_kernel(grid[:, None], torch.tensor([[0.7]]).double(), t.expand(len(grid)))
    below = scipy.integrate.cumulative_trapezoid(log_density[:, 0].exp().numpy(), grid.numpy(), initial=0)
    pvalue = scipy.stats.kstest(draws[:, 0].numpy(), lambda x: np.interp(x, grid.numpy(), below)).pvalue
    assert pvalue > 1e-3
    shifted = scipy.stats.kstest(
        draws[:, 0].numpy() + 0.2 * B, lambda x: np.interp(x, grid.numpy(), below)
    ).pvalue
    assert shifted < 1e-3


@every
def test_kernels_of_every_pair_and_time(process: LinearProcess) -> None:
    x, y, t = torch.randn(3, 2, 2).double(), torch.randn(4, 2, 2).double(), clock(process, 3)
    found = process.log_kernel(x, y, t)
    assert found.shape == (3, 4)
    assert found.dtype == torch.float64
    for i in range(3):
        for j in range(4):
            A, B = process.A(t[i]), process.B(t[i])
            squared = ((x[i] - A * y[j]) / B).square().sum()
            expected = process.noise.log_density(squared, 4) - 4 * B.log()
            torch.testing.assert_close(found[i, j], expected, rtol=1e-9, atol=1e-9)


@every
def test_the_prior_is_the_kernel_of_nothing_at_the_end(process: LinearProcess) -> None:
    x = process.prior(5, (3,), seeded(), torch.float64)
    assert x.shape == (5, 3)
    assert x.dtype == torch.float64
    end = torch.full((5,), process.t_max, dtype=torch.float64)
    expected = process.log_kernel(x, torch.zeros(1, 3).double(), end)[:, 0]
    torch.testing.assert_close(process.log_prior(x), expected)
    perturbed = process.perturb(torch.zeros(5, 3).double(), end, seeded())
    torch.testing.assert_close(x, perturbed)


@every
def test_fitting_to_wider_data_is_a_change_of_units(process: LinearProcess) -> None:
    wide = process.fitted(10 * DATA_STD)
    x, y, t = torch.randn(4, 3).double(), torch.randn(5, 3).double(), clock(process, 4)
    torch.testing.assert_close(wide.B(t), 10 * process.B(t))
    torch.testing.assert_close(wide.A(t), process.A(t))
    torch.testing.assert_close(wide.times(20), process.times(20))
    torch.testing.assert_close(
        wide.log_kernel(10 * x, 10 * y, t), process.log_kernel(x, y, t) - 3 * math.log(10)
    )
    torch.testing.assert_close(wide.velocity(10 * x, t, 10 * x / 3), 10 * process.velocity(x, t, x / 3))
    torch.testing.assert_close(wide.time_at(wide.B(t) / wide.A(t)), t, rtol=1e-8, atol=1e-10)
    assert wide.name == process.name
    assert process.fitted(DATA_STD) == process


@every
def test_the_time_of_a_ratio_stays_on_the_clock(process: LinearProcess) -> None:
    ratio = torch.tensor([1e-9, 1e9], dtype=torch.float64)
    assert process.time_at(ratio).tolist() == [process.t_min, process.t_max]


@pytest.mark.parametrize("std", [0.0, -1.0, float("inf"), float("nan")])
def test_no_spread_is_refused(std: float) -> None:
    with pytest.raises(ValueError, match="must be positive and finite"):
        parse("edm").fitted(std)


@every
def test_the_target_is_the_data(process: LinearProcess) -> None:
    y = torch.randn(2, 3)
    assert process.target(y, y + 1, torch.ones(2)) is y


def test_shapes_that_do_not_fit_are_refused() -> None:
    process = parse("edm")
    with pytest.raises(ValueError, match=r"data: items have shape \(3,\), those of x \(2,\)"):
        process.log_kernel(torch.zeros(1, 2), torch.zeros(1, 3), torch.ones(1))
    with pytest.raises(ValueError, match="t: has shape"):
        process.perturb(torch.zeros(2, 2), torch.ones(3), seeded())
    with pytest.raises(ValueError, match="give floats"):
        process.velocity(torch.zeros(2, 2, dtype=torch.int64), torch.ones(2), torch.zeros(2, 2))


def test_squared_distances() -> None:
    x, y, factor = torch.randn(5, 8).double(), torch.randn(7, 8).double(), torch.rand(5, 1).double()
    expected = (x[:, None] - factor[:, None] * y).square().sum(2)
    torch.testing.assert_close(squared_distances(x, y, factor), expected)
    same = squared_distances(y, y, torch.ones(7, 1).double()).diagonal()
    assert bool((same >= 0).all())
    assert float(same.max()) < 1e-12


def test_infinitely_many_extra_dimensions_are_edm_to_the_bit() -> None:
    limit, edm = poisson(D=math.inf), parse("edm")
    data, t = torch.randn(4, 3), torch.tensor([0.01, 0.5, 3.0, 70.0])
    assert torch.equal(limit.prior(9, (3,), seeded()), edm.prior(9, (3,), seeded()))
    assert torch.equal(limit.perturb(data, t, seeded()), edm.perturb(data, t, seeded()))
    assert torch.equal(limit.log_kernel(data, data, t), edm.log_kernel(data, data, t))


@pytest.mark.parametrize("dimension", [2, 3072])
def test_pfgms_prior_is_cauchys(dimension: int) -> None:
    x = poisson(D=1).prior(3000, (dimension,), seeded()).double() / 80
    law = scipy.stats.f(dimension, 1)
    assert scipy.stats.kstest(x.square().mean(1).numpy(), law.cdf).pvalue > 1e-3


def test_the_hemisphere_seen_from_its_centre_is_evenly_charged() -> None:
    # A line from a charge in the plane's middle to a point of the prior at height r_max = σ_max√D meets the
    # hemisphere at an angle θ. Uniform on it in N + 1 = 3 dimensions, cos θ is uniform on (0, 1).
    x = poisson(D=1).prior(5000, (2,), seeded(), torch.float64)
    cosine = 80 / torch.sqrt(x.square().sum(1) + 80**2)
    assert scipy.stats.kstest(cosine.numpy(), scipy.stats.uniform().cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", ["edm", "vp", "pfgm"])
def test_wide_data_move_the_leap_of_few_steps(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    process = parse(name)
    assert isinstance(process, LinearProcess)
    # 400 numbers move as one: a deviation of 0.5 √400 in one direction.
    wide = 0.5 * torch.randn(2000, 1, generator=generator) * torch.ones(400)
    narrow = 0.5 * torch.randn(2000, 2, generator=generator)
    known = process.prepared(wide)
    assert known.layout.leap == pytest.approx(0.125 * 10, rel=0.05)
    second = torch.tensor(Multistep().times(known, 10)[1])
    if name != "pfgm":  # whose clock begins below that
        assert float(known.B(second) / known.A(second)) == pytest.approx(10 * known.layout.leap, rel=1e-3)
    assert process.prepared(narrow).layout == process.layout
    assert "spread" not in process.prepared(narrow).kept()
    # A run keeps it, and refuses what is none.
    assert process.restored(known.kept()) == known
    with pytest.raises(InputError, match="spread"):
        process.restored({**known.kept(), "spread": torch.tensor(-1.0)})
