from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from unstir.data import Dataset, load, recoded, save_samples, with_categories, with_labels

Refused = Callable[..., str]

COLOURS = ("blue", "green", "red")
VALUES = torch.tensor([[2.0, 7, 0.5], [0, 9, 1.5], [2, 7, 2.5], [1, 10, 3.5]])
DATA = Dataset("t", "table", VALUES, columns=("colour", "legs", "size"), categories=(COLOURS, None, None))


def test_whole_numbers_become_categories_when_told() -> None:
    found = with_categories(DATA, ["legs", "colour"])
    assert found.categories == (COLOURS, ("7", "9", "10"), None)
    assert found.values[:, 1].tolist() == [0, 1, 0, 2]
    assert torch.equal(found.values[:, [0, 2]], VALUES[:, [0, 2]])
    assert torch.equal(DATA.values, VALUES)


def test_what_cannot_become_categories(refused: Refused) -> None:
    assert "categorical=size: the column holds 0.5, which is no whole number" in refused(
        with_categories, DATA, ["size"]
    )
    assert "categorical=sice: no column has this name; data t have colour, legs, size" in refused(
        with_categories, DATA, ["sice"]
    )
    many = Dataset("t", "table", torch.arange(200.0)[:, None], columns=("id",))
    assert "200 different texts in 200 rows" in refused(with_categories, many, ["id"])


def test_nothing_is_copied_where_nothing_is_to_do(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    assert with_categories(DATA, ()) is DATA
    assert with_categories(DATA, ["colour"]) is DATA
    assert recoded(DATA, ("c", "l", "s"), DATA.categories).values is VALUES
    monkeypatch.setattr("unstir.data.categories.is_large", lambda _: True)
    for place, column in enumerate(("colour", "legs")):
        found = with_labels(DATA, column).values
        assert torch.equal(found, VALUES[:, [i for i in range(3) if i != place]])
        assert (found.untyped_storage().data_ptr() == VALUES.untyped_storage().data_ptr()) == (place == 0)
    monkeypatch.setattr("unstir.data.limits.physical_memory", lambda: 40)
    assert "data t with columns that are coded anew needs 48 bytes" in refused(
        with_categories, DATA, ["legs"]
    )
    assert "without the column 'legs' needs 48 bytes" in refused(with_labels, DATA, "legs")


def test_a_column_becomes_the_labels(refused: Refused) -> None:
    found = with_labels(DATA, "colour")
    assert found.labels is not None
    assert (found.labels.tolist(), found.labels.dtype) == ([2, 0, 2, 1], torch.int64)
    assert (found.label_names, found.columns, found.categories) == (COLOURS, ("legs", "size"), ())
    assert torch.equal(found.values, VALUES[:, 1:])
    legs = with_labels(DATA, "legs")
    assert legs.labels is not None
    assert legs.labels.tolist() == [7, 9, 7, 10]
    assert legs.label_names == tuple(map(str, range(11)))
    assert legs.categories == (COLOURS, None)
    assert "give a column of text or of whole numbers from 0" in refused(with_labels, DATA, "size")
    assert "have labels already" in refused(with_labels, legs, "colour")
    one = Dataset("t", "table", VALUES[:, :1], columns=("colour",), categories=(COLOURS,))
    assert "no other column is left" in refused(with_labels, one, "colour")


def test_codes_of_another_file_are_translated(refused: Refused) -> None:
    other = Dataset("o", "table", torch.tensor([[0.0, 1, 2], [1, 3, 4]]), columns=("c", "l", "s"))
    named = Dataset(
        "o", "table", other.values, columns=other.columns, categories=(("green", "red"), None, None)
    )
    found = recoded(named, DATA.columns, DATA.categories)
    assert found.values[:, 0].tolist() == [1, 2]
    assert found.categories == DATA.categories
    strange = Dataset(
        "o", "table", other.values, columns=other.columns, categories=(("pink", "red"), None, None)
    )
    assert "column 'c' holds 'pink', which is none of the 3 categories there" in refused(
        recoded, strange, DATA.columns, DATA.categories
    )
    # A category that no row has does no harm.
    last = strange.select(torch.tensor([1]))
    assert recoded(last, DATA.columns, DATA.categories).values[0, 0] == 2
    assert "holds text, and numbers are wanted" in refused(recoded, named, DATA.columns, ())
    assert "has 2 columns, and 3 are wanted" in refused(
        recoded, with_labels(named, "l"), DATA.columns, DATA.categories
    )
    assert recoded(other, DATA.columns, ()) is other


def test_numbers_in_a_file_stand_for_categories_of_that_name() -> None:
    legs = with_categories(DATA, ["legs"])
    plain = Dataset("o", "table", torch.tensor([[0.0, 10, 1], [2, 7, 1]]), columns=DATA.columns)
    named = recoded(
        Dataset("o", "table", plain.values, columns=plain.columns, categories=(COLOURS, None, None)),
        legs.columns,
        legs.categories,
    )
    assert named.values[:, 1].tolist() == [2, 0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_samples_keep_their_categories(tmp_path: Path, suffix: str) -> None:
    values = VALUES[[0, 1, 3]]
    path = save_samples(tmp_path / f"x{suffix}", values, columns=DATA.columns, categories=DATA.categories)
    found = load(path)
    assert torch.equal(found.values, values)
    assert (found.columns, found.categories) == (DATA.columns, DATA.categories)


def test_what_cannot_be_saved(tmp_path: Path, refused: Refused) -> None:
    options = {"columns": DATA.columns, "categories": DATA.categories}
    wrong = VALUES.clone()
    for code in (3.0, -1.0, 0.5):
        wrong[0, 0] = code
        assert "hold codes that are none of" in refused(save_samples, tmp_path / "x.csv", wrong, **options)
    assert "categories of 1 columns: the table has 3" in refused(
        save_samples, tmp_path / "x.csv", VALUES, columns=DATA.columns, categories=(None,)
    )


def test_an_npz_of_other_names_is_a_table_of_numbers(tmp_path: Path, refused: Refused) -> None:
    plain = {"x": VALUES.numpy(), "columns": np.array([1, 2, 3])}
    np.savez(tmp_path / "a.npz", **plain)
    assert load(tmp_path / "a.npz").columns == ("x0", "x1", "x2")
    np.savez(
        tmp_path / "b.npz", x=VALUES.numpy(), columns=np.array(["a", "b", "c"]), categories_0=np.array(["u"])
    )
    assert "column 0 holds codes that are none of 1 categories" in refused(load, tmp_path / "b.npz")
