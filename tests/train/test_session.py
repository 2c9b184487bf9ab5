"""A training session: a folder that begins whole, stops whole, and goes on as if it had never stopped."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from unstir.data import Dataset
from unstir.data.items import Items, Parts
from unstir.errors import InputError
from unstir.train import (
    TrainConfig,
    choices,
    dump_config,
    load_checkpoint,
    make_config,
    metrics,
    read_config,
    session,
)
from unstir.train.arrangement import Arrangement
from unstir.train.folder import read_info, read_run_config
from unstir.train.session import Session, resume, start, training

Config = Callable[..., TrainConfig]
FullDisk = Callable[[int], AbstractContextManager[None]]
Listing = Callable[[Path], list[str]]
Refused = Callable[..., str]

FILES = ("model", "ema", "optimizer", "generators")


class Dropping(nn.Module):
    """A module of the user's own, with dropout and batch statistics."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, width), nn.BatchNorm1d(width), nn.SiLU(), nn.Dropout(0.3), nn.Linear(width, 2)
        )

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        out: Tensor = self.layers(torch.cat([x, noise[:, None]], 1))
        return out


def dropping(width: int = 8) -> nn.Module:
    torch.manual_seed(4)
    return Dropping(width)


@pytest.fixture(autouse=True)
def every_step_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_EVERY", 0.0)


def train(this: Session, until: int | None = None) -> list[int]:
    """Train to the end, or until Ctrl-C comes after so many steps."""
    done = []
    for step in training(this):
        done.append(step.index)
        if step.index == until:
            signal.raise_signal(signal.SIGINT)
    return done


def noted(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (path / "metrics.jsonl").read_text().splitlines()]


def checkpoints(path: Path) -> list[str]:
    return sorted(folder.name for folder in (path / "checkpoints").iterdir())


def losses(path: Path) -> list[tuple[float, ...]]:
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"], line["lr"]) for line in lines]


def assert_same(one: Path, two: Path) -> None:
    """The newest checkpoints hold the same bits, and the metrics the same steps and losses."""
    a, b = load_checkpoint(one), load_checkpoint(two)
    assert a.step == b.step
    for name in FILES:
        assert a.tensors[name].keys() == b.tensors[name].keys()
        for key, value in a.tensors[name].items():
            assert torch.equal(value, b.tensors[name][key]), (name, key)
    untimed = {"step", "total", "skipped"}
    assert {k: a.state[k] for k in untimed} == {k: b.state[k] for k in untimed}
    lines = [
        [json.loads(line) for line in (p / "metrics.jsonl").read_text().splitlines()] for p in (one, two)
    ]
    pairs = [[(line["step"], line["loss"], line["lr"]) for line in these] for these in lines]
    assert pairs[0] == pairs[1]


def test_a_run_folder_says_how_it_was_made(config: Config, points: Dataset, tmp_path: Path) -> None:
    given = config(process="poisson:D=128.0", network="auto")
    this = start(given, tmp_path / "run", points)
    resolved = (this.config.process, this.config.network, this.config.precision)
    assert resolved == ("poisson:D=128", "mlp", "float32")
    assert read_run_config(tmp_path / "run") == this.config
    assert read_info(tmp_path / "run") == this.info
    assert (this.info.shape, this.info.columns) == ((2,), ("a", "b"))
    assert (this.info.count, this.info.heldout) == (50, 10)
    assert (len(this.train), len(this.heldout)) == (40, 10)


def test_the_network_sees_data_of_mean_0_and_deviation_half(
    config: Config, points: Dataset, tmp_path: Path
) -> None:
    data = start(config(), tmp_path / "run", points).trainer.data[:]
    assert torch.allclose(data.mean(0), torch.zeros(2), atol=1e-6)
    assert torch.allclose(data.std(0, correction=0), torch.full((2,), 0.5), atol=1e-6)


def test_the_seed_decides_everything(config: Config, points: Dataset, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(start(config(seed=seed), tmp_path / name, points))
    assert_same(tmp_path / "a", tmp_path / "b")
    a, c = (load_checkpoint(tmp_path / name).tensors["model"] for name in ("a", "c"))
    assert not torch.equal(a["network.output.bias"], c["network.output.bias"])


@pytest.mark.parametrize("stops", [(13,), (1, 2, 29), (30,)])
@pytest.mark.parametrize("kind", ["mlp", "dropout", "bfloat16", "heavy tail"])
def test_stopped_and_resumed_equals_never_stopped(
    config: Config, points: Dataset, tmp_path: Path, kind: str, stops: tuple[int, ...]
) -> None:
    def network() -> nn.Module | None:
        return dropping() if kind == "dropout" else None

    values = {"bfloat16": {"precision": "bfloat16"}, "heavy tail": {"process": "poisson:D=1"}}.get(kind, {})
    train(start(config(**values), tmp_path / "straight", points, network()))
    done = train(start(config(**values), tmp_path / "stopped", points, network()), stops[0])
    assert done[-1] == stops[0]
    for stop in (*stops[1:], None):
        torch.manual_seed(77)  # whatever the caller does with torch's own generator
        this = resume(tmp_path / "stopped", points, network())
        assert this.trainer.step == done[-1]
        done += train(this, stop)
    assert done == list(range(1, 31))
    assert noted(tmp_path / "stopped") == list(range(1, 31))
    assert_same(tmp_path / "straight", tmp_path / "stopped")


def test_the_test_of_resuming_can_fail(config: Config, points: Dataset, tmp_path: Path) -> None:
    for name in ("straight", "stopped"):
        this = start(config(), tmp_path / name, points)
        train(this, 13 if name == "stopped" else None)
    this = resume(tmp_path / "stopped", points)
    this.trainer.generator.manual_seed(0)
    train(this)
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "straight", tmp_path / "stopped")


def test_a_damaged_checkpoint_is_passed_over_set_aside_and_made_again(
    config: Config, points: Dataset, tmp_path: Path
) -> None:
    often = config(checkpoint_minutes=1e-9)
    train(start(config(), tmp_path / "straight", points))
    train(start(often, tmp_path / "run", points), 13)
    assert checkpoints(tmp_path / "run") == ["step-000012", "step-000013"]
    file = tmp_path / "run" / "checkpoints" / "step-000013" / "optimizer.safetensors"
    file.write_bytes(file.read_bytes()[:-7])
    this = resume(tmp_path / "run", points)
    assert this.trainer.step == 12
    assert len(this.passed_over) == 1
    assert this.passed_over[0].startswith("step-000013: optimizer.safetensors has")
    assert noted(tmp_path / "run") == list(range(1, 13))
    train(this)
    assert checkpoints(tmp_path / "run") == ["step-000013.damaged", "step-000029", "step-000030"]
    assert_same(tmp_path / "straight", tmp_path / "run")


def test_none_whole_is_an_error_that_names_each(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused
) -> None:
    train(start(config(checkpoint_minutes=1e-9), tmp_path, points), 3)
    for name in checkpoints(tmp_path):
        (tmp_path / "checkpoints" / name / "manifest.json").unlink()
    message = refused(resume, tmp_path, points)
    assert "step-000003: manifest.json is missing; step-000002: manifest.json is missing" in message
    assert checkpoints(tmp_path) == ["step-000002", "step-000003"]  # nothing was touched


def test_killed_before_the_first_checkpoint_it_begins_again(
    config: Config, points: Dataset, tmp_path: Path, listing: Listing
) -> None:
    train(start(config(), tmp_path / "straight", points))
    walk = training(start(config(), tmp_path / "run", points))
    for _ in range(5):
        next(walk)
    walk.close()  # type: ignore[attr-defined]  # no more than a kill would leave, and a bit of what it may
    (tmp_path / "run" / "checkpoints" / ".unstir-0badcafe-1-00000000.tmp").mkdir(parents=True)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    this = resume(tmp_path / "run", points)
    assert this.trainer.step == 0
    train(this)
    assert noted(tmp_path / "run") == list(range(1, 31))
    assert_same(tmp_path / "straight", tmp_path / "run")
    assert not [name for name in listing(tmp_path / "run") if name.endswith(".tmp")]


def test_a_finished_run_resumes_to_nothing_and_keeps_its_checkpoint(
    config: Config, points: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(start(config(steps=3), tmp_path, points))
    monkeypatch.setattr(session, "save", lambda _session: pytest.fail("saved again"))
    assert train(resume(tmp_path, points)) == []
    assert checkpoints(tmp_path) == ["step-000003"]


def test_the_last_checkpoint_is_not_written_twice(
    config: Config, points: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    save = session.save
    monkeypatch.setattr(session, "save", lambda this: saved.append(this.trainer.step) or save(this))
    train(start(config(steps=3, checkpoint_minutes=1e-9), tmp_path, points))
    assert saved == [1, 2, 3]


def test_other_data_are_refused(config: Config, points: Dataset, tmp_path: Path, refused: Refused) -> None:
    train(start(config(), tmp_path, points), 2)
    for values in (points.values + 1, points.values[:-1], points.values.flip(0)):
        message = refused(resume, tmp_path, replace(points, values=values))
        assert message == f"data array: are not those that run {tmp_path} began with; start a new run"


def test_arrays_must_be_given_again(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused
) -> None:
    train(start(config(), tmp_path, points), 2)
    assert "give it again to unstir.fit(..., resume=True)" in refused(resume, tmp_path)


def test_a_folder_called_array_is_a_folder(tmp_path: Path, refused: Refused, config: Config) -> None:
    (tmp_path / "array").mkdir()
    message = refused(start, config(data=str(tmp_path / "array")), tmp_path / "run")
    assert "holds no images" in message


def test_another_network_is_refused(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused
) -> None:
    train(start(config(), tmp_path, points, dropping(8)), 2)
    message = refused(resume, tmp_path, points, dropping(9))
    assert "step-000002: model.safetensors is of another shape: network.layers.0.bias is (8,)" in message
    assert "give it as network=..." in refused(resume, tmp_path, points)


class Wrong(nn.Module):
    """A network whose answers would broadcast without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        out: Tensor = self.layer(x)
        return out


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Wrong(), "network: gives (2, 1) for items (2, 2); give the same shape"),
        (nn.Identity(), "network: a Identity has nothing to train"),
        (lambda x, _noise, _label: x, "network: a function has nothing to train"),
    ],
)
def test_networks_that_cannot_be_trained(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused, network: nn.Module, said: str
) -> None:
    assert refused(start, config(), tmp_path / "run", points, network).startswith(said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"process": "poison"}, "did you mean poisson? Known: vp"),
        ({"process": "poisson:D=0.5"}, "D=0.5: Poisson flow needs at least one extra dimension"),
        ({"network": "custom"}, "network=custom: is a module given in Python"),
        ({"network": "unet", "network_options": {}}, "it needs images, use mlp"),
        ({"network_options": {"width": -3}}, "no mlp can be made of them"),
        ({"network_options": {"width": "wide"}}, "network"),
        ({"network_options": {"depht": 3}}, "depht"),
        ({"device": "warp"}, "device=warp: is no device known here"),
        ({"holdout": 0.99}, "leaves none of 50 items to train on"),
        ({"data": "/nowhere"}, "/nowhere is no path"),
    ],
)
def test_what_is_refused_leaves_no_folder(
    config: Config,
    points: Dataset,
    tmp_path: Path,
    refused: Refused,
    values: dict[str, object],
    said: str,
) -> None:
    source = None if "data" in values else points
    assert said in refused(start, config(**values), tmp_path / "deep" / "run", source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", ["config.yaml", "checkpoints"])
def test_a_folder_that_holds_a_run_is_refused(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused, left: str
) -> None:
    train(start(config(), tmp_path, points), 2)
    if left == "checkpoints":
        (tmp_path / "config.yaml").unlink()
    assert refused(start, config(), tmp_path, points) == (
        f"out {tmp_path}: holds a run already; resume it (--resume) or choose another folder"
    )


@pytest.mark.parametrize("size", [0, 100, 250])
def test_a_full_disk_at_the_start_leaves_nothing(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused, full_disk: FullDisk, size: int
) -> None:
    (tmp_path / "mine").mkdir()
    with full_disk(size):
        message = refused(start, config(), tmp_path / "mine" / "deep" / "run", points)
    assert message.endswith("free some space")
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


def test_a_disk_that_fills_up_in_training_keeps_what_there_is(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused, full_disk: FullDisk, listing: Listing
) -> None:
    train(start(config(), tmp_path / "straight", points))
    train(start(config(checkpoint_minutes=1e-9), tmp_path / "run", points), 13)
    this = resume(tmp_path / "run", points)
    with full_disk(4000):  # enough for the metrics
        message = refused(train, this)
    assert message == (
        f"cannot write {tmp_path / 'run' / 'checkpoints' / 'step-000014'}: "
        "the file would be too large for this disk; free some space"
    )
    assert checkpoints(tmp_path / "run") == ["step-000012", "step-000013"]
    assert not [name for name in listing(tmp_path / "run") if ".tmp" in name]
    train(resume(tmp_path / "run", points))
    assert_same(tmp_path / "straight", tmp_path / "run")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_metrics_that_cannot_be_written(
    config: Config,
    points: Dataset,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    this = start(config(), tmp_path, points)

    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", refuse)
    assert refused(train, this).startswith(f"cannot write {tmp_path}: the disk is ")


def test_ctrl_c_ends_after_a_whole_step_and_the_handler_is_put_back(
    config: Config, points: Dataset, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert train(start(config(), tmp_path, points), 7) == list(range(1, 8))
    assert signal.getsignal(signal.SIGINT) is before
    assert load_checkpoint(tmp_path).step == 7


def test_a_second_ctrl_c_interrupts_at_once(config: Config, points: Dataset, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)

    def press_twice() -> None:
        for _ in training(start(config(), tmp_path, points)):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_does_not_cut_the_last_checkpoint(
    config: Config, points: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def interrupted(handle: int) -> None:
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler and not pressed:
            pressed.append(handle)
            signal.raise_signal(signal.SIGINT)
        fsync(handle)

    pressed: list[int] = []
    this = start(config(steps=3), tmp_path, points)
    monkeypatch.setattr(os, "fsync", interrupted)
    train(this)
    assert pressed
    assert load_checkpoint(tmp_path).step == 3


def test_other_threads_train_without_signals(config: Config, points: Dataset, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    this = start(config(steps=3), tmp_path, points)
    worker = threading.Thread(target=lambda: list(training(this)))
    worker.start()
    worker.join()
    assert load_checkpoint(tmp_path).step == 3
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_is_not_finite_is_null_in_the_metrics(
    config: Config, points: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this = start(config(steps=4), tmp_path, points)
    loss = this.trainer.field.loss
    factors = iter([1.0, float("nan"), float("inf"), 1.0])
    monkeypatch.setattr(this.trainer.field, "loss", lambda *args: loss(*args) * next(factors))
    train(this)
    lines = [
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert [line["loss"] is None for line in lines] == [False, True, True, False]
    assert [line["skipped"] for line in lines] == [0, 1, 2, 2]


def test_divergence_is_one_line(
    config: Config,
    points: Dataset,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = start(config(steps=200), tmp_path, points)
    field = this.trainer.field
    monkeypatch.setattr(field, "loss", lambda *_: next(field.parameters()).sum() * float("nan"))
    assert refused(train, this).startswith("training diverged: 50 steps in a row")


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(
    ("budget", "given", "wanted"),
    [({"steps": 3}, {}, 4), ({"minutes": 1e-3}, {}, 1), ({"steps": 3}, {"threads": 2}, 2)],
)
def test_threads_are_chosen_used_kept_and_put_back(
    config: Config,
    points: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    budget: dict[str, float],
    given: dict[str, int],
    wanted: int,
) -> None:
    """All for a budget in steps, which is to repeat bit for bit; those that are faster for one in minutes."""
    monkeypatch.setattr(choices, "fastest", lambda *_, **__: Arrangement(False, False, 1))
    this = start(config(**budget, **given), tmp_path, points)
    assert read_run_config(tmp_path).threads == wanted
    assert torch.get_num_threads() == 4
    for step in training(this):
        assert torch.get_num_threads() == wanted
        if step.index == 2:
            signal.raise_signal(signal.SIGINT)
    assert torch.get_num_threads() == 4
    monkeypatch.setattr(choices, "fastest", lambda *_, **__: pytest.fail("measured again"))
    walk = training(resume(tmp_path, points))
    next(walk, None)
    walk.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_measuring_the_threads_changes_no_network(config: Config, points: Dataset, tmp_path: Path) -> None:
    network = dropping()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.get_rng_state()
    start(config(minutes=1.0), tmp_path, points, network)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_budget_in_minutes_ends_and_resumes(config: Config, points: Dataset, tmp_path: Path) -> None:
    this = start(config(minutes=0.005), tmp_path, points)
    train(this, 3)
    spent = load_checkpoint(tmp_path).state["spent"]
    this = resume(tmp_path, points)
    assert this.trainer.budget.spent == spent
    train(this)
    assert this.trainer.budget.spent > 0.15  # of 0.3; on a busy machine the last step may take long
    state = load_checkpoint(tmp_path).state
    assert state["total"] == load_checkpoint(tmp_path).step == this.trainer.step


def change_config(path: Path, **values: object) -> None:
    file = path / "config.yaml"
    kept = {k: v for k, v in read_config(file).items() if k not in ("minutes", "steps")}
    file.write_text(dump_config(make_config(kept | values)))


def test_another_budget_in_the_configuration_counts(config: Config, points: Dataset, tmp_path: Path) -> None:
    train(start(config(steps=10), tmp_path, points))
    change_config(tmp_path, steps=14)
    assert train(resume(tmp_path, points)) == [11, 12, 13, 14]
    change_config(tmp_path, minutes=0.002)
    this = resume(tmp_path, points)
    assert (this.trainer.step, this.trainer.budget.total) == (14, 0)
    assert train(this)[0] == 15
    spent = this.trainer.budget.spent
    assert train(resume(tmp_path, points)) == []
    change_config(tmp_path, minutes=0.004)
    this = resume(tmp_path, points)
    assert this.trainer.budget.spent == spent
    train(this)
    assert this.trainer.budget.spent > spent


def test_a_state_that_makes_no_sense(
    config: Config, points: Dataset, tmp_path: Path, refused: Refused
) -> None:
    import hashlib

    train(start(config(), tmp_path, points), 2)
    folder = tmp_path / "checkpoints" / "step-000002"
    text = json.dumps({"step": 2, "seconds": None, "total": 0, "spent": 0, "skipped": 1e999})
    (folder / "state.json").write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["state.json"] = {"size": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    message = refused(resume, tmp_path, points)
    assert message.startswith(f"run {tmp_path}: checkpoint at step 2: does not fit this run (ValueError: ")


def test_errors_of_the_caller_s_loop_pass_through(config: Config, points: Dataset, tmp_path: Path) -> None:
    walk = training(start(config(), tmp_path, points))
    next(walk)
    with pytest.raises(ZeroDivisionError):
        walk.throw(ZeroDivisionError)  # type: ignore[attr-defined]
    with pytest.raises(InputError):
        load_checkpoint(tmp_path)


def test_images_killed_before_the_first_checkpoint_begin_where_they_had_begun(
    config: Config, tmp_path: Path
) -> None:
    values = torch.randint(0, 256, (60, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    images = Dataset("x", "image", values.to(torch.uint8))
    options = {"network": "patch-unet", "network_options": {"width": 8}, "sketch": 2, "batch": 8}
    this = start(config(**options), tmp_path, images)
    again = resume(tmp_path, images)
    assert again.trainer.step == 0
    for name, value in this.trainer.field.state_dict().items():
        assert torch.equal(value, again.trainer.field.state_dict()[name]), name


def test_data_in_memory_go_once_they_are_parted(
    config: Config, points: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fitted to them then has the memory that a second copy would take."""
    whole: list[weakref.ref[Tensor]] = []
    there: list[bool] = []

    def read(_config: TrainConfig, _source: Dataset | None = None) -> tuple[Dataset, None]:
        data = replace(points, values=points.values.clone())
        whole.append(weakref.ref(data.values))
        return data, None

    def known(parts: Parts, items: Items) -> tuple[Tensor, Tensor | None]:
        there.append(whole[-1]() is not None)
        return items.on_host(), parts.labels

    monkeypatch.setattr(session, "read_data", read)
    monkeypatch.setattr(Parts, "known", known)
    start(config(data="two-moons"), tmp_path / "run")
    resume(tmp_path / "run")
    assert there == [False, False]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")])
def test_too_little_memory_at_the_start_is_one_line(
    config: Config,
    points: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
    error: Exception,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    start(config(), tmp_path / "there", points)
    monkeypatch.setattr(session, "_trainer", full)
    for said in (
        refused(start, config(), tmp_path / "run", points),
        refused(resume, tmp_path / "there", points),
    ):
        assert said.startswith("data array: they, the network and what is fitted to them do not fit into")
        assert said.endswith("give a smaller network, sketch or batch, fewer or smaller items, or device=cpu")
    assert not (tmp_path / "run").exists()
