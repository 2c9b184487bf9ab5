"""A run folder: what it says of itself comes back, and every damage to it is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unstir import physics
from unstir.data import BUILTIN, Dataset
from unstir.train import TrainConfig
from unstir.train.folder import data_name, digest, make_field, read_info, read_run_config
from unstir.train.session import resume, start

Config = Callable[..., TrainConfig]
Refused = Callable[..., str]


@pytest.mark.parametrize("name", ["config.yaml", "data.json"])
def test_a_run_without_its_files(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused, name: str
) -> None:
    start(config(), tmp_path, points)
    (tmp_path / name).unlink()
    assert f"run {tmp_path}: " in refused(resume, tmp_path, points)
    assert name in refused(resume, tmp_path, points)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": []}, "shape () is not that of one table"),
        ({"shape": [2, 3, 4]}, "is not that of one table"),
        ({"shape": [0]}, "greater than or equal to 1"),
        ({"kind": "sound"}, "'image', 'table', 'signal' or 'text'"),
        ({"scaling": {}}, "give kind, shift and scale"),
        ({"scaling": {"kind": "table", "shift": [0.0], "scale": [1.0]}}, "the scaling knows 1 columns"),
        ({"count": "many"}, "integer"),
        ({"extra": 1}, "Extra inputs"),
    ],
)
def test_a_damaged_data_json(
    config: Config,
    points: Dataset,
    tmp_path: Path,
    refused: Refused,
    change: dict[str, object],
    said: str,
) -> None:
    start(config(), tmp_path, points)
    file = tmp_path / "data.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    message = refused(read_info, tmp_path)
    assert message.startswith(f"run {tmp_path}: data.json is damaged (")
    assert said in message


def test_names_stay_and_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [data_name(name) for name in BUILTIN] == list(BUILTIN)
    assert data_name("./digits") == str(tmp_path / "digits")
    assert data_name("~/x.npy") == str(Path.home() / "x.npy")


def test_the_digest_knows_values_and_their_order(points: Dataset) -> None:
    index = torch.arange(len(points))
    assert digest(points.select(index)) == digest(points)
    assert digest(points.select(index.flip(0))) != digest(points)
    assert digest(points.select(index[1:])) != digest(points)


def test_the_seed_decides_the_weights_and_nothing_else_is_drawn(
    config: Config, points: Dataset, tmp_path: Path
) -> None:
    info = start(config(), tmp_path, points).info
    state = torch.get_rng_state()
    a, b, c = (make_field(config(seed=seed), info, physics.edm(), None).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)


@pytest.mark.parametrize("name", ["config.yaml", "data.json"])
def test_what_is_written_is_read_again(config: Config, points: Dataset, tmp_path: Path, name: str) -> None:
    this = start(config(), tmp_path, points)
    assert (tmp_path / name).is_file()
    assert (read_run_config(tmp_path), read_info(tmp_path)) == (this.config, this.info)
