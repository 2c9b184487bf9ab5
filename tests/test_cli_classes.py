"""The share of samples that are of their class, from the command line and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.calling import printed

import unstir
from unstir.data import Dataset, save_samples
from unstir.evaluation import compare


def points(n: int, seed: int = 0) -> Dataset:
    """Two classes, 8 apart."""
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    label = torch.arange(n) % 2
    x[:, 0] += 8 * label
    return Dataset("two", "table", x, label, ("[left]", "right"), columns=("a", "b"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> unstir.Run:
    folder = tmp_path_factory.mktemp("classes")
    data = points(300)
    save_samples(folder / "two.npz", data.values, data.labels)
    return unstir.fit(
        "edm", folder / "two.npz", steps=150, batch=64, network_options={"width": 32, "depth": 2}, lr=5e-3,
        out=folder / "run", threads=1, device="cpu",
    )  # fmt: skip


def test_evaluate_shows_them_where_the_run_has_classes(run: unstir.Run, tmp_path: Path) -> None:
    found = json.loads(printed("evaluate", run.path, "-n", 100, "--steps", 12, "--json"))["classes"]
    assert [row["name"] for row in found["classes"]] == ["0", "1"]
    asked = run.labels(100, seed=0)
    assert asked is not None
    assert [row["asked"] for row in found["classes"]] == torch.bincount(asked).tolist()
    assert found["share"] > 0.95
    assert found["real"] > 0.95
    again = json.loads(json.dumps(run.evaluate(100, steps=12).to_dict()["classes"]))
    assert again == found
    shown = printed("evaluate", run.path, "-n", 100, "--steps", 12)
    assert "taken for the class asked for ↑" in shown
    assert "all 100 samples" in shown
    assert "taken for the class" in printed("evaluate", run.path, "-n", 100, "--steps", 12, "--baselines")
    bare = tmp_path / "s.npz"
    save_samples(bare, run.sample(60, steps=4))
    assert json.loads(printed("evaluate", bare, "--data", run.config.data, "--json"))["classes"] is None


def test_samples_of_the_wrong_class_are_found_out_and_names_tell_numbers(run: unstir.Run) -> None:
    train, heldout = points(300), points(100, 1)
    samples, asked = points(80, 2).values, torch.arange(80) % 2
    right = compare(samples, train, heldout, asked=asked, names=train.label_names)
    wrong = compare(samples, train, heldout, asked=1 - asked, names=train.label_names)
    turned = compare(samples, train, heldout, asked=1 - asked, names=train.label_names[::-1])
    unknown = compare(samples, train, heldout, asked=asked, names=("up", "down"))
    plain = compare(samples, train, heldout)
    assert right.classes is not None  # type: ignore[union-attr]
    assert wrong.classes is not None  # type: ignore[union-attr]
    assert right.classes.share == 1  # type: ignore[union-attr]
    assert wrong.classes.share == 0  # type: ignore[union-attr]
    assert turned.classes.share == 1  # type: ignore[union-attr]
    assert [row.name for row in turned.classes.classes] == ["right", "[left]"]  # type: ignore[union-attr]
    assert unknown.classes is None  # type: ignore[union-attr]
    assert plain.classes is None  # type: ignore[union-attr]
