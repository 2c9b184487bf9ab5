"""Tails against laws whose index and quantiles are known."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
import torch
from scipy import stats
from torch import Tensor

from unstir.errors import InputError
from unstir.measure.tails import Shadows, hill_index, log_quantiles, survival_distance, tails

SHARES = torch.linspace(0, 1, 100_001, dtype=torch.float64)[1:-1]


def pareto(alpha: float) -> Tensor:
    """The quantiles of P(r > x) = x^{-alpha}, x >= 1, at evenly spaced shares: a sample without chance."""
    return SHARES ** (-1 / alpha)


@pytest.mark.parametrize("alpha", [0.7, 1.0, 3.0, 12.0])
def test_hill_finds_the_index_of_a_pareto_law(alpha: float) -> None:
    assert float(hill_index(pareto(alpha))) == pytest.approx(alpha, rel=2e-3)


def test_hill_is_scipy_s_maximum_likelihood() -> None:
    sizes = torch.from_numpy(stats.pareto(2.5).rvs(2000, random_state=1))
    largest = sizes.sort(descending=True).values[:101]
    shape, _, _ = stats.pareto.fit(largest[:-1].numpy(), floc=0, fscale=float(largest[-1]))
    assert float(hill_index(sizes, share=0.05)) == pytest.approx(shape, rel=1e-9)


def test_hill_of_random_draws_is_within_its_own_error() -> None:
    sizes = torch.from_numpy(stats.t(3).rvs(200_000, random_state=0)).abs()
    k = 400
    assert abs(float(hill_index(sizes, share=k / len(sizes))) - 3) < 3 * 3 / math.sqrt(k)
    normal = torch.from_numpy(stats.norm.rvs(size=200_000, random_state=0)).abs()
    assert float(hill_index(normal, share=k / len(sizes))) > 8  # no power law: far above any


def test_survival_of_pareto_laws_differs_by_the_indices() -> None:
    a, b = pareto(2.0), pareto(5.0)
    p = torch.logspace(-1, math.log10(5 / len(a)), 50, dtype=torch.float64)
    exact = (1 / 2 - 1 / 5) * float(-p.log().mean())
    assert survival_distance(a, b) == pytest.approx(exact, rel=5e-3)
    assert survival_distance(a, 2 * a) == pytest.approx(math.log(2), rel=1e-9)
    assert survival_distance(a, a) == 0


def test_quantiles_are_the_law_s() -> None:
    found = log_quantiles(pareto(3.0)[:, None], torch.tensor([0.01, 0.001]).double())
    assert found[:, 0].tolist() == pytest.approx([math.log(100) / 3, math.log(1000) / 3], rel=2e-3)


def test_equal_laws_agree_and_a_light_tail_does_not() -> None:
    draw = torch.Generator().manual_seed(0)
    normal = torch.randn(3, 20_000, 4, generator=draw, dtype=torch.float64)
    stretch = torch.from_numpy(stats.chi2(3).rvs((2, 20_000, 1), random_state=0) / 3).rsqrt()
    heavy, other = normal[0] * stretch[0], normal[1] * stretch[1]
    light = normal[2] * heavy.std(0)
    same, gauss = tails(other, heavy), tails(light, heavy)
    assert same.index == pytest.approx(3, abs=0.4)
    assert same.index_error < 0.05
    assert gauss.index_error > 0.15
    assert same.quantile_99 < 0.06
    assert gauss.quantile_99 > 0.12
    assert same.quantile_999 < 0.15
    assert gauss.quantile_999 > 0.4
    assert same.survival < 0.08
    assert gauss.survival > 0.3
    # A factor of two is ln 2 whatever the unit, and the unit itself counts for nothing.
    twice = tails(2 * heavy - heavy.median(0).values, heavy)
    assert twice.quantile_999 == pytest.approx(math.log(2), abs=0.02)
    scale = torch.tensor([1.0, 10.0, 1e3, 1e-3])
    assert astuple(tails(other * scale, heavy * scale)) == pytest.approx(astuple(same), rel=1e-6)


def test_a_constant_column_is_no_tail() -> None:
    x = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    x[:, 1] = 5
    assert torch.equal(Shadows.fit(x).sizes(x)[:, 2], torch.zeros(100).double())


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=f"share={share}"):
        hill_index(torch.ones(10), share=share)


def test_sizes_of_zero_are_no_tail() -> None:
    with pytest.raises(InputError, match="0 or below"):
        hill_index(torch.zeros(100))
    with pytest.raises(InputError, match="samples has shape"):
        tails(torch.ones(3, 2), torch.ones(30, 2))
