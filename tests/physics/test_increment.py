"""What independent noise adds: the law at a higher noise level comes back."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import ks_2samp

from unstir import physics
from unstir.physics import LinearProcess

N = 20_000


@pytest.mark.parametrize(
    "name",
    ["poisson:D=1", "poisson:D=3", "poisson:D=20", "yukawa:kappa=1", "yukawa:kappa=10", "levy:alpha=1.2"],
)
@pytest.mark.parametrize("high", [1.05, 2.0])
def test_noise_and_what_is_added_have_the_law_of_the_noise(name: str, high: float) -> None:
    process = physics.parse(name)
    assert isinstance(process, LinearProcess)
    law = process.noise
    assert law.jumps
    own, fresh = (law.mixing(N, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    uniform = torch.rand((2, N), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    added = law.mixing_added(1.0, high, own, 2, *uniform)
    both = (own + (high**2 - 1) * added) / high**2
    assert ks_2samp(both.numpy(), fresh.numpy()).pvalue > 1e-3
    if high > 1.5:  # the same numbers without their own share are of another law
        assert ks_2samp(added.numpy(), fresh.numpy()).pvalue < 1e-3 or name == "levy:alpha=1.2"


@pytest.mark.parametrize("name", ["edm", "poisson:D=128", "yukawa:kappa=100"])
def test_where_a_state_tells_its_noise_nothing_jumps(name: str) -> None:
    process = physics.parse(name)
    assert isinstance(process, LinearProcess)
    law, squared = process.noise, torch.tensor([3.0, 60.0], dtype=torch.float64)
    uniform = torch.tensor([0.2, 0.7], dtype=torch.float64)
    assert not law.jumps
    found = law.mixing_added(1.0, 1.3, squared, 50, uniform, uniform)
    assert torch.equal(found, law.mixing_given(squared, 50, uniform))


def test_the_mean_of_what_is_added_is_that_of_the_noise() -> None:
    # E W = 1 at any level, and so of the difference: by the midpoints of 100,000 equal shares.
    law = physics.InverseGaussianMixture(1.0)
    shares = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    assert float(law.mixing_added(1.0, 1.3, shares, 2, shares, shares).mean()) == pytest.approx(1, abs=5e-3)
    # Cauchy's law adds up: σ² + what is added, in one dimension, has the quartile high.
    cauchy = physics.StudentT(1.0)
    quartile = float(cauchy.mixing_added(1.0, 3.0, shares, 1, shares, shares).median())
    assert quartile == pytest.approx(2**2 / (3**2 - 1) / 0.6744898**2, rel=1e-2)
    assert math.isfinite(quartile)
