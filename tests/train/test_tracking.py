"""Tracking: what arrives is what was trained; a tracker that fails or is not there; nothing else changes."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import unstir
from unstir.data import Dataset
from unstir.train import TrainConfig
from unstir.train.session import Session, resume, start, training
from unstir.train.tracking import TRACKERS, sample_picture

Config = Callable[..., TrainConfig]
Refused = Callable[..., str]


def train(this: Session, until: int | None = None) -> None:
    for step in training(this):
        if step.index == until:
            signal.raise_signal(signal.SIGINT)


def weights(this: Session) -> dict[str, Tensor]:
    tensors = this.trainer.tensors()
    return tensors["ema"] | tensors["model"] | tensors["generators"]


def same(one: Session, other: Session) -> bool:
    ours, theirs = weights(one), weights(other)
    return all(torch.equal(value, theirs[key]) for key, value in ours.items())


def pictures() -> Dataset:
    values = torch.randint(256, (60, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Dataset("pictures", "image", values)


def lines(path: Path) -> dict[int, dict[str, float]]:
    read = (json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines())
    return {line["step"]: line for line in read}


@pytest.fixture(autouse=True)
def every_step_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.train.metrics._EVERY", 0.0)


class Fake(ModuleType):
    """A module of W&B's and Trackio's interface, as far as their pages describe it, that notes its calls."""

    def __init__(self, name: str, fails_at: int | None = None) -> None:
        super().__init__(name)
        self.begun: list[dict[str, Any]] = []
        self.logged: list[tuple[dict[str, Any], int | None]] = []
        self.finished = 0
        self.metrics: list[tuple[str, str]] = []
        self.fails_at = fails_at

    def init(self, **options: Any) -> Fake | SimpleNamespace:  # noqa: ANN401
        known = {"project", "name", "config", "resume"} | (
            {"id", "dir"} if self.__name__ == "wandb" else set()
        )
        assert set(options) <= known
        self.begun.append(options)
        sys.stdout.write(f"{self.__name__} has begun\n")
        # A run of Trackio that is ended by itself, and not by the module, is ended again at exit.
        return self if self.__name__ == "wandb" else SimpleNamespace(log=self.log)

    def define_metric(self, name: str, step_metric: str) -> None:
        self.metrics.append((name, step_metric))

    def log(self, data: dict[str, Any], step: int | None = None) -> None:
        if self.fails_at is not None and len(self.logged) >= self.fails_at:
            raise ConnectionError("the network is down")
        if self.__name__ == "trackio":
            assert not {"step", "project", "run", "timestamp"} & data.keys()  # its reserved names
        self.logged.append((data, step))

    def Image(self, value: Image.Image) -> SimpleNamespace:
        return SimpleNamespace(value=value)

    def finish(self) -> None:
        self.finished += 1

    def at(self, data: dict[str, Any], step: int | None) -> int:
        number = data["step"] if self.__name__ == "wandb" else step
        assert isinstance(number, int)
        return number


def events(path: Path) -> Any:  # noqa: ANN401
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(path / "tensorboard"), {"scalars": 0, "images": 0, "tensors": 0}).Reload()


def test_tensorboard_s_files_hold_the_metrics_and_the_last_samples(config: Config, tmp_path: Path) -> None:
    options = {"process": "edm", "steps": 6}
    plain = start(config(**options), tmp_path / "plain", pictures())
    train(plain)
    this = start(config(**options, track="tensorboard"), tmp_path / "run", pictures())
    train(this)
    assert same(plain, this)
    found, noted = events(tmp_path / "run"), lines(tmp_path / "run")
    for name in ("loss", "lr", "items_per_second"):
        scalars = {event.step: event.value for event in found.Scalars(name)}
        assert scalars.keys() == noted.keys()
        for step, value in scalars.items():
            assert value == pytest.approx(noted[step][name], rel=1e-6)
    (event,) = found.Images("samples")
    assert event.step == 6
    image = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    expected = sample_picture(this)
    assert expected is not None
    np.testing.assert_array_equal(image, np.asarray(expected))
    grid = unstir.data.image_grid(unstir.load(tmp_path / "run").sample(16, seed=0)).convert("RGB")
    np.testing.assert_array_equal(image, np.asarray(grid))
    assert '"steps": 6' in found.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()


def test_a_resumed_run_goes_on_in_the_same_curves(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = config(steps=6, track="tensorboard")
    train(start(given, tmp_path, pictures()), 4)
    assert not events(tmp_path).Tags()["images"]  # a run that is stopped is stopped at once
    train(resume(tmp_path, pictures()))
    found = events(tmp_path)
    assert [event.step for event in found.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    for name in ("wandb", "trackio"):
        fake = Fake(name)
        monkeypatch.setitem(sys.modules, name, fake)
        path = tmp_path / name
        train(start(config(steps=6, track=name), path, pictures()), 4)
        train(resume(path, pictures()))
        first, second = fake.begun
        if name == "wandb":
            assert first["id"] == second["id"]
            assert (first["resume"], second["resume"]) == ("allow", "allow")
        else:
            assert (first["resume"], second["resume"]) == ("never", "allow")
        assert first["name"] == second["name"] == name
        assert fake.finished == 2


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_others_are_told_the_same(
    config: Config,
    points: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    fake = Fake(name)
    monkeypatch.setitem(sys.modules, name, fake)
    plain = start(config(steps=5), tmp_path / "plain", points)
    train(plain)
    this = start(config(steps=5, track=name, checkpoint_minutes=1e-9), tmp_path / "run", points)
    train(this)
    assert same(plain, this)
    noted = lines(tmp_path / "run")
    told = {fake.at(*entry): entry[0] for entry in fake.logged if "loss" in entry[0]}
    assert told.keys() == noted.keys()
    assert all(told[step]["loss"] == noted[step]["loss"] for step in noted)
    assert all(told[step]["lr"] == noted[step]["lr"] for step in noted)
    seen = [(fake.at(*entry), entry[0]["samples"].value) for entry in fake.logged if "samples" in entry[0]]
    assert [step for step, _ in seen][-1] == 5
    assert len(seen) >= 5  # at each checkpoint
    assert all(image.mode == "RGB" and len(image.getcolors(2**20)) > 2 for _, image in seen)
    assert fake.begun[0]["config"]["steps"] == 5
    assert fake.begun[0]["project"] == "unstir"
    assert capsys.readouterr() == ("", f"{name} has begun\n")  # what --json prints is all that is there
    assert fake.metrics == ([("*", "step")] if name == "wandb" else [])
    assert fake.finished == 1


@pytest.mark.parametrize("fails_at", [0, 3])
def test_a_tracker_that_fails_is_left_and_said_once(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    plain = start(config(steps=6), tmp_path / "plain", pictures())
    train(plain)
    fake = Fake("wandb", fails_at)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    this = start(config(steps=6, track="wandb"), tmp_path / "run", pictures())
    with pytest.warns(
        UserWarning, match=r"^track=wandb: failed \(the network is down\); training goes on"
    ) as said:
        train(this)
    assert len(said) == 1
    assert len(fake.logged) == fails_at
    assert same(plain, this)
    assert unstir.load(tmp_path / "run").step == 6


def test_a_tracker_that_does_not_begin(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", ModuleType("trackio"))
    with pytest.warns(UserWarning, match="track=trackio: failed") as said:
        train(start(config(steps=3, track="trackio"), tmp_path, pictures()))
    assert len(said) == 1
    assert unstir.load(tmp_path).step == 3


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_package_that_is_not_here_is_named_before_anything_is_made(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    message = refused(start, config(track=name), tmp_path / "run", pictures())
    assert message == f"track={name}: the package is not installed; pip install {name}, or leave track out"
    assert not (tmp_path / "run").exists()


def test_pictures_of_other_data(config: Config, points: Dataset, tmp_path: Path) -> None:
    waves = Dataset("waves", "signal", torch.linspace(0, 60, 60 * 16).sin().reshape(60, 1, 16))
    rows = Dataset("rows", "table", torch.randn(60, 3, generator=torch.Generator().manual_seed(0)))
    carried = config(process="bridge", steps=2)
    for name, data, given, seen in (
        ("signal", waves, config(steps=2), True),
        ("points", points, config(steps=2), True),
        ("rows", rows, config(steps=2), False),
        ("bridge", pictures(), carried, True),
    ):
        this = start(given, tmp_path / name, data)
        before = this.trainer.average.training
        assert (sample_picture(this) is not None) == seen, name
        assert this.trainer.average.training == before


def test_each_tracker_has_an_extra_and_the_page_names_it() -> None:
    root = Path(__file__).parents[2]
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    page = (root / "docs/tracking.md").read_text()
    for name in TRACKERS:
        found = [extra for extra, needs in extras.items() if extra != "dev" and name in map(bare, needs)]
        assert len(found) == 1, name
        assert f'| `{name}` | `pip install "unstir[{found[0]}]"`' in page


def bare(requirement: str) -> str:
    """The name of a required package."""
    return re.split(r"[^\w-]", requirement)[0]


def test_a_name_that_is_none_of_them(config: Config, refused: Refused) -> None:
    message = refused(config, track="mlflow")
    assert message == "track='mlflow': give tensorboard, wandb or trackio"
