"""Column figures against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from unstir.data import Dataset
from unstir.evaluation import compare
from unstir.measure import compare_columns

NAMES = ("a", "b", "colour", "flag")
CATEGORIES = (None, None, ("blue", "green", "red"), ("false", "true"))


def table(
    n: int, seed: int, rho: float = 0.6, shift: float = 0.0, shares: tuple[float, ...] = (0.5, 0.3, 0.2)
) -> Dataset:
    """a and b normal with correlation ρ; colour independent of them; flag says whether colour is blue."""
    r = np.random.default_rng(seed)
    a = r.standard_normal(n)
    b = rho * a + math.sqrt(1 - rho**2) * r.standard_normal(n)
    colour = r.choice(3, n, p=shares)
    values = np.stack([a + shift, 5 + 3 * b, colour, colour == 0], axis=1)
    return Dataset("t", "table", torch.from_numpy(values).float(), columns=NAMES, categories=CATEGORIES)


def test_equal_laws_are_at_the_floor() -> None:
    report = compare_columns(table(4000, 0).values, table(4000, 1), table(4000, 2).values)
    assert [(column.name, column.measure) for column in report.columns] == [
        ("a", "KS"),
        ("b", "KS"),
        ("colour", "TV"),
        ("flag", "TV"),
    ]
    for column in report.columns:
        assert column.floor is not None
        assert max(column.samples, column.floor) < 1.95 * math.sqrt(2 / 4000)  # KS at 1 in 1,000
    assert report.correlation is not None
    assert report.correlation_floor is not None
    assert max(report.correlation, report.correlation_floor) < 0.04
    assert report.n == 4000


def test_each_figure_against_its_closed_form() -> None:
    other = table(20_000, 0, rho=-0.2, shift=1.0, shares=(0.3, 0.3, 0.4))
    report = compare_columns(other.values, table(20_000, 1), limit=20_000)
    found = {column.name: column.samples for column in report.columns}
    half = 0.5 * math.erf(0.5 / math.sqrt(2))  # sup |Φ(v) − Φ(v − 1)| = Φ(½) − Φ(−½)
    assert found["a"] == pytest.approx(2 * half, abs=0.02)
    assert found["b"] < 0.02
    assert found["colour"] == pytest.approx(0.2, abs=0.015)
    assert found["flag"] == pytest.approx(0.2, abs=0.015)
    assert all(column.floor is None for column in report.columns)
    assert report.worst_pair == ("a", "b")
    assert report.worst == pytest.approx(0.8, abs=0.02)


def test_a_lost_dependence_between_categories_is_seen() -> None:
    """flag says blue or not. The block has the norm |C|/√(V_c V_f), of which shuffling leaves nothing."""
    data = table(20_000, 0)
    torn = data.values.clone()
    torn[:, 3] = torn[torch.randperm(len(torn), generator=torch.Generator().manual_seed(0)), 3]
    report = compare_columns(torn, data, limit=20_000)
    assert max(column.samples for column in report.columns) == 0
    assert set(report.worst_pair or ()) == {"colour", "flag"}
    # In one-hot terms: cov(e_k, 1_blue) = p_k (δ_k − p_b); flag as two corners has variance 2 p_b (1 − p_b).
    p = np.bincount(data.values[:, 2].long().numpy(), minlength=3) / len(data)
    covariance = np.array([p[0] * (1 - p[0]), -p[1] * p[0], -p[2] * p[0]])
    expected = math.sqrt(2 * covariance @ covariance) / math.sqrt((1 - p @ p) * 2 * p[0] * (1 - p[0]))
    assert report.worst == pytest.approx(expected, abs=0.01)


def test_one_column_and_a_constant_one() -> None:
    data = table(100, 0)
    one = replace(data, values=data.values[:, :1], columns=("a",), categories=())
    report = compare_columns(one.values, one)
    assert (report.correlation, report.worst_pair, len(report.columns)) == (None, None, 1)
    flat = data.values.clone()
    flat[:, 1] = 7.0
    assert compare_columns(flat, data).correlation is not None


def test_compare_takes_distances_between_corners_and_not_codes() -> None:
    """Relabelling the categories changes every code and no figure; the columns stand beside them."""
    train, heldout, samples = (table(300, seed) for seed in range(3))
    first = compare(samples.values, train, heldout)
    renamed = [
        replace(part, values=torch.where(torch.arange(4) == 2, (part.values + 1) % 3, part.values))
        for part in (train, heldout, samples)
    ]
    second = compare(renamed[2].values, *renamed[:2])
    assert second.samples.energy_distance == pytest.approx(first.samples.energy_distance, abs=1e-6)
    assert second.memorisation_ratio == pytest.approx(first.memorisation_ratio, rel=1e-5)
    assert first.columns is not None
    assert first.columns.columns[2].name == "colour"
    assert "standardised columns" in first.features_note
    assert isinstance(first.to_dict()["columns"], dict)
