"""Sampling without any training, through `unstir.exact`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

import unstir
from unstir.data import Dataset, load
from unstir.untrained import Untrained, exact


@pytest.fixture(scope="module")
def digits() -> Untrained:
    return exact("poisson:D=128", "digits")


def test_samples_are_items_of_the_class_that_was_asked_for(digits: Untrained) -> None:
    data = load("digits")
    samples = digits.sample(12, label="3,7", seed=1)
    assert samples.dtype == torch.uint8
    labels = digits.labels(12, label="3,7", seed=1)
    assert labels is not None
    assert labels.tolist() == [3, 7] * 6
    for image, label in zip(samples, labels, strict=True):
        same = (data.values == image).flatten(1).all(1)
        assert data.labels is not None
        assert label in data.labels[same]


def test_sample_i_depends_on_the_seed_and_i_alone(digits: Untrained) -> None:
    whole = digits.sample(9, seed=5, steps=12)
    assert torch.equal(digits.sample(9, seed=5, steps=12, batch=2), whole)
    assert torch.equal(digits.sample(4, seed=5, steps=12, first=5), whole[5:])
    assert not torch.equal(digits.sample(9, seed=6, steps=12), whole)
    drawn = digits.labels(9, seed=5)
    assert drawn is not None
    assert torch.equal(digits.sample(9, seed=5, steps=12, label=drawn), whole)


def test_it_samples_as_a_run_with_the_same_field_would(digits: Untrained) -> None:
    labels = digits.labels(5, seed=2)
    x = unstir.sample(digits.process, digits.field, 5, (1, 8, 8), seed=2, label=labels, steps=10)
    assert torch.equal(digits.sample(5, seed=2, steps=10), digits.scaling.to_data(x))


def test_classes_have_the_datas_shares() -> None:
    values = torch.cat([torch.randn(300, 2) + 4, torch.randn(100, 2) - 4])
    labels = torch.cat([torch.zeros(300), torch.ones(100)]).long()
    data = Dataset("two", "table", values, labels, ("a", "b"), ("x", "y"))
    given = exact("edm", data)
    for told in (True, False):  # drawn first and then asked for, or left to the field
        samples = exact("edm", data, labels=told).sample(400, seed=3, batch=400, steps=12)
        right = int((samples[:, 0] > 0).sum())
        assert scipy.stats.binomtest(right, 400, 0.75).pvalue > 1e-3
        assert scipy.stats.binomtest(right, 400, 0.5).pvalue < 1e-3
    assert given.classes == ("a", "b")
    assert given.info.label_counts == (300, 100)


def test_nearest_tells_copies_from_new_items(digits: Untrained) -> None:
    assert digits.nearest(digits.sample(8)) == (0.0, 1.0)
    data = load("digits")
    part = data.select(torch.arange(0, len(data), 2))
    found = exact("edm", part).nearest(data.values[1::2])
    assert found.ratio == pytest.approx(1.0, abs=0.1)
    assert found.share == pytest.approx(0.5, abs=0.1)


def test_tables_come_back_in_their_own_units(tmp_path: Path) -> None:
    rows = ["height,kind,count"] + [f"{150 + 7 * i},{'xyz'[i % 3]},{i}" for i in range(9)]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(rows), "utf-8")
    made = exact("poisson:D=8", path, label_column="kind")
    assert made.classes == ("x", "y", "z")
    assert made.label_column == "kind"
    assert made.info.label_place == 1
    samples = made.sample(6, label="y").numpy()
    known = {(150.0 + 7 * i, float(i)) for i in range(1, 9, 3)}
    assert {tuple(np.round(row, 2).tolist()) for row in samples} <= known
    mixed = exact("edm", path)
    assert {row[1] for row in mixed.sample(20, seed=2).tolist()} <= {0.0, 1.0, 2.0}
    assert mixed.nearest(mixed.sample(4)).ratio == pytest.approx(0.0, abs=1e-3)


def test_heat_gives_back_the_data_it_was_prepared_on() -> None:
    made = exact("heat", "digits", limit=200)
    assert made.info.count == 200
    assert made.classes == ()  # its prior is of all classes together
    assert made.labels(4) is None
    assert float(made.nearest(made.sample(4, steps=20)).share) == 1.0


def test_what_cannot_be_served_is_refused(digits: Untrained, refused: Callable[..., str]) -> None:
    for name in ("coins", "kac", "langevin"):
        assert f"process {name}: has no field of this kind, linear processes do" in refused(
            exact, name, "digits"
        )
    assert "limit=0: at least one item" in refused(exact, "edm", "digits", limit=0)
    assert "n=0" in refused(digits.sample, 0)
    assert "is no class of this run" in refused(digits.sample, 2, label="11")
    plain = exact("edm", torch.randn(50, 2))
    assert "have no labels; leave it out" in refused(plain.sample, 2, label=0)
    assert "two are needed" in refused(exact("edm", "digits", limit=1).nearest, plain.sample(1))


def test_the_package_names_it() -> None:
    assert unstir.exact is exact
    assert unstir.Untrained is Untrained


def test_a_prior_of_data_knows_no_classes(refused: Callable[..., str]) -> None:
    field = exact("heat", "digits")
    assert "process heat starts from data of all classes together" in refused(field.sample, 2, label="3")
