"""Augmentation in a session: what it teaches, what it leaks, resuming with it, and where it is refused."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import unstir
from unstir.data import Augment, Dataset
from unstir.train import TrainConfig, make_config
from unstir.train.folder import make_augmentation
from unstir.train.session import Session, resume, start, training

Config = Callable[..., TrainConfig]
Refused = Callable[..., str]
OPTIONS = {"width": 8, "layers": 1, "middle": 1}


def pictures(n: int = 60) -> Dataset:
    values = torch.randint(256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Dataset("pictures", "image", values)


def train(this: Session, until: int | None = None) -> None:
    for step in training(this):
        if step.index == until:
            signal.raise_signal(signal.SIGINT)


def weights(this: Session) -> dict[str, Tensor]:
    return this.trainer.tensors()["model"] | this.trainer.tensors()["generators"]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("augment", ["flip", "edm:p=0.5"])
@pytest.mark.parametrize("network", ["patch-unet", "unet"])
def test_resuming_equals_never_having_stopped(
    config: Config, tmp_path: Path, augment: str, network: str
) -> None:
    options = OPTIONS if network == "patch-unet" else {"channels": [8, 16], "layers": 1}
    given = config(augment=augment, network=network, network_options=options, steps=4, lr=0.01, sketch=2)
    whole = start(given, tmp_path / "whole", pictures())
    train(whole)
    train(start(given, tmp_path / "cut", pictures()), 2)
    again = resume(tmp_path / "cut", pictures())
    assert again.trainer.step == 2
    train(again)
    assert same(weights(whole), weights(again))
    plain = start(
        config(network=network, network_options=options, steps=4, lr=0.01, sketch=2),
        tmp_path / "p",
        pictures(),
    )
    sketches = [
        {key: value for key, value in this.trainer.field.state_dict().items() if "sketch" in key}
        for this in (start(given, tmp_path / "new", pictures()), plain)
    ]
    assert sketches[0]
    assert same(*sketches)  # fitted to the items as they are
    train(plain)
    ours, theirs = weights(whole), weights(plain)
    assert not torch.equal(ours["train"], theirs["train"])  # its draws are the run's own
    learned = [value for key, value in ours.items() if key.endswith("told.weight")]
    assert len(learned) == (augment != "flip")
    assert all(bool(value.any()) for value in learned)
    assert not any("told" in key for key in theirs)


def mirrored(samples: Tensor) -> float:
    """The share of images that are brighter on the right."""
    left, right = samples.float().chunk(2, 3)
    return float((right.mean((1, 2, 3)) > left.mean((1, 2, 3))).double().mean())


@pytest.mark.parametrize(
    ("augment", "low", "high"), [("none", 0, 0.02), ("flip", 0.35, 0.65), ("edm:p=0,upside=no", 0, 0.1)]
)
def test_what_is_told_does_not_leak(tmp_path: Path, augment: str, low: float, high: float) -> None:
    """Images bright on the left: a flip told to nobody makes half of the samples bright on the right."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(0, 60, (256, 1, 4, 4), generator=generator)
    values[..., :2] += 180
    data = Dataset("left", "image", values.to(torch.uint8))
    run = unstir.fit(
        "edm", data, steps=250, batch=64, network="mlp", network_options={"width": 64, "depth": 2}, lr=3e-3,
        sketch=0, augment=augment, out=tmp_path / "run", threads=1, device="cpu", optimizer="adam",
    )  # fmt: skip
    assert low <= mirrored(run.sample(200, steps=12)) <= high


def test_its_name_is_checked_and_kept(refused: Refused) -> None:
    base = {"data": "digits", "steps": 1}
    assert make_config(base).augment == "none"
    assert make_config(base | {"augment": " edm:p=0.12 "}).augment == "edm"
    config = make_config(base | {"augment": "edm:p=0.150,mirror=0"})
    assert config.augment == "edm:p=0.15,mirror=0"
    assert make_augmentation(config) == Augment(p=0.15, mirror=0)
    said = "augment 'flop' is not known; did you mean flip? Known: flip, edm"
    assert refused(make_config, base | {"augment": "flop"}) == said
    assert refused(make_config, base | {"augment": "edm:p=2"}).startswith(
        "augment: p=2.0 lies outside [0, 1]"
    )


@pytest.mark.parametrize(
    ("process", "augment", "said"),
    [
        ("coins", "flip", "augment=flip: is not for process coins"),
        ("pfgm", "edm", "augment=edm: is not for process pfgm"),
        ("capacitor", "edm", "augment=edm: is not for process capacitor"),
        ("bridge", "flip", "augment=flip: is not for process bridge"),
    ],
)
def test_processes_that_refuse_it(
    config: Config, tmp_path: Path, refused: Refused, process: str, augment: str, said: str
) -> None:
    given = config(process=process, augment=augment)
    message = refused(start, given, tmp_path / "run", pictures())
    assert message.startswith(said)
    assert message.endswith("; leave it out")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("process", ["pfgm", "capacitor", "heat", "blurring", "kac", "langevin", "yukawa"])
def test_processes_that_take_it(config: Config, tmp_path: Path, process: str) -> None:
    augment = "flip" if process in ("pfgm", "capacitor") else "edm"
    this = start(config(process=process, augment=augment, steps=2), tmp_path, pictures())
    train(this)
    assert this.trainer.skipped == 0


def test_data_and_networks_that_refuse_it(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused
) -> None:
    message = refused(start, config(augment="edm"), tmp_path / "a", points)
    assert message == "augment=edm: is for images, and these data are a table; leave it out"
    custom = config(augment="edm", network="custom", network_options={})
    message = refused(start, custom, tmp_path / "b", pictures(), nn.Conv2d(1, 1, 1))
    assert message == "augment=edm: is not for a network of your own; leave it out"
    given = config(network_options={"width": 8, "depth": 1, "augment": 9})
    message = refused(start, given, tmp_path / "c", pictures())
    assert message.startswith("network_options: augment comes from the option augment")
    far = tmp_path / "far.npz"
    unstir.data.save_samples(far, pictures().values)
    pair = config(process="capacitor", augment="flip", partner=str(far))
    assert "is not for process capacitor" in refused(start, pair, tmp_path / "d", pictures())


def test_an_old_run_s_folder_says_nothing_of_it(config: Config, tmp_path: Path) -> None:
    this = start(config(steps=2), tmp_path, pictures())
    file = tmp_path / "config.yaml"
    text = file.read_text()
    assert "augment: none\n" in text
    file.write_text(text.replace("augment: none\n", ""))
    train(this)
    assert resume(tmp_path, replace(pictures())).trainer.augment is None
