"""PFGM: its rule, its hemisphere, and that it and `poisson:D=1` are one physics."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from tests.conftest import Refused

from unstir.fields import ExactField
from unstir.flow import Heun, trajectory
from unstir.physics import Pfgm, pfgm, poisson


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_m_and_the_height_follow_the_published_rule() -> None:
    """CIFAR-10 in [−1, 1]: M = 291 and z_max = 40 in the paper, whose mean norm is about 27.7 … 30."""
    data = torch.randn(500, 3072, generator=seeded())
    data = 30 * data / data.norm(dim=1, keepdim=True)
    process = pfgm().prepared(data)
    assert abs(process.M - 291) < 8
    assert float(process.B(torch.tensor(1.0))) == pytest.approx(40, rel=0.25)
    assert float(process.B(torch.tensor(0.0))) == pytest.approx(1e-3)
    assert pfgm(M=200).prepared(data).M == 200


def test_the_field_is_the_sum_of_the_charges() -> None:
    """E of the paper's equation 4, summed by hand in N + 1 dimensions, points where the flow goes."""
    process, charges = pfgm(), torch.randn(6, 3, generator=seeded(), dtype=torch.float64)
    field = ExactField(process, charges)
    x = torch.randn(40, 3, generator=seeded(1), dtype=torch.float64)
    t = torch.rand(40, generator=seeded(2), dtype=torch.float64)
    z = process.B(t)
    away = torch.cat([x[:, None] - charges, z[:, None, None].expand(40, 6, 1)], 2)
    E = (away / away.norm(dim=2, keepdim=True) ** 4).sum(1)
    slope = E[:, :3] / E[:, 3:]  # dx/dz
    dz = process.drift(t)[0] * z  # dz/dt of z exponential in t
    torch.testing.assert_close(process.velocity(x, t, field(x, t)), slope * dz[:, None], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(slope, (x - field(x, t)) / z[:, None], rtol=1e-9, atol=1e-9)


def test_the_hemisphere_is_uniform_and_its_shadow_is_the_prior_of_poisson() -> None:
    size, n = 5, 20_000
    process = pfgm(M=250)
    point = process.hemisphere(n, size, seeded())
    assert float((point.norm(dim=1) - 1).abs().max()) < 1e-12
    # On a uniform sphere of N + 1 dimensions one squared coordinate is Beta(½, N/2).
    assert stats.kstest(point[:, -1].square().numpy(), stats.beta(0.5, size / 2).cdf).pvalue > 1e-3
    assert stats.kstest(point[:, 0].square().numpy(), stats.beta(0.5, size / 2).cdf).pvalue > 1e-3
    z = float(process.B(torch.tensor(1.0, dtype=torch.float64)))
    shadow = process.prior(n, (size,), seeded(), torch.float64) / z
    assert stats.kstest(shadow[:, 0].numpy(), stats.t(1).cdf).pvalue > 1e-3
    radius = shadow.square().sum(1)
    assert stats.kstest((radius / size).numpy(), stats.f(size, 1).cdf).pvalue > 1e-3
    theirs = poisson(D=1, sigma_max=z).prior(n, (size,), seeded(3), torch.float64) / z
    assert stats.ks_2samp(radius.numpy(), theirs.square().sum(1).numpy()).pvalue > 1e-3
    # A hemisphere whose height is drawn uniformly is another law, except on a sphere of three dimensions.
    wrong = torch.rand(n, generator=seeded())
    assert stats.kstest(wrong.square().numpy(), stats.beta(0.5, size / 2).cdf).pvalue < 1e-6


def test_it_and_poisson_of_one_dimension_carry_the_same_prior_to_the_same_data() -> None:
    process = pfgm(M=250)
    z_max = float(process.B(torch.tensor(1.0, dtype=torch.float64)))
    other = poisson(D=1, sigma_min=1e-3, sigma_max=z_max)
    data = torch.randn(20, 2, generator=seeded(), dtype=torch.float64)
    x = process.prior(500, (2,), seeded(1), torch.float64)
    ends = []
    for p in (process, other):
        heights = torch.logspace(math.log10(z_max * (1 - 1e-12)), -3, 400, dtype=torch.float64)
        times = p.time_at(heights).tolist()
        *_, last = trajectory(p, ExactField(p, data), x, times=times, solver=Heun())
        ends.append(last.state)
    # Chaos at the borders between two charges' basins parts a few.
    same = (ends[0] - ends[1]).norm(dim=1) < 1e-2
    assert float(same.double().mean()) > 0.99
    nearest = torch.cdist(ends[0], data).min(1).values
    assert float((nearest < 1e-2).double().mean()) > 0.97


def test_points_are_scattered_as_the_paper_says() -> None:
    process, n = pfgm(M=200), 50_000
    data = torch.zeros(n, 4)
    x, z = process.scatter(data, seeded())
    # Both grow with the same (1 + τ)^m: their ratio is that of a normal vector to a normal number.
    ratio = (x.norm(dim=1) / z).double()
    assert stats.kstest((ratio.square() / 4).numpy(), stats.f(4, 1).cdf).pvalue > 1e-3
    steps = (x.norm(dim=1) / process.sigma).log() / math.log1p(process.tau)
    assert -60 < float(steps.min()) < 10
    assert 195 < float(steps.max()) < 270
    grazing = ratio > 20
    low, high = steps[grazing].double().mean(), steps[~grazing].double().mean()
    assert float(high - low) > 10  # grazing points stay low


def test_what_is_kept_comes_back(refused: Refused) -> None:
    process = pfgm().prepared(0.5 * torch.randn(100, 64, generator=seeded()))
    again = pfgm().restored(process.kept())
    assert again == process
    assert isinstance(again, Pfgm)
    assert "does not hold its M" in refused(pfgm().restored, {})
    assert "does not hold its M" in refused(pfgm().restored, {"M": torch.tensor(0)})
    assert "tau above" in refused(pfgm, tau=0.0) or "sigma and tau" in refused(pfgm, tau=0.0)
