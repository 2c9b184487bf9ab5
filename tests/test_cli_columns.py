"""Columns of a table that are codes or classes: train, resume, sample, measure, carry."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tests.calling import printed

import unstir
from unstir.data import Dataset, load, save_samples, with_categories, with_column, with_labels
from unstir.errors import InputError
from unstir.train import make_config
from unstir.train.session import start, training
from unstir.train.source import as_read, read_data

Refused = Callable[..., str]
NETWORK = ("--network-options", '{"width": 32, "depth": 2}', "--threads", 1, "--device", "cpu")
COLUMNS = ("size", "kind", "zip")
SIZES = {"big": 10.0, "small": -10.0}
ZIPS = (10115, 20095, 80331)


def write(path: Path, n: int = 150, seed: int = 0, kinds: tuple[str, ...] = ("big", "small")) -> Path:
    """Rows whose size and code say of what kind they are."""
    r = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        kind = str(r.choice(kinds))
        code = r.choice(ZIPS[:2] if kind == "big" else ZIPS[1:])
        rows.append(f"{SIZES[kind] + r.standard_normal():.3f},{kind},{code}")
    path.write_text(",".join(COLUMNS) + "\n" + "\n".join(rows) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("columns")
    data = write(folder / "t.csv")
    more = ("--label-column", "kind", "--categorical", "zip", "--steps", 250, "--lr", 0.005, "--batch", 64)
    printed("train", "--data", data, "--process", "edm", *more, *NETWORK, "--out", folder / "run")
    return folder


def test_the_run_keeps_what_its_columns_are(trained: Path) -> None:
    values = yaml.safe_load((trained / "run" / "config.yaml").read_text())
    assert (values["label_column"], values["categorical"]) == ("kind", ["zip"])
    run = unstir.load(trained / "run")
    assert run.classes == ("big", "small")
    assert run.info.columns == ("size", "zip")
    assert run.info.categories == (None, tuple(map(str, ZIPS)))
    assert run.info.label_place == 1
    train, heldout = run.data()
    assert len(train) + len(heldout) == 150
    assert train.label_names == ("big", "small")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_samples_have_the_label_column_in_its_place_and_are_of_their_class(
    trained: Path, suffix: str
) -> None:
    out = trained / f"s{suffix}"
    printed("sample", trained / "run", "-n", 120, "--label", "big,small", "--steps", 12, "--out", out)
    found = load(out)
    assert found.columns == COLUMNS
    assert found.categories[1] == ("big", "small")
    assert torch.equal(found.values[:, 1], torch.arange(120) % 2.0)
    for kind, size in enumerate(SIZES.values()):
        own = found.values[found.values[:, 1] == kind]
        assert float((own[:, 0] - size).abs().mean()) < 3  # the other class is 20 away
    zips = with_categories(found, ["zip"]).categories[2]
    assert set(zips or ()) <= set(map(str, ZIPS))
    json.loads(printed("evaluate", out, "--data", trained / "t.csv", "--json"))


def test_drawn_classes_are_written_and_none_leave_the_column_out(trained: Path) -> None:
    printed("sample", trained / "run", "-n", 30, "--steps", 3, "--seed", 4, "--out", trained / "d.csv")
    expected = unstir.load(trained / "run").labels(30, seed=4)
    assert expected is not None
    assert torch.equal(load(trained / "d.csv").values[:, 1], expected.float())
    printed("sample", trained / "run", "-n", 5, "--label", "none", "--steps", 3, "--out", trained / "n.csv")
    assert load(trained / "n.csv").columns == ("size", "zip")
    printed("sample", trained / "run", "-n", 5, "--label", "big", "--steps", 3, "--out", trained / "n.npz")
    again = load(trained / "n.npz")
    assert again.labels is not None
    assert again.columns == ("size", "zip")


def test_a_run_is_measured_with_other_data_that_may_lack_the_labels(trained: Path) -> None:
    other = write(trained / "other.csv", 130, 1)
    printed("evaluate", trained / "run", "-n", 30, "--steps", 3, "--data", other, "--json")
    bare = trained / "bare.csv"
    rows = [line.split(",") for line in other.read_text().splitlines()]
    bare.write_text("\n".join(f"{row[0]},{row[2]}" for row in rows) + "\n")
    printed("evaluate", trained / "run", "-n", 30, "--steps", 3, "--data", bare, "--json")


def test_resuming_equals_never_having_stopped(tmp_path: Path) -> None:
    data = write(tmp_path / "t.csv")
    config = make_config(
        {"data": str(data), "process": "edm", "steps": 6, "label_column": "kind", "categorical": ["zip"]}
        | {"network_options": {"width": 8, "depth": 1}, "threads": 1, "device": "cpu"}
    )
    whole = start(config, tmp_path / "whole")
    assert len(list(training(whole))) == 6
    for step in training(start(config, tmp_path / "cut")):
        if step.index == 3:
            signal.raise_signal(signal.SIGINT)
    printed("train", "--resume", "--out", tmp_path / "cut")
    ours, theirs = (unstir.load(tmp_path / name).field.state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    data.write_text(data.read_text().replace("big", "bib"))
    with pytest.raises(InputError, match="are not those that run"):
        printed("train", "--resume", "--out", tmp_path / "cut")


def test_a_partner_is_read_in_the_same_way(tmp_path: Path) -> None:
    ours, theirs = write(tmp_path / "a.csv"), write(tmp_path / "b.csv", 60, 1, ("small",))
    more = ("--label-column", "kind", "--categorical", "zip", "--no-labels", "--steps", 2, *NETWORK)
    printed(
        "train",
        "--data",
        ours,
        "--partner",
        theirs,
        "--process",
        "capacitor",
        *more,
        "--out",
        tmp_path / "run",
    )
    run = unstir.load(tmp_path / "run")
    assert run.classes == ()
    assert run.info.label_place is None
    far = next(iter(run.process.kept().values()))
    assert far.reshape(60, -1).shape == (60, 3)  # the size, and two coordinates of three codes
    out = tmp_path / "carried.csv"
    printed("sample", tmp_path / "run", "--from", ours, "-n", 5, "--steps", 3, "--out", out)
    assert load(out).columns == ("size", "zip")


def test_python_takes_them_too_and_names_what_is_wrong(tmp_path: Path, refused: Refused) -> None:
    data = write(tmp_path / "t.csv")
    options = {"network_options": {"width": 8, "depth": 1}, "steps": 2, "threads": 1, "device": "cpu"}
    run = unstir.fit("edm", load(data), label_column="kind", out=tmp_path / "run", **options)
    assert run.classes == ("big", "small")
    again = unstir.fit("edm", load(data), label_column="kind", out=tmp_path / "run", resume=True)
    assert again.step == 2
    message = refused(unstir.fit, "edm", load(data), label_column="zip", resume=True, out=tmp_path / "run")
    assert message == "label_column=zip: the run began with kind; give that, or leave it out"
    message = refused(unstir.fit, "edm", load(data), label_column="kin", out=tmp_path / "b", **options)
    assert message.startswith("label column=kin: no column has this name; data ")
    message = refused(unstir.fit, "edm", load(data), categorical=["size"], out=tmp_path / "c", **options)
    assert message.startswith("categorical=size: the column holds ")
    message = refused(unstir.fit, "edm", "digits", label_column="kind", out=tmp_path / "d", **options)
    assert message.endswith(
        "have none, they are no table; of images :label=NAME behind the data names a column of classes"
    )
    assert not any((tmp_path / name).exists() for name in "bcd")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("names", [("no", "yes"), ("0", "1")])
def test_labels_as_a_column_again_undo_their_parting(place: int, names: tuple[str, ...]) -> None:
    values = torch.tensor([[1.5, 0.0, 2.0], [2.5, 1.0, 0.0], [0.5, 1.0, 1.0]])
    rest = [(values[:, 0], None, "a"), (values[:, 2], ("x", "y", "z"), "b")]
    rest.insert(place, (values[:, 1], None if names[0] == "0" else names, "c"))
    columns, categories = tuple(name for *_, name in rest), tuple(kind for _, kind, _ in rest)
    whole = Dataset(
        "t", "table", torch.stack([part for part, *_ in rest], 1), columns=columns, categories=categories
    )
    parted = with_labels(whole, "c")
    assert parted.label_names == names
    back = with_column(parted, "c", place)
    assert torch.equal(back.values, whole.values)
    assert (back.columns, back.categories, back.labels) == (columns, categories, None)
    assert with_column(whole, "c", place) is whole


def test_other_data_without_the_column_have_no_labels(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    save_samples(file, torch.randn(5, 2), columns=("a", "b"))
    config = make_config({"data": str(file), "steps": 1, "label_column": "c"})
    assert as_read(load(file), config).labels is None
    with pytest.raises(InputError, match="label column=c: no column"):
        read_data(config)
