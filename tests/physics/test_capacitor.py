"""The capacitor's law and velocity: Gauss's law is continuity, and both plates must be weighed together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import cumulative_trapezoid
from torch import Tensor

from unstir.fields import ExactPlates
from unstir.measure.certificates import continuity_residual
from unstir.physics import Capacitor, PointPlate, capacitor, parse
from unstir.physics.capacitor import level_time, time_level

POINTS = torch.tensor([[0.5, 0.1], [-0.6, 0.3], [0.1, -0.4]], dtype=torch.float64)
FAR = torch.tensor([[0.7, -0.5], [-0.2, 0.6], [-0.5, -0.1], [0.0, 0.2]], dtype=torch.float64)


def density(process: Capacitor, data: Tensor) -> Callable[[Tensor, float], Tensor]:
    def log_density(x: Tensor, t: float) -> Tensor:
        logs = process.log_kernel(x, data, torch.full((len(x),), t, dtype=torch.float64))
        return torch.logsumexp(logs, 1) - np.log(len(data))

    return log_density


@pytest.mark.parametrize("far", [None, FAR], ids=["gaussian", "points"])
def test_the_velocity_carries_the_flux(far: Tensor | None) -> None:
    process = capacitor(3.0).prepared(POINTS, far)
    field = ExactPlates(process, POINTS)
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for t in (0.1, 0.5, 0.85):

        def velocity(x: Tensor, t: float) -> Tensor:
            time = torch.full((len(x),), t, dtype=torch.float64)
            return process.velocity(x, time, field(x, time))

        def apart(x: Tensor, t: float) -> Tensor:
            """Each plate normalised before they are brought together, as the published code does."""
            time = torch.full((len(x),), t, dtype=torch.float64)
            L, z = process.length((2,)), process.length((2,)) * time
            plus, minus = field.near.pull(x, z)[1], field.far.pull(x, z - L)[1]
            along = (z - (z - L))[:, None]
            return process.velocity(x, time, torch.cat([plus - minus, along], 1))

        log_density = density(process, POINTS)
        assert float(continuity_residual(process, log_density, velocity, x, t).max()) < 1e-5
        assert float(continuity_residual(process, log_density, apart, x, t).median()) > 0.03


def test_particles_follow_the_law_of_the_kernel() -> None:
    process, y = capacitor(3.0), torch.full((20_000, 1), 0.4, dtype=torch.float64)
    for t in (0.05, 0.5, 0.9):
        x = process.perturb(y, torch.full((len(y),), t), torch.Generator().manual_seed(1))[:, 0]
        grid = torch.sinh(torch.linspace(-14, 14, 20_001, dtype=torch.float64))
        logs = process.log_kernel(grid[:, None], y[:1], torch.full((len(grid),), t, dtype=torch.float64))[
            :, 0
        ]
        law = cumulative_trapezoid(logs.exp().numpy(), grid.numpy(), initial=0)
        assert abs(law[-1] - 1) < 1e-4
        expected = np.interp(x.sort().values.numpy(), grid.numpy(), law)
        assert np.abs(expected - (np.arange(len(x)) + 0.5) / len(x)).max() < 1.63 / len(x) ** 0.5


def test_the_field_is_the_posterior_mean_of_one_charges() -> None:
    process = capacitor(2.0)
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.linspace(0.05, 0.95, 20, dtype=torch.float64)
    share = torch.softmax(process.log_kernel(x, POINTS, t), 1)
    one = torch.stack([process.target(y.expand_as(x), x, t) for y in POINTS], 1)
    field = ExactPlates(process, POINTS)(x, t)
    torch.testing.assert_close((share[..., None] * one).sum(1), field / field[:, -1:])


def test_lines_within_reach_stay_near_their_charges() -> None:
    process, y = capacitor(2.0), torch.zeros(4000, 16)
    t = torch.full((4000,), 0.3)
    x = process.on_lines(y, t, torch.Generator().manual_seed(0), 0.8, torch.full_like(t, 0.5))
    # |g| > 0.3/0.8 from the near plate: ‖x‖ = 0.3 L χ_16/|g|, of which χ_16 < 7 but for 1e-5
    assert float(x.norm(dim=1).max()) < 0.8 * process.length((16,)) * 7
    assert float(process.perturb(y, t, torch.Generator().manual_seed(0)).norm(dim=1).max()) > 1000


def test_the_usual_distance_leaves_little_leak() -> None:
    assert capacitor().length((2,)) / (0.5 * 2**0.5) == pytest.approx(0.02**-0.5)
    assert capacitor(3.0).length((1, 8, 8)) == pytest.approx(12.0)


def test_levels_and_times_are_each_others_inverse() -> None:
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(level_time(time_level(t, 0.02), 0.02), t, rtol=0, atol=1e-12)
    times = capacitor().times(12)
    assert len(times) == 12
    assert float(times[0]) == pytest.approx(0.999)
    assert float(times[-1]) == 0
    assert bool((times.diff() < 0).all())


def test_the_far_plate_is_kept(refused: Callable[..., str]) -> None:
    process = capacitor().prepared(POINTS, FAR)
    again = parse(process.name).restored(process.kept())
    assert isinstance(again, Capacitor)
    assert isinstance(again.far_plate(), PointPlate)
    drawn = again.prior(50, (2,), torch.Generator().manual_seed(0))
    assert float(torch.cdist(drawn.double(), FAR).amin(1).max()) < 1e-6
    assert "shape" in refused(capacitor().prepared, POINTS, torch.zeros(3, 5))
    assert "far" in refused(capacitor().restored, {"near": FAR})
    assert "shape" in refused(again.prior, 2, (3,), torch.Generator())
    assert "L=-1" in refused(parse, "capacitor:L=-1")
    assert capacitor().kept() == {}
