"""`unstir likelihood` and `unstir score`: figures, files, pictures and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import unstir
from unstir.cli import app
from unstir.likelihood import likelihood, own_labels
from unstir.run import Run
from unstir.scoring import score

runner = CliRunner()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on digits that has learned little."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    options = {"width": 8, "layers": 1, "middle": 1}
    return unstir.fit("edm", "digits", steps=3, batch=8, out=path, network_options=options)


def call(verb: str, run: Run, *options: object) -> Result:
    return runner.invoke(app, [verb, str(run.path), "--device", "cpu", *map(str, options)])


def test_likelihood_is_that_of_held_out_items(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "bits.csv"
    result = call("likelihood", run, "-n", 3, "--draws", 2, "--json", "--out", out)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    found = likelihood(run, run.data()[1].values[:3], draws=2)
    assert report["bits_per_dimension"] == pytest.approx(found.mean, abs=1e-5)
    assert report["error"] == pytest.approx(found.mean_error, abs=1e-5)
    assert (report["n"], report["dimensions"], report["draws"], report["process"]) == (3, 64, 2, "edm")
    rows = np.genfromtxt(out, delimiter=",", names=True)
    np.testing.assert_allclose(rows["bits"], found.bits, atol=1e-5)
    np.testing.assert_allclose(rows["bits_error"], found.bits_error, atol=1e-5)


def test_likelihood_of_each_items_own_class(run: Run) -> None:
    result = call("likelihood", run, "--data", "digits", "-n", 2, "--label", "own", "--json")
    assert result.exit_code == 0, result.output
    items = unstir.data.load("digits")
    names = own_labels(items)[:2]
    found = likelihood(run, items.values[:2], label=names)
    assert json.loads(result.stdout)["bits_per_dimension"] == pytest.approx(found.mean, abs=1e-5)
    assert found.mean != pytest.approx(likelihood(run, items.values[:2]).mean, abs=1e-5)


def test_likelihood_in_words(run: Run) -> None:
    result = call("likelihood", run, "-n", 2)
    assert "bits per dimension" in result.stdout
    assert "2 held-out items, 64 dimensions" in result.stdout


def test_score_names_the_most_unusual(run: Run, tmp_path: Path) -> None:
    images = unstir.data.load("digits").values[:40, 0].clone()
    images[5] = 255 - images[5]
    path, out = tmp_path / "images.npz", tmp_path / "scores.npz"
    np.savez(path, images=images.numpy())
    options = ["--data", path, "--levels", 4, "--draws", 1]
    result = call("score", run, *options, "--json", "--out", out)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    found = score(run, run.data()[1].values, images[:, None], levels=4, draws=1)
    assert report["auroc"] == pytest.approx(found.auroc)
    assert report["most_unusual"][0]["item"] == 5
    assert report["most_unusual"][0]["percentile"] == pytest.approx(100)
    with np.load(out) as held:
        np.testing.assert_allclose(held["score"], found.scores)
    words = call("score", run, *options, "--out", tmp_path / "unusual.png")
    assert "item 5" in words.stdout
    assert "AUROC" in words.stdout
    with Image.open(tmp_path / "unusual.png") as picture:
        assert picture.size[0] > 600


def test_score_of_held_out_items_among_themselves(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    result = call("score", run, "--levels", 2, "--draws", 1, "--json", "--out", out)
    report = json.loads(result.stdout)
    assert report["auroc"] is None
    assert report["n"] == report["reference"] == len(run.data()[1])
    assert out.read_text().splitlines()[0] == "item,score,percentile,label"
    few = call("score", run, "--levels", 2, "--draws", 1, "-n", 20, "--json")
    assert json.loads(few.stdout)["n"] == 20


def test_the_reference_is_of_all_held_out_data_and_of_few(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.cli.score._USUAL", 30)
    result = call("score", run, "--data", "digits", "-n", 5, "--levels", 2, "--draws", 1, "--json")
    assert json.loads(result.stdout)["reference"] == 30


def test_items_that_come_from_files_are_called_by_them(run: Run, tmp_path: Path) -> None:
    images = unstir.data.load("digits").values[:12, 0].numpy().copy()
    images[7] = 255 - images[7]
    for i, pixels in enumerate(images):
        path = tmp_path / "photos" / f"roll-{i // 6}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    out, bits = tmp_path / "scores.csv", tmp_path / "bits.csv"
    options = ["--data", tmp_path / "photos", "--levels", 4, "--draws", 1, "--out"]
    result = call("score", run, *options, out, "--json")
    assert result.exit_code == 0, result.output
    worst = json.loads(result.stdout)["most_unusual"][0]
    assert (worst["item"], worst["file"], worst["label"]) == (7, "roll-1/7.png", "roll-1")
    rows = [line.split(",") for line in out.read_text().splitlines()]
    assert rows[0] == ["item", "file", "score", "percentile", "label"]
    assert rows[8][:2] == ["7", "roll-1/7.png"]
    words = call("score", run, *options, tmp_path / "unusual.png").stdout
    assert [line for line in words.splitlines() if line.startswith("roll-1/7.png ")]
    call("likelihood", run, "--data", tmp_path / "photos", "-n", 2, "--out", bits)
    assert bits.read_text().splitlines()[2].startswith("1,roll-0/1.png,")


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("likelihood", ["--data", "two-moons"], "has items of (2,), the run of (1, 8, 8)"),
        ("likelihood", ["--out", "bits.png"], "give a name that ends in .csv or .npz"),
        ("score", ["--out", "scores.txt"], "give a name that ends in .csv or .npz"),
        ("score", ["--data", "nowhere"], "is no path and no built-in set"),
        ("score", ["--reference", "two-moons"], "reference two-moons: has items of (2,)"),
    ],
)
def test_bad_input_is_one_line(run: Run, verb: str, options: list[str], words: str) -> None:
    result = call(verb, run, *options)
    assert result.exit_code != 0
    assert words in str(result.exception)
