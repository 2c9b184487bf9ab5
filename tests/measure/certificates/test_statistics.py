"""The tests between laws keep their level, and see what they should."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unstir.measure.certificates.cells import Cells
from unstir.measure.certificates.statistics import LEVEL, goodness, two_counts, two_sample


def normal(n: int, seed: int) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def log_normal(x: Tensor) -> Tensor:
    return -0.5 * x.square().sum(1) - math.log(2 * math.pi)


def test_two_samples_of_one_law_are_seldom_told_apart() -> None:
    ps = [
        two_sample(normal(500, 2 * i), normal(500, 2 * i + 1), torch.Generator().manual_seed(i))
        for i in range(60)
    ]
    assert sum(p < 0.1 for p in ps) <= 12  # 6 of 60 at most in the mean, by Bonferroni
    assert min(ps) > 1e-3


@pytest.mark.parametrize("wrong", ["wide", "shifted", "turned", "ring"])
def test_two_samples_of_different_laws_are(wrong: str) -> None:
    a, b = normal(20_000, 0), normal(20_000, 1)
    if wrong == "wide":
        b = 1.05 * b
    elif wrong == "shifted":
        b = b + torch.tensor([0.05, 0.0])
    elif wrong == "turned":
        a, b = a * torch.tensor([1.0, 0.8]), b * torch.tensor([0.8, 1.0])
    else:
        b = b / b.norm(dim=1, keepdim=True) * a.norm(dim=1).mean()
    assert two_sample(a, b, torch.Generator().manual_seed(2)) < LEVEL


def test_not_a_number_is_no_sample() -> None:
    assert two_sample(normal(100, 0) * torch.nan, normal(100, 1), torch.Generator().manual_seed(0)) == 0


def test_cells_hold_the_masses_and_all_of_the_sample() -> None:
    x = normal(10_000, 0)
    cells = Cells.over(x, 6)
    masses, counts = cells.masses(log_normal), cells.counts(x)
    assert float(masses.sum()) == pytest.approx(1, abs=1e-12)
    edges = cells.edges[0]
    row = torch.special.ndtr(edges).diff()
    other = torch.special.ndtr(cells.edges[1]).diff()
    torch.testing.assert_close(masses[:-1], (row[:, None] * other).flatten(), rtol=0, atol=1e-10)
    assert int(counts.sum()) == len(x)
    assert float((counts / len(x) - masses).abs().max()) < 0.01


def test_goodness_keeps_its_level_and_sees_a_wrong_width() -> None:
    cells = Cells.over(normal(4000, 100), 8)
    masses = cells.masses(log_normal)
    ps = [goodness(cells.counts(normal(5000, i)), masses) for i in range(60)]
    assert 1 <= sum(p < 0.1 for p in ps) <= 15
    assert goodness(cells.counts(1.05 * normal(40_000, 0)), masses) < LEVEL
    # Where next to nothing belongs there must be next to nothing.
    assert goodness(torch.tensor([500.0, 500.0, 40.0]), torch.tensor([0.5, 0.5, 0.0]).double()) == 0


def test_counts_of_states() -> None:
    generator = torch.Generator().manual_seed(0)
    fair = [torch.randint(2, (8000, 3), generator=generator) for _ in range(2)]
    loaded = (torch.rand(8000, 3, generator=generator) < 0.54).long()
    assert two_counts(fair[0], fair[1], generator) > 1e-3
    assert two_counts(fair[0], loaded, generator) < LEVEL
    assert two_counts(0 * loaded, 0 * loaded, generator) == 1
