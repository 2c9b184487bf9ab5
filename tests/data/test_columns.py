"""Categories as corners of a simplex: distances, variances, the way back, and the way through a process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import unstir
from unstir import physics
from unstir.data import STD, Bins, Columns, Dataset, Scaling, coder_from_dict, measurable, usual_coder
from unstir.fields import ExactField
from unstir.flow import sample

Refused = Callable[..., str]

COLOURS, FLAGS = ("blue", "green", "red"), ("false", "true")
SHARES = (0.5, 0.3, 0.2)
MEANS = (-2.0, 0.0, 3.0)


def mixed(n: int = 2000, seed: int = 0) -> Dataset:
    """A table of known law: size is N(mean of its colour, ½²), alive a coin of share 1/(1 + e^{−size})."""
    r = np.random.default_rng(seed)
    colour = r.choice(3, n, p=SHARES)
    size = np.array(MEANS)[colour] + 0.5 * r.standard_normal(n)
    alive = r.random(n) < 1 / (1 + np.exp(-size))
    values = np.stack([colour, size, alive, r.poisson(3, n)], axis=1)
    names = ("colour", "size", "alive", "children")
    return Dataset(
        "t", "table", torch.from_numpy(values).float(), columns=names, categories=(COLOURS, None, FLAGS, None)
    )


def test_every_column_has_mean_0_and_the_same_variance() -> None:
    data = mixed()
    coder = usual_coder(data)
    assert isinstance(coder, Columns)
    x = coder.to_model(data.values).double()
    assert tuple(x.shape) == (2000, *coder.model_shape(data.shape)) == (2000, 5)
    assert x.mean(0).abs().max() < 1e-6
    variance = x.var(0, correction=0)
    for part in (variance[:2], variance[2:3], variance[3:4], variance[4:]):
        assert float(part.sum()) == pytest.approx(STD**2, rel=1e-5)


def test_two_categories_lie_as_far_apart_as_any_two() -> None:
    names = tuple("abcde")
    codes = torch.tensor([0, 0, 0, 1, 1, 2, 3, 4]).float()[:, None]
    coder = Columns.fit(Dataset("t", "table", codes, columns=("c",), categories=(names,)))
    corners = coder.to_model(torch.arange(5).float()[:, None]).double()
    apart = torch.pdist(corners)
    # One-hot vectors are √2 apart; the scale is √(1 − Σ p²)/STD.
    expected = 2**0.5 * STD / (1 - (9 + 4 + 3) / 64) ** 0.5
    torch.testing.assert_close(apart, torch.full_like(apart, expected), rtol=1e-6, atol=0)


def test_a_coin_is_coded_as_a_number_is() -> None:
    flags = torch.tensor([0.0, 1, 1, 1])[:, None]
    as_number = Scaling.fit(Dataset("t", "table", flags)).to_model(flags)
    named = Dataset("t", "table", flags, columns=("a",), categories=(FLAGS,))
    as_category = Columns.fit(named).to_model(flags)
    torch.testing.assert_close(as_category.abs(), as_number.abs())
    assert as_category[0] * as_category[1] < 0


def test_the_way_back_is_exact_and_takes_the_nearest_corner() -> None:
    data = mixed()
    coder = Columns.fit(data)
    x = coder.to_model(data.values)
    back = coder.to_data(x)
    assert torch.equal(back[:, [0, 2, 3]], data.values[:, [0, 2, 3]])
    torch.testing.assert_close(back[:, 1], data.values[:, 1])
    noisy = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    corners = coder.to_model(torch.tensor([[0.0, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]]))[:, :2]
    nearest = torch.cdist(noisy[:, :2], corners).argmin(1).float()
    found = coder.to_data(noisy)
    assert torch.equal(found[:, 0], nearest)
    assert bool((nearest != data.values[:, 0]).any())
    assert torch.equal(found[:, 3], found[:, 3].round())
    assert not torch.equal(found[:, 1], found[:, 1].round())


def test_json_keeps_it() -> None:
    coder = Columns.fit(mixed())
    again = coder_from_dict(json.loads(json.dumps(coder.to_dict())))
    assert again == coder
    assert (again.kind, again.holds) == ("columns", "table")


def test_one_category_throughout_takes_no_coordinate(refused: Refused) -> None:
    values = torch.tensor([[0.0, 2.5], [0.0, 3.0]])
    data = Dataset("t", "table", values, columns=("a", "b"), categories=(("only",), None))
    coder = Columns.fit(data)
    assert coder.model_shape((2,)) == (1,)
    assert torch.equal(coder.to_data(coder.to_model(values)), values)
    nothing = Dataset("t", "table", values[:, :1], columns=("a",), categories=(("only",),))
    assert "every column holds one category only" in refused(Columns.fit, nothing)


def test_a_category_that_training_lacks_has_a_corner_too() -> None:
    data = replace(mixed(), categories=((*COLOURS, "violet"), None, FLAGS, None))
    coder = Columns.fit(data)
    row = torch.tensor([[3.0, 0.5, 1.0, 2.0]])
    torch.testing.assert_close(coder.to_data(coder.to_model(row)), row)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"counts": [3, 0, 2]}, "4 coordinates and 5 scales"),
        ({"counts": [3, 0, 2, "x"]}, "give a list of whole numbers"),
        ({"counts": [-3, 0, 2, 0]}, "give numbers of categories"),
        ({"more": 1}, "give kind, counts and scaling"),
        ({"scaling": {"kind": "table"}}, "give kind, shift and scale"),
    ],
)
def test_damaged_values_are_refused(refused: Refused, change: dict[str, object], words: str) -> None:
    assert words in refused(coder_from_dict, Columns.fit(mixed(50)).to_dict() | change)


def test_codes_that_are_no_category_are_refused(refused: Refused) -> None:
    coder = Columns.fit(mixed(50))
    for code in (3.0, -1.0, 0.5):
        row = torch.tensor([[code, 0, 0, 0]])
        assert "column 0 holds codes that are none of its 3 categories" in refused(coder.to_model, row)
    assert "knows 4 columns" in refused(coder.to_model, torch.zeros(2, 3))
    assert "knows 4 columns" in refused(coder.model_shape, (3,))
    assert "holds categories, and this takes numbers" in refused(Scaling.fit, mixed(50))


def test_whole_columns_are_rounded_by_every_coder() -> None:
    values = torch.tensor([[1.0, 0.5], [4.0, 0.25], [2.0, 0.75]])
    data = Dataset("t", "table", values, columns=("a", "b"))
    scaling = Scaling.fit(data)
    assert scaling.whole == (0,)
    assert scaling.to_data(scaling.to_model(values) + 0.1)[:, 0].tolist() == [1.0, 4.0, 2.0]
    assert coder_from_dict(json.loads(json.dumps(scaling.to_dict()))) == scaling
    bins = Bins.fit(data, 3)
    assert bins.to_data(torch.tensor([[1, 1]])).tolist() == [[2.0, 0.5]]  # between 1 and 4 is 2.5
    assert coder_from_dict(json.loads(json.dumps(bins.to_dict()))) == bins


def test_coins_keep_categories_apart_or_refuse(refused: Refused) -> None:
    data = mixed(200)
    for states in (3, 4, 16):
        bins = Bins.fit(data, states)
        back = bins.seen(data.values)
        assert torch.equal(back[:, [0, 2]], data.values[:, [0, 2]])
        anything = bins.to_data(torch.randint(states, (500, 4), generator=torch.Generator().manual_seed(0)))
        assert set(anything[:, 0].tolist()) <= {0, 1, 2}
    assert "column 'colour' holds 3 categories; give states=3 or more" in refused(Bins.fit, data, 2)


def test_measurable_is_in_the_training_datas_coordinates() -> None:
    train, other = mixed(seed=0), mixed(100, seed=1)
    found = measurable(other, train)
    assert torch.equal(found.values, Columns.fit(train).to_model(other.values))
    assert found.columns == ("colour 1", "colour 2", "size", "alive", "children")
    assert found.categories == ()
    plain = replace(other, categories=())
    assert measurable(plain, plain) is plain


@pytest.mark.parametrize("name", ["edm", "vp", "rectified", "poisson:D=8", "blurring"])
def test_an_exact_field_recovers_the_joint_shares(name: str) -> None:
    """The field of 12 rows with known weights: samples must come back as these rows, in these shares."""
    data = mixed(12, seed=3)
    weights = torch.arange(1.0, 13)
    coder, process = Columns.fit(data), physics.parse(name)
    field = ExactField(process, coder.to_model(data.values), weights)  # type: ignore[arg-type]
    rows = coder.to_data(sample(process, field, 2000, steps=30, batch=2000))
    apart = torch.cdist(rows, data.values)
    shares = torch.bincount(apart.argmin(1), minlength=12) / 2000
    exact = apart.min(1).values < 0.05
    assert float(exact.float().mean()) > 0.99
    assert (shares - weights / weights.sum()).abs().max() < 4 * (0.16 / 2000) ** 0.5


@pytest.mark.parametrize("name", ["edm", "poisson", "pfgm", "langevin", "kac", "heat", "coins:states=4"])
def test_every_process_gives_whole_rows(name: str, tmp_path: Path) -> None:
    data = mixed(60)
    options = {"network_options": {"width": 16, "depth": 1}, "batch": 32, "device": "cpu", "threads": 1}
    run = unstir.fit(name, data, steps=2, out=tmp_path / "run", **options)
    again = unstir.load(tmp_path / "run")
    assert again.info.categories == data.categories
    rows = again.sample(8, steps=3)
    assert rows.shape == (8, 4)
    assert torch.equal(rows, run.sample(8, steps=3))
    assert set(rows[:, 0].tolist()) <= {0, 1, 2}
    assert set(rows[:, 2].tolist()) <= {0, 1}
    assert torch.equal(rows[:, 3], rows[:, 3].round())


def test_training_recovers_the_law(tmp_path: Path) -> None:
    """P(colour), E[size | colour] and P(alive | colour) of samples against the law the table was made by."""
    options = {"network_options": {"width": 64, "depth": 1}, "batch": 256, "lr": 3e-3, "threads": 1}
    run = unstir.fit(
        "edm", mixed(4000), steps=400, holdout=0.0, device="cpu", out=tmp_path / "run", **options
    )
    rows = run.sample(2000, steps=12, batch=2000)
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(30)
    for code, (share, mean) in enumerate(zip(SHARES, MEANS, strict=True)):
        part = rows[rows[:, 0] == code]
        assert len(part) / 2000 == pytest.approx(share, abs=0.06)
        assert float(part[:, 1].mean()) == pytest.approx(mean, abs=0.25)
        sizes = mean + 0.5 * nodes
        alive = float(node_weights @ (1 / (1 + np.exp(-sizes))) / node_weights.sum())
        assert float(part[:, 2].mean()) == pytest.approx(alive, abs=0.1)
