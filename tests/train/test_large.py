"""Data too large for memory train as data in memory do, and are nowhere copied whole."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unstir
from unstir.cli.evaluate import _reference
from unstir.cli.novelty import _parts
from unstir.compare import make_plan
from unstir.data import Dataset, load
from unstir.data.items import Items
from unstir.train import make_config
from unstir.train.session import start

N = 300


def said_large(monkeypatch: pytest.MonkeyPatch, *, large: bool = True) -> None:
    for module in ("items", "mapped", "load", "categories"):
        monkeypatch.setattr(sys.modules[f"unstir.data.{module}"], "is_large", lambda _: large)


def written(path: Path, kind: str) -> Path:
    """A file of images, or of a table whose last column holds classes."""
    values = np.random.default_rng(0).integers(0, 256, (N, 8, 8) if kind == "images" else (N, 3))
    np.save(path, values.astype(np.uint8) if kind == "images" else (values % 7).astype(np.float32))
    return path


@pytest.mark.parametrize("kind", ["images", "table"])
def test_a_large_file_trains_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = written(tmp_path / "x.npy", kind)
    weights = []
    for large in (False, True):
        said_large(monkeypatch, large=large)
        run = unstir.fit(
            "edm", path, steps=3, batch=16, out=tmp_path / f"run-{large}", sketch=0,
            network_options={"width": 16}, precision="float32",
        )  # fmt: skip
        assert run.info.count == N
        assert run.info.heldout == 60
        weights.append(run.field.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


@pytest.mark.parametrize(
    ("kind", "label_column"), [("images", None), ("table", None), ("table", "x2"), ("table", "x0")]
)
def test_what_a_trainer_has_is_the_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, label_column: str | None
) -> None:
    path = written(tmp_path / "x.npy", kind)
    said_large(monkeypatch)
    maps: list[Dataset] = []

    def noted(*given: Any, **options: Any) -> Dataset:  # noqa: ANN401
        maps.append(load(*given, **options))
        return maps[-1]

    monkeypatch.setattr("unstir.train.source.load_data", noted)
    options = {"width": 16, "depth": 1} if kind == "table" else {"width": 16}
    config = make_config(
        {"data": str(path), "process": "edm", "steps": 3, "sketch": 0, "network_options": options}
        | ({} if label_column is None else {"label_column": label_column})
    )
    session = start(config, tmp_path / "run")
    (read,) = maps
    held = session.trainer.data._values
    assert held.untyped_storage().data_ptr() == read.values.untyped_storage().data_ptr()
    assert tuple(held.shape) == (N, *session.info.shape)
    assert session.info.shape == ((1, 8, 8) if kind == "images" else (3 - (label_column is not None),))


def test_a_large_file_has_the_labels_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, labels = written(tmp_path / "x.npy", "images"), np.arange(N) % 3
    np.save(tmp_path / "x-labels.npy", labels)
    said_large(monkeypatch)
    options = {"width": 16}
    config = make_config(
        {"data": str(path), "process": "edm", "steps": 3, "sketch": 0, "network_options": options}
    )
    session = start(config, tmp_path / "run")
    trainer = session.trainer
    assert session.info.label_names == ("0", "1", "2")
    assert isinstance(trainer.data, Items)
    assert trainer.data.rows is not None
    assert trainer.labels is not None
    assert trainer.labels.tolist() == labels[trainer.data.rows.numpy()].tolist()


def _compared(path: Path, _: Path) -> tuple[Dataset, Dataset]:
    return make_plan(str(path), ["edm"], steps=3)[1:]


def _evaluated(path: Path, _: Path) -> tuple[Dataset, Dataset]:
    return _reference(path, None, str(path), 0.2, skip_bad=False)


def _searched(path: Path, _: Path) -> tuple[Dataset, Dataset]:
    return _parts(str(path), None, 0.2, 0, skip_bad=False)


def _reread(path: Path, folder: Path) -> tuple[Dataset, Dataset]:
    run = unstir.fit(
        "edm", path, steps=1, batch=4, out=folder, sketch=0, network="mlp", network_options={"width": 8}
    )
    return run.data()


@pytest.mark.parametrize("read", [_compared, _evaluated, _searched, _reread])
def test_what_large_data_are_measured_with_is_a_sample(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[Path, Path], tuple[Dataset, Dataset]],
) -> None:
    path = written(tmp_path / "x.npy", "images")
    said_large(monkeypatch)
    monkeypatch.setattr("unstir.data.items._most", lambda _: 40)
    for part in read(path, tmp_path / "run"):
        assert len(part) == 40
