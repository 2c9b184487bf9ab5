"""Class labels in a session: when they are learned, what the folder keeps of them, and resuming with them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn

from unstir.data import Dataset
from unstir.train import TrainConfig
from unstir.train.folder import digest, read_info, read_run_config
from unstir.train.session import Session, resume, start, training

Config = Callable[..., TrainConfig]
Refused = Callable[..., str]


@pytest.fixture
def labelled(points: Dataset) -> Dataset:
    """The circle's points, by third."""
    return replace(points, labels=torch.arange(50) // 17, label_names=("near", "far", "beyond"))


def pictures() -> Dataset:
    values = torch.randint(256, (60, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Dataset("pictures", "image", values, torch.arange(60) % 2, ("even", "odd"))


def train(this: Session, until: int | None = None) -> None:
    for step in training(this):
        if step.index == until:
            signal.raise_signal(signal.SIGINT)


def weights(this: Session) -> dict[str, Tensor]:
    return this.trainer.tensors()["ema"]


@pytest.mark.parametrize(
    "process", ["edm", "pfgm", "capacitor", "kac", "langevin", "coins", "blurring", "heat", "bridge"]
)
def test_resuming_with_labels_equals_never_having_stopped(
    config: Config, tmp_path: Path, process: str
) -> None:
    options = {"network_options": {"width": 8, "depth": 1}, "labels": True, "label_dropout": 0.5}
    given = config(process=process, steps=4, lr=0.1, **options)
    whole = start(given, tmp_path / "whole", pictures())
    train(whole)
    train(start(given, tmp_path / "cut", pictures()), 2)
    again = resume(tmp_path / "cut", pictures())
    assert again.trainer.step == 2
    assert again.trainer.field.classes == 2
    train(again)
    assert all(torch.equal(value, weights(again)[key]) for key, value in weights(whole).items())
    table = next(value for key, value in weights(whole).items() if key.endswith("embedding.label.weight"))
    fresh = start(given, tmp_path / "fresh", pictures()).trainer.field.state_dict()
    begun = next(value for key, value in fresh.items() if key.endswith("embedding.label.weight"))
    assert int(((table - begun).abs().amax(1) > 0).sum()) >= 2  # few places a step see few classes


def test_the_folder_keeps_names_and_training_counts(
    config: Config, labelled: Dataset, tmp_path: Path
) -> None:
    this = start(config(), tmp_path, labelled)
    assert this.config.labels is True
    assert read_run_config(tmp_path) == this.config
    info = read_info(tmp_path)
    assert info == this.info
    assert info.label_names == ("near", "far", "beyond")
    assert this.train.labels is not None
    assert list(info.label_counts) == [int((this.train.labels == i).sum()) for i in range(3)]


@pytest.mark.parametrize(
    ("process", "labels", "expected"),
    [
        ("edm", "auto", True),
        ("edm", False, False),
        ("heat", "auto", False),
        ("bridge", "auto", False),
        ("heat", True, True),
    ],
)
def test_which_runs_learn_classes(
    config: Config, tmp_path: Path, process: str, labels: str | bool, expected: bool
) -> None:
    this = start(config(process=process, labels=labels), tmp_path, pictures())
    assert (this.config.labels, bool(this.info.label_names)) == (expected, expected)
    assert (this.trainer.labels is not None) == expected


def test_data_without_labels_and_with_one_class_alone(
    config: Config, points: Dataset, labelled: Dataset, tmp_path: Path, refused: Refused
) -> None:
    assert start(config(), tmp_path / "a", points).config.labels is False
    one = replace(labelled, labels=torch.zeros(50, dtype=torch.int64), label_names=("near",))
    assert start(config(), tmp_path / "b", one).config.labels is False
    message = refused(start, config(labels=True), tmp_path / "c", points)
    assert message == "labels=True: data circle have none; leave it out, or give labelled data"
    assert not (tmp_path / "c").exists()


def test_an_old_run_opens_and_goes_on_without_labels(
    config: Config, labelled: Dataset, tmp_path: Path
) -> None:
    """Folders from before labels have neither their options nor their names."""
    given = config(labels=False)
    straight = start(given, tmp_path / "straight", labelled)
    train(straight)
    train(start(given, tmp_path / "old", labelled), 13)
    data, options = tmp_path / "old" / "data.json", tmp_path / "old" / "config.yaml"
    info = json.loads(data.read_text())
    del info["label_names"], info["label_counts"]
    data.write_text(json.dumps(info))
    values = yaml.safe_load(options.read_text())
    del values["labels"], values["label_dropout"]
    options.write_text(yaml.safe_dump(values))
    again = resume(tmp_path / "old", labelled)
    train(again)
    assert all(torch.equal(value, weights(again)[key]) for key, value in weights(straight).items())


def test_other_labels_are_other_data(
    config: Config, labelled: Dataset, tmp_path: Path, refused: Refused
) -> None:
    train(start(config(), tmp_path, labelled), 3)
    assert labelled.labels is not None
    swapped = labelled.labels.clone()
    swapped[[0, 49]] = swapped[[49, 0]]
    others = [
        replace(labelled, labels=swapped),
        replace(labelled, label_names=("far", "near", "beyond")),
        replace(labelled, labels=None, label_names=()),
    ]
    for other in others:
        assert "are not those that run" in refused(resume, tmp_path, other)
    assert digest(others[0], labelled=True) != digest(labelled, labelled=True)
    assert digest(others[0]) == digest(labelled)


@pytest.mark.parametrize(
    "change", [{"label_counts": [1, 2]}, {"label_counts": [39, 0, 2]}, {"label_names": []}]
)
def test_damaged_counts(
    config: Config, labelled: Dataset, tmp_path: Path, refused: Refused, change: dict[str, object]
) -> None:
    start(config(), tmp_path, labelled)
    file = tmp_path / "data.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert "label_counts are not those of the training items" in refused(read_info, tmp_path)


def test_classes_come_from_the_data_alone(
    config: Config, labelled: Dataset, tmp_path: Path, refused: Refused
) -> None:
    given = config(network_options={"width": 8, "classes": 7})
    assert "network_options: classes come from the data's labels" in refused(start, given, tmp_path, labelled)


class Own(nn.Module):
    """A module of the user's own, with a row for each of so many labels."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, 2)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        out: Tensor = 0.1 * x if label is None else 0.1 * x + self.table(label)
        return out


def test_a_module_of_one_s_own_is_told_the_class_and_that_there_is_none(
    config: Config, labelled: Dataset, tmp_path: Path, refused: Refused
) -> None:
    given = config(network="custom", network_options={})
    message = refused(start, given, tmp_path / "a", labelled, Own(3))
    assert message.startswith("network: fails for labels [0, 3] (")
    assert message.endswith("); take 0 to 2, and 3 for no label, or train with labels=False")
    network = Own(4)
    before = network.table.weight.detach().clone()
    train(start(given, tmp_path / "b", labelled, network))
    assert (network.table.weight - before).abs().amax(1).min() > 0
    train(
        start(
            config(network="custom", network_options={}, labels=False),
            tmp_path / "c",
            labelled,
            nn_ignoring(),
        ),
        2,
    )


def nn_ignoring() -> nn.Module:
    class Ignoring(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
            assert label is None
            return x * self.scale

    return Ignoring()
