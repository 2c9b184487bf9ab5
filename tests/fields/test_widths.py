from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unstir.fields import NeuralField
from unstir.fields.widths import fit_widths
from unstir.flow.sampling import sample
from unstir.measure.tails import survival_distance
from unstir.physics import parse


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def student(n: int, size: int, freedom: float = 3) -> Tensor:
    normal = torch.randn(n, size, generator=seeded())
    chi = torch.from_numpy(np.random.default_rng(0).chisquare(freedom, n)).float()
    x = normal * torch.sqrt(freedom / chi)[:, None]
    return 0.5 * x / x.square().mean().sqrt()


class Nothing(nn.Module):
    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        return torch.zeros_like(x)


@pytest.mark.parametrize("size", [2, 8])
def test_items_of_one_gaussian_law_have_one_width(size: int) -> None:
    variances, log_shares = fit_widths(0.5 * torch.randn(20_000, size, generator=seeded()))
    shares = log_shares.exp()
    assert float(shares @ variances) == pytest.approx(0.25, rel=0.01)
    # Neighbours of a grid with this spacing cannot be told apart.
    assert float(shares[(variances / 0.25).log().abs() < 0.8].sum()) > 0.99


def test_two_widths_are_found() -> None:
    wide = torch.arange(30_000) % 10 == 0
    items = torch.randn(30_000, 4, generator=seeded()) * torch.where(wide, 10.0, 0.5)[:, None]
    variances, log_shares = fit_widths(items)
    far = variances > 5
    assert float(log_shares[far].exp().sum()) == pytest.approx(0.1, abs=0.005)
    assert float((log_shares.exp() * variances)[far].sum()) == pytest.approx(10, rel=0.05)


def test_the_mixture_has_the_tail_of_heavy_data() -> None:
    items = student(50_000, 4)
    variances, log_shares = fit_widths(items)
    sizes = items.square().sum(1).double()
    plain = []
    for share in (1e-1, 1e-2, 1e-3):
        place = sizes.quantile(1 - share)
        z = place / (2 * variances)
        beyond = (1 + z) * torch.exp(-z)  # of χ² with 4 degrees of freedom
        assert float(log_shares.exp() @ beyond) == pytest.approx(share, rel=0.25)
        plain.append(float((1 + 2 * place) * torch.exp(-2 * place)))  # one width of ¼
    assert plain[-1] < 1e-6


@pytest.mark.parametrize("name", ["poisson:D=3", "yukawa:kappa=0.1"])
def test_in_four_dimensions_the_skip_path_is_the_exact_posterior_mean(name: str) -> None:
    # ν = N there, so that nothing is approximate: W and v are integrated by independent quadrature.
    process = parse(name).fitted(0.5)
    field = NeuralField(Nothing(), process)
    field.prepare(student(20_000, 4))
    u, log_weights = process.noise.mixing_nodes(200)  # nodes as close as 200 dimensions need
    W, v = u[:, None], field.widths.double()
    for t in process.times(5)[1:4].tolist():
        B = float(process.B(torch.tensor(t, dtype=torch.float64)))
        x = torch.randn(6, 4, generator=seeded(1)) * torch.logspace(-1, 1.5, 6)[:, None]
        V = v + B**2 * W
        energy = x.double().square().sum(1)[:, None, None]
        logits = log_weights[:, None] + field.log_shares.double() - 2 * V.log() - energy / (2 * V)
        share = torch.softmax(logits.flatten(1), 1).reshape(logits.shape)
        expected = (share * v / V).sum((1, 2))[:, None] * x
        torch.testing.assert_close(field.at(t)(x, None).double(), expected, rtol=5e-3, atol=1e-4)


def test_far_items_are_not_dropped_for_noise() -> None:
    process = parse("poisson:D=3").fitted(0.5)
    items = student(20_000, 8)
    field, unprepared = NeuralField(Nothing(), process), NeuralField(Nothing(), process)
    field.prepare(items)
    far = items[items.square().mean(1) > 10 * 0.25]
    t = torch.full((len(far),), 0.15)
    x = process.perturb(far, t, seeded(2))
    left = [(f(x, t) - far).square().mean(1).median() / 0.25 for f in (field, unprepared)]
    assert float(left[0]) < 2
    assert float(left[1]) > 10


def test_a_low_d_brings_the_tail_before_any_training_and_lighter_noise_does_not() -> None:
    # What `benchmarks/heavy.py` measures of trained networks, of the skip path alone.
    items, apart = student(20_000, 8), {}
    for name in ("poisson:D=3", "poisson:D=128", "edm"):
        process = parse(name).fitted(0.5)
        field = NeuralField(Nothing(), process)
        field.prepare(items)
        drawn = sample(process, field, 2000, (8,), batch=2000, steps=12)
        apart[name] = survival_distance(*(it.square().mean(1).sqrt() for it in (drawn, items)))
    assert apart["poisson:D=3"] < 0.1
    assert apart["poisson:D=128"] > 0.3
    assert apart["edm"] > 0.3


def test_widths_are_kept_with_a_run_only_where_they_are_used() -> None:
    assert "widths" in NeuralField(Nothing(), parse("poisson:D=3")).state_dict()
    assert "widths" not in NeuralField(Nothing(), parse("edm")).state_dict()


def test_no_items_but_zeros_are_no_error() -> None:
    variances, log_shares = fit_widths(torch.zeros(5, 3))
    assert bool(variances.isfinite().all())
    assert bool(log_shares.isfinite().all())
