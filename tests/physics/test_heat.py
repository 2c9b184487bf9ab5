"""Heat: the closed form of its law, its neighbours, and a prior that is kept."""

from __future__ import annotations

import pytest
import torch
from tests.conftest import Mixture, Refused

from unstir.fields import ExactField, MixtureField
from unstir.flow import Multistep, sample
from unstir.measure import continuity_residual
from unstir.physics import (
    DampedProcess,
    Gaussian,
    HeatProcess,
    LinearProcess,
    Rotation,
    blurring,
    heat,
    heat_poisson,
    parse,
)

SHAPE = (1, 4, 6)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def items(n: int = 400, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return 0.5 * torch.randn(n, *shape, generator=seeded(), dtype=torch.float64)


@pytest.mark.parametrize("process", [blurring(), heat(), heat_poisson(8.0)], ids=lambda p: p.name)
def test_a_state_has_the_damped_mean_and_white_noise(process: DampedProcess) -> None:
    y = items(1).expand(40_000, *SHAPE)
    t = torch.full((40_000,), 0.6 * process.t_max, dtype=torch.float64)
    x = process.perturb(y, t, seeded())
    u = process.basis.coordinates(x)
    A, B = process.signal(t[:1], SHAPE)[0], float(process.B(t[:1]))
    # E W = 8/6 for eight extra dimensions
    variance = B**2 * (8 / 6 if process.noise.mixed else 1)
    error = (u.mean(0) - A * process.basis.coordinates(y[:1])[0]) * 200 / variance**0.5
    assert float(error.abs().max()) < 4.5
    torch.testing.assert_close(u.var(0), torch.full(SHAPE, variance, dtype=torch.float64), rtol=0.08, atol=0)


@pytest.mark.parametrize("process", [blurring(), heat(0.1), heat_poisson(8.0)], ids=lambda p: p.name)
def test_kernel_and_velocity_obey_continuity(process: DampedProcess) -> None:
    weights, means = torch.tensor([0.6, 0.4]), items(2, (4,))
    field = MixtureField(
        process, weights, means, torch.diag_embed(torch.rand(2, 4, generator=seeded()) + 0.05)
    )
    for share in (0.3, 0.7):
        t = process.t_min + share * (process.t_max - process.t_min)
        y = field.sample(20, seeded(1))
        x = process.perturb(y, torch.full((20,), t, dtype=torch.float64), seeded(2))

        def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
            return process.velocity(x, torch.full((len(x),), t, dtype=torch.float64), field.at(t)(x, None))

        assert float(continuity_residual(process, field.log_density, velocity, x, t).max()) < 1e-5

        def undamped(x: torch.Tensor, t: float) -> torch.Tensor:
            """A flow that forgets to damp the modes."""
            f, g = LinearProcess("x", process.schedule).drift(torch.tensor(t, dtype=torch.float64))
            return f * x + g * field.at(t)(x, None)

        assert float(continuity_residual(process, field.log_density, undamped, x, t).median()) > 1e-3


def test_the_exact_field_of_points_agrees_with_narrow_gaussians() -> None:
    process, points = blurring(), items(5)
    narrow = MixtureField(process, torch.ones(5), points, torch.full((5,), 1e-12))
    exact = ExactField(process, points)
    for t in (0.1, 0.7, 1.3):
        times = torch.full((30,), t, dtype=torch.float64)
        x = process.perturb(points.repeat(6, 1, 1, 1), times, seeded())
        torch.testing.assert_close(exact(x, times), narrow.at(t)(x, None), rtol=1e-5, atol=1e-7)
        densities = torch.logsumexp(process.log_kernel(x, points, times), 1) - torch.tensor(5.0).log()
        torch.testing.assert_close(densities, narrow.log_density(x, t), rtol=1e-6, atol=1e-6)


def test_without_blur_it_is_variance_preserving_diffusion() -> None:
    plain = LinearProcess("vp", blurring().schedule, Gaussian())
    t = torch.linspace(plain.t_min, plain.t_max, 30, dtype=torch.float64)
    x = items(30)
    still = blurring(0.0)
    torch.testing.assert_close(still.perturb(x, t, seeded()), plain.perturb(x, t, seeded()))
    f, g = still.drift(t, SHAPE)
    torch.testing.assert_close(f, plain.drift(t)[0])
    torch.testing.assert_close(
        g.expand(30, *SHAPE), plain.drift(t)[1].reshape(-1, 1, 1, 1).expand(30, *SHAPE)
    )
    assert isinstance(plain.schedule, Rotation)
    many = heat_poisson(float("inf"), 0.4)
    torch.testing.assert_close(many.perturb(x, t, seeded()), blurring(0.4).perturb(x, t, seeded()))


@pytest.mark.parametrize("steps", [10, 20])
def test_heat_flows_back_to_the_mixture(steps: int, mixture: Mixture) -> None:
    """Blurred data, sharpened by the exact field, are the data again: means, covariances and shares."""
    process = heat(0.02)
    data = mixture(process, 2).sample(20_000, seeded())
    prepared = process.prepared(data)
    field = mixture(prepared, 2)
    x = sample(
        prepared, field, 20_000, (2,), solver=Multistep(), steps=steps, dtype=torch.float64, batch=4096
    )
    owner, truth = torch.cdist(x, field.means).argmin(1), field.covariances
    for k in range(3):
        mine = x[owner == k]
        assert len(mine) / len(x) == pytest.approx(float(field.weights[k]), abs=0.02)
        assert float((mine.mean(0) - field.means[k]).norm()) < 0.02
        assert float((torch.cov(mine.T) - truth[k]).norm() / truth[k].norm()) < 0.06


def test_the_prior_is_kept_as_few_modes_and_restored(refused: Refused) -> None:
    shape = (1, 8, 8)
    data = items(300, shape)
    process = heat().prepared(data)
    kept = process.kept()
    assert kept["reservoir"].shape[1] < 30  # of 64 modes
    again = heat().restored(kept)
    assert isinstance(again, HeatProcess)
    drawn = again.prior(5000, shape, seeded())
    assert torch.equal(drawn, process.prior(5000, shape, seeded()))
    end = torch.full((300,), process.t_max, dtype=torch.float64)
    truth = process.perturb(data, end, seeded(1))
    torch.testing.assert_close(
        process.basis.coordinates(drawn).var(0),
        process.basis.coordinates(truth).var(0).float(),
        rtol=0.5,
        atol=3e-4,
    )
    assert "make it with process.prepared(items)" in refused(heat().prior, 1, shape, seeded())
    assert "spectrum" in refused(heat().restored, {"spectrum": kept["spectrum"]})
    assert "does not fit" in refused(heat().restored, kept | {"modes": kept["modes"] + 60})


def test_starting_from_given_images_keeps_their_coarse_shape() -> None:
    data = items(50, (1, 8, 8))
    process = heat().prepared(data)
    begun = process.begin(data[:3].float(), seeded())
    blurred = process.basis.state(
        process.signal(torch.tensor(1.0), (1, 8, 8)) * process.basis.coordinates(data[:3])
    )
    assert float((begun - blurred).abs().max()) < 5 * 0.02


def test_names_are_equal_where_processes_are() -> None:
    assert parse("heat") == heat()
    assert parse("heat") != heat(0.03)
    assert hash(blurring()) == hash(parse("blurring"))
    assert heat().prepared(items()) == heat()


@pytest.mark.parametrize("name", ["blurring", "heat_poisson:D=128"])
def test_few_times_leap_and_end_a_little_early(name: str) -> None:
    process = parse(name).prepared(torch.randn(50, 1, 6, 6, generator=seeded()) / 2)
    assert isinstance(process, LinearProcess)
    for n in (3, 4, 10, 40, 400):
        times = process.few_times(n)
        assert len(times) == n
        assert bool((times.diff() < 0).all())
        assert float(times[0]) == process.t_max
        left = float((times[-1] - process.t_min) / (process.t_max - process.t_min))
        rho = process.layout.rho
        assert 0 < left < (2 / (n - 1)) ** rho
        roots = ((times[1:] - process.t_min) / (process.t_max - process.t_min)) ** (1 / rho)
        torch.testing.assert_close(roots.diff(), roots.diff()[:1].expand(n - 2))
    ratio = process.B(process.few_times(10)[1]) / process.A(process.few_times(10)[1])
    assert float(ratio) == pytest.approx(10 * process.layout.leap, rel=1e-6)
