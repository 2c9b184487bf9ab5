"""Tables with categories from the command line: train, sample, evaluate, baseline, carry, resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from tests.calling import call, printed

import unstir
from unstir.data import load
from unstir.errors import InputError
from unstir.train.session import resume

SMALL = ("--network-options", '{"width": 8, "depth": 1}', "--steps", 2, "--threads", 1)
COLOURS = ("", "blue", "red")


def write(path: Path, colours: tuple[str, ...] = COLOURS, n: int = 120, seed: int = 0) -> Path:
    r = np.random.default_rng(seed)
    rows = (f"{r.choice(colours)},{r.standard_normal():.3f},{r.choice(['false', 'true'])}" for _ in range(n))
    path.write_text("colour,size,alive\n" + "\n".join(rows) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    printed("train", "--data", write(folder / "t.csv"), "--process", "edm", *SMALL, "--out", folder / "run")
    return folder


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_samples_are_written_by_name_and_measured_again(trained: Path, suffix: str) -> None:
    out = trained / f"s{suffix}"
    printed("sample", trained / "run", "-n", 40, "--steps", 4, "--out", out)
    found = load(out)
    assert found.columns == ("colour", "size", "alive")
    assert set(found.categories[0] or ()) <= set(COLOURS)
    report: dict[str, Any] = json.loads(printed("evaluate", out, "--data", trained / "t.csv", "--json"))
    assert [column["measure"] for column in report["columns"]["columns"]] == ["TV", "KS", "TV"]


def test_rows_without_a_number_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = write(tmp_path / "t.csv", n=130).read_text().splitlines()
    lines[1:31] = [line.split(",")[0] + ",," + line.split(",")[2] for line in lines[1:31]]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    data, run = f"{tmp_path}/t.csv:missing=drop", tmp_path / "run"
    line = f"passed over 30 of 130 rows of {tmp_path}/t.csv, without size (30)"
    assert call("train", "--data", tmp_path / "t.csv", *SMALL, "--out", run).refusal.endswith(
        f"give {data} to leave out such rows"
    )
    trained = call("train", "--data", data, "--process", "edm", *SMALL, "--out", run)
    assert (trained.status, line in trained.err) == (0, True)
    parts = unstir.load(run).data()
    assert sum(map(len, parts)) == 100
    assert parts[0].categories[0] == COLOURS  # what is missing there is a category still
    few = ("-n", 20, "--steps", 2)
    for verb in (("evaluate", run, "--data", data, *few), ("baseline", "--data", data, "-n", 20)):
        said = call(*verb)
        assert (said.status, line in said.err) == (0, True), said


def test_a_run_is_evaluated_beside_baselines(trained: Path) -> None:
    out = printed("evaluate", trained / "run", "-n", 30, "--steps", 3)
    assert "colour, TV" in out
    assert "size, KS" in out
    assert "correlations, mean" in out
    out = printed("evaluate", trained / "run", "-n", 30, "--steps", 3, "--baselines", "--json")
    assert {model["name"] for model in json.loads(out)["baselines"]["models"]} >= {"gaussian", "kde"}
    # Other data whose file numbers the same categories otherwise.
    other = write(trained / "other.csv", ("red",), seed=1)
    printed("evaluate", trained / "run", "-n", 30, "--steps", 3, "--data", other)
    strange = write(trained / "strange.csv", ("red", "pink"), seed=1)
    with pytest.raises(InputError, match="holds 'pink', which is none of the 3 categories"):
        printed("evaluate", trained / "run", "--data", strange)


def test_baselines_draw_categories(trained: Path) -> None:
    out = trained / "b.parquet"
    printed("baseline", "--data", trained / "t.csv", "--model", "gaussian", "-n", 60, "--out", out)
    found = load(out)
    assert found.columns == ("colour", "size", "alive")
    shares = [float((found.values[:, 0] == k).double().mean()) for k in range(3)]
    assert min(shares) > 0.1


def test_a_capacitor_carries_tables_that_number_categories_otherwise(tmp_path: Path) -> None:
    """The partner's file knows red alone, and so numbers it 0 where the first numbers it 2."""
    ours, theirs = write(tmp_path / "a.csv"), write(tmp_path / "b.csv", ("red",), 60, seed=1)
    train = ("train", "--data", ours, "--partner", theirs, "--process", "capacitor", *SMALL)
    printed(*train, "--out", tmp_path / "run")
    process = unstir.load(tmp_path / "run").process
    from unstir.data import Columns, recoded

    first = load(ours)
    coder = Columns.fit(first.split(0.2, 0)[0])
    expected = coder.to_model(recoded(load(theirs), first.columns, first.categories).values)
    far = next(iter(process.kept().values()))
    torch.testing.assert_close(far.reshape(expected.shape).sort(0).values, expected.sort(0).values)


def test_a_run_of_an_older_version_goes_on(tmp_path: Path) -> None:
    """One of whole numbers, from before these were rounded: it opens, resumes, and gives what it gave."""
    values = torch.arange(60.0).reshape(30, 2)
    options = {"network_options": {"width": 8, "depth": 1}, "threads": 1, "device": "cpu"}
    unstir.fit("edm", values, steps=2, out=tmp_path / "run", **options)
    file = tmp_path / "run" / "data.json"
    info = json.loads(file.read_text())
    assert info["scaling"].pop("whole") == [0, 1]
    del info["categories"]
    file.write_text(json.dumps(info))
    rows = unstir.load(tmp_path / "run").sample(8, steps=3)
    assert not torch.equal(rows, rows.round())
    assert resume(tmp_path / "run", load(values)).trainer.step == 2


def test_wine_keeps_its_kinds_of_columns(tmp_path: Path) -> None:
    """A real table: 13 measurements, of which two are whole numbers, and the cultivar as text."""
    wine = load_wine()
    names = [name.replace("/", " ") for name in wine.feature_names]
    lines = [
        ",".join([*map(str, row), f"cultivar {k}"]) for row, k in zip(wine.data, wine.target, strict=True)
    ]
    path = tmp_path / "wine.csv"
    path.write_text(",".join([*names, "cultivar"]) + "\n" + "\n".join(lines) + "\n", "utf-8")
    data = load(path)
    np.testing.assert_array_equal(data.values[:, :13].numpy(), wine.data.astype(np.float32))
    assert data.categories[13] == ("cultivar 0", "cultivar 1", "cultivar 2")
    assert data.categories[:13] == (None,) * 13
    printed("train", "--data", path, "--process", "poisson", *SMALL, "--out", tmp_path / "run")
    run = unstir.load(tmp_path / "run")
    assert run.info.model_shape == (15,)
    rows = run.sample(20, steps=3)
    whole = [j for j in range(13) if torch.equal(rows[:, j], rows[:, j].round())]
    assert [names[j] for j in whole] == ["magnesium", "proline"]
