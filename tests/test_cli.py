"""The command line, in this process where it can be: what it does, and that it refuses in one line."""

from __future__ import annotations

import errno
import importlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from rich.console import Console
from tests.calling import Said, call

import unstir
from unstir import cli, physics
from unstir.bars import show_training
from unstir.errors import InputError
from unstir.run import Run
from unstir.train import Arrived, TrainConfig, TrainStep, load_checkpoint
from unstir.train.folder import read_run_config

MLP = ("--network-options", '{"width": 16, "depth": 1}')
UNET = ("--network-options", '{"width": 8, "layers": 1, "middle": 1}')


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, with its content."""
    paths = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in paths}


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """fsync can take seconds where others write, and no test pulls the plug."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on points, that is not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "moons"
    said = call("train", "--data", "two-moons", "--steps", 60, "--batch", 64, "--out", path, *MLP)
    assert said.status == 0, said.err
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A run on images, and what training it printed with --json."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    options = ("--steps", 3, "--batch", 8, "--process", "poisson:D=64", "--json", *UNET)
    return path, call("train", "--data", "digits", "--out", path, *options)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_help_and_version() -> None:
    for arguments in ((), ("--help",), ("-h",)):
        said = call(*arguments)
        assert (said.status, said.err) == (0, "")
        assert all(verb in said.out for verb in ("processes", "train", "sample", "evaluate"))
    assert call("--version") == Said(0, f"unstir {unstir.__version__}\n", "")
    assert "--checkpoint-minutes" in call("train", "--help").out


def test_processes() -> None:
    said = call("processes")
    assert said.status == 0
    assert all(entry.name in said.out for entry in physics.entries())
    listed = json.loads(call("processes", "--json").out)
    assert [row["name"] for row in listed] == [entry.name for entry in physics.entries()]
    for row in listed:
        text = ",".join(f"{key}={value}" for key, value in row["parameters"].items())
        assert physics.parse(f"{row['name']}:{text}") == physics.parse(row["name"])


def options_of(command: str) -> dict[str, Any]:
    commands: dict[str, Any] = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    return {parameter.name: parameter for parameter in commands[command].params}


def test_every_option_of_train_is_a_field_and_the_reverse() -> None:
    # `compile` would hide Python's own inside the command.
    options = {"compile" if name == "compiled" else name: it for name, it in options_of("train").items()}
    fields = set(TrainConfig.model_fields) - {"teacher"}  # which is what `unstir distill` is given
    assert set(options) - {"run", "config", "resume", "as_json"} == fields
    for name in fields:
        assert options[name].opts == ["--" + name.replace("_", "-")]
        assert options[name].default is None  # the configuration alone knows the defaults


GIVEN: dict[str, Any] = {
    "data": "swissroll", "partner": "two-moons", "process": "vp", "minutes": 3.5, "batch": 7,
    "network": "mlp",
    "network_options": {"width": 8}, "labels": True, "label_dropout": 0.25, "sketch": 3, "axes": 7,
    "floors": "one",
    "channels_last": True, "optimizer": "adam", "lr": 0.25, "warmup": 0.5, "clip": 2.0, "ema": 0.125,
    "precision": "bfloat16", "noise_mean": -0.5, "noise_std": 0.75, "holdout": 0.5, "seed": 11,
    "device": "cpu", "threads": 2, "checkpoint_minutes": 0.5, "skip_bad": True, "augment": "flip",
    "label_column": "kind", "categorical": ("a", "b"), "track": "tensorboard",
    "compile": True, "objective": "consistency",
}  # fmt: skip


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrainConfig]:
    """The configuration that a `train` would start with."""

    def start(*arguments: object) -> TrainConfig:
        seen: list[TrainConfig] = []

        def take(config: TrainConfig, *_: object) -> None:
            seen.append(config)
            raise InputError("enough")

        importlib.import_module("unstir.fitting")  # has the real one for good, where it is imported now
        monkeypatch.setattr("unstir.train.session.start", take)
        said = call("train", *arguments)
        assert said.refusal == "error: enough"
        return seen[0]

    return start


def as_options(values: dict[str, Any]) -> list[str]:
    options: list[str] = []
    for name, value in values.items():
        options.append("--" + name.replace("_", "-"))
        if isinstance(value, tuple):
            options.append(",".join(value))
        elif value is not True:
            options.append(json.dumps(value) if isinstance(value, dict) else str(value))
    return options


def test_every_option_reaches_the_configuration(started: Callable[..., TrainConfig]) -> None:
    assert set(GIVEN) | {"steps", "teacher"} == set(TrainConfig.model_fields)
    assert started(*as_options(GIVEN)).model_dump() == GIVEN | {"steps": None, "teacher": None}
    assert started("--data", "digits", "--steps", 9).model_dump(exclude_none=True) == (
        TrainConfig(data="digits", steps=9).model_dump(exclude_none=True)
    )
    assert started("--data", "digits").minutes == 1.0


def test_a_file_gives_options_and_the_command_line_wins(
    place: Path, started: Callable[..., TrainConfig]
) -> None:
    import yaml

    (place / "c.yaml").write_text(yaml.safe_dump(GIVEN | {"categorical": ["a", "b"]}))
    file = ("--config", place / "c.yaml")
    other = {"steps": None, "teacher": None}
    assert started(*file).model_dump() == GIVEN | other
    changed = started(*file, "--seed", 12, "--lr", 1)
    assert changed.model_dump() == GIVEN | other | {"seed": 12, "lr": 1.0}
    # A budget of the one kind replaces a budget of the other.
    budget = started(*file, "--steps", 4)
    assert (budget.steps, budget.minutes) == (4, None)
    budget = started(*file, "--minutes", 4)
    assert (budget.steps, budget.minutes) == (None, 4)


def test_points_from_training_to_figures(moons: Path, place: Path) -> None:
    assert sorted(path.name for path in moons.iterdir()) == [
        "checkpoints", "config.yaml", "data.json", "evaluation.json", "kept.safetensors", "metrics.jsonl",
        "samples",
    ]  # fmt: skip
    assert read_run_config(moons).process == "poisson:D=128"
    lines = [json.loads(line) for line in (moons / "metrics.jsonl").read_text().splitlines()]
    assert (lines[0]["step"], lines[-1]["step"]) == (1, 60)

    said = call("sample", moons, "-n", 30, "--seed", 5, "--out", "a.npz")
    assert (said.status, said.err) == (0, "")
    assert said.out.endswith("a.npz\n")
    samples = np.load("a.npz")["samples"]
    assert (samples.shape, samples.dtype) == ((30, 2), np.float32)
    assert np.array_equal(samples, unstir.load(moons).sample(30, seed=5).numpy())
    call("sample", moons, "-n", 10, "--first", 20, "--seed", 5, "--batch", 3, "--out", "b.npz")
    assert np.allclose(np.load("b.npz")["samples"], samples[20:], atol=1e-4)
    call("sample", moons, "-n", 30, "--seed", 6, "--out", "a.npz")
    assert not np.allclose(np.load("a.npz")["samples"], samples)
    call("sample", moons, "-n", 30, "--solver", "heun", "--steps", 9, "--seed", 5, "--out", "c.csv")
    heun = unstir.load(moons).sample(30, solver="heun", steps=9, seed=5).numpy()
    assert Path("c.csv").read_text().startswith('"x","y"\n')
    assert np.allclose(np.loadtxt("c.csv", delimiter=",", skiprows=1), heun, rtol=1e-5)
    assert call("sample", moons, "-n", 3, "--out", "d.png").status == 0
    assert Path("d.png").read_bytes().startswith(b"\x89PNG")

    from_file = json.loads(call("evaluate", "a.npz", "--data", "two-moons", "--json").out)
    assert (from_file["n"], from_file["n_samples"], from_file["n_reference"]) == (30, 30, 2000)
    from_run = json.loads(call("evaluate", moons, "-n", 40, "--features", "standard", "--json").out)
    expected = unstir.load(moons).evaluate(40, features="standard").to_dict()
    assert from_run == json.loads(json.dumps(expected))
    said = call("evaluate", moons, "-n", 40)
    assert all(word in said.out for word in ("sliced Wasserstein", "Gaussian fit", "real data", "novelty"))
    assert sorted(tree(place)) == ["a.npz", "b.npz", "c.csv", "d.png"]


def test_images_from_training_to_figures(digits: tuple[Path, Said], place: Path) -> None:
    run, said = digits
    report = json.loads(said.out)
    assert (report["run"], report["step"], report["skipped"]) == (str(run), 3, 0)
    assert report["evaluation"]["n_reference"] == 359
    assert "poisson:D=64 on digits: 1,438 items of 1×8×8, 359 held out; patch-unet of" in said.err
    assert {path.name for path in (run / "samples").iterdir()} == {"samples.png", "nearest.png"}
    assert json.loads((run / "evaluation.json").read_text()) == report["evaluation"]

    few = ("--steps", 3)
    figures = json.loads(call("sample", run, "-n", 5, "--out", "new/a.npz", "--json", *few).out)
    assert (figures["out"], figures["n"]) == ("new/a.npz", 5)
    samples = np.load("new/a.npz")["samples"]
    assert (samples.shape, samples.dtype) == ((5, 8, 8), np.uint8)
    assert call("sample", run, "-n", 5, "--out", "folder", *few).status == 0
    files = sorted(Path("folder").iterdir())
    assert [file.name for file in files] == [f"{i:06d}.png" for i in range(5)]
    assert np.array_equal(np.stack([np.asarray(Image.open(file)) for file in files]), samples)
    assert call("sample", run, "-n", 5, "--out", "grid.png", *few).status == 0
    assert call("evaluate", "folder", "--data", "digits").refusal.startswith("error: samples has shape (5,")
    said = call("evaluate", run, "-n", 20, "--picture", "pairs.png", "--features", "logits", *few)
    assert said.status == 0
    assert "held-out accuracy" in said.out
    assert "open    pairs.png" in said.out
    assert Path("pairs.png").read_bytes().startswith(b"\x89PNG")


def test_baselines(place: Path) -> None:
    from unstir.measure.baselines import LAWS, compare_baselines

    points = unstir.data.load("two-moons").values[:500]
    np.savetxt("few.csv", points.numpy(), delimiter=",", header="x,y", comments="")
    said = call("baseline", "--data", "few.csv", "-n", 40, "--out", "new/a.csv", "--json")
    assert (said.status, said.err) == (0, "")
    report = json.loads(said.out)
    expected = compare_baselines(*unstir.data.load("few.csv").split(0.2, 0), n=40).to_dict()
    for model, same in zip(report["models"], expected["models"], strict=True):  # type: ignore[call-overload]
        assert model | {"seconds": 0} == same | {"seconds": 0}
    assert report["floor"] == expected["floor"]
    assert report["out"] == {name: f"new/a-{name}.csv" for name in LAWS}
    for path in report["out"].values():
        assert np.loadtxt(path, delimiter=",", skiprows=1).shape == (40, 2)

    said = call("baseline", "--data", "few.csv", "-n", 40, "--model", "kde,ppca", "--seed", 3)
    assert said.out.splitlines()[0].split() == ["n", "=", "40,", "pixels", "kde", "ppca", "real", "data"]
    assert "bits per dimension" not in said.out
    assert "fitted to 400 items" in said.out
    said = call("baseline", "--data", "few.csv", "-n", 40, "--model", "gaussian", "--out", "one.npz")
    assert said.out.endswith("open    one.npz\n")
    assert np.load("one.npz")["samples"].dtype == np.float32
    assert sorted(tree(place)) == [
        "few.csv",
        "new",
        *(f"new/a-{name}.csv" for name in sorted(LAWS)),
        "one.npz",
    ]

    # Beside a run: the same samples against the same data.
    train = ("train", "--data", "few.csv", "--process", "edm", "--steps", 3, "--out", "run", *MLP)
    assert call(*train).status == 0
    beside = json.loads(call("evaluate", "run", "-n", 40, "--baselines", "--json").out)
    assert beside.pop("baselines")["floor"] == beside["floor"]
    assert beside == json.loads(call("evaluate", "run", "-n", 40, "--json").out)
    said = call("evaluate", "run", "-n", 40, "--baselines")
    assert said.out.splitlines()[0].split()[4:] == ["samples", *LAWS, "real", "data"]


def test_baselines_of_images(place: Path) -> None:
    np.save("few.npy", np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8))
    said = call(
        "baseline", "--data", "few.npy", "-n", 64, "--model", "ppca", "--holdout", 0.5, "--out", "a.png"
    )
    assert said.status == 0
    assert "n = 30, pixels" in said.out
    assert "bits per dimension" in said.out
    assert "30 held-out items: grey levels 0..255 made continuous by uniform noise" in said.out
    assert (place / "a.png").read_bytes().startswith(b"\x89PNG")


def test_resuming_on_the_command_line(place: Path) -> None:
    from unstir.train import make_config
    from unstir.train.session import start, training

    options = {"data": "two-moons", "steps": 20, "holdout": 1e-3, "network_options": json.loads(MLP[1])}
    session = start(make_config(options), Path("run"))
    for step in training(session):
        if step.index == 7:
            signal.raise_signal(signal.SIGINT)
    said = call("train", "--resume", "--out", "run", "--json")
    assert "going on at step 7" in said.err
    assert json.loads(said.out)["step"] == 20
    said = call("train", "--resume", "--out", "run")
    assert said.status == 0
    assert "its budget was spent after 20 steps" in said.err
    assert "going on" not in said.err
    assert "loss" not in said.err
    newest = place / "run" / "checkpoints" / "step-000020" / "ema.safetensors"
    newest.write_bytes(newest.read_bytes()[:100])
    said = call("sample", "run", "-n", 2, "--out", "a.npz")
    assert said.status == 0
    assert "passed over step-000020: ema.safetensors has 100 bytes" in said.err
    assert "using step 7" in said.err
    said = call("train", "--resume", "--out", "run")
    assert "passed over step-000020: ema.safetensors has 100 bytes" in said.err
    assert load_checkpoint(place / "run").step == 20


def test_ctrl_c_in_a_process_of_its_own_keeps_all_and_says_how_to_go_on(place: Path) -> None:
    run = place / "my run"
    steps = 800
    command = [sys.executable, "-m", "unstir", "train", "--data", "gaussians8", "--process", "edm"]
    process = subprocess.Popen(
        [*command, "--steps", str(steps), "--holdout", "0.001", "--out", str(run), *MLP],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").stat().st_size:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    assert err.endswith("stopped\n")
    stopped = load_checkpoint(run)
    assert 0 < stopped.step < steps
    line = next(line for line in err.splitlines() if "Go on with: " in line)
    assert line.startswith(f"step {stopped.step} and all before are kept")
    suggested = shlex.split(line.partition("Go on with: ")[2])
    assert suggested == ["unstir", "train", "--resume", "--out", str(run)]
    assert call(*suggested[1:]).status == 0
    assert load_checkpoint(run).step == steps


def test_ctrl_c_elsewhere_is_130_without_a_traceback(
    moons: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "sample", interrupted)
    said = call("sample", moons, "--out", "a.npz")
    assert said.status == 130
    assert said.err.endswith("stopped\n")
    assert tree(place) == {}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, moons: Path) -> Path:
    """Data and runs with something wrong."""
    import shutil

    root = tmp_path_factory.mktemp("bad")
    np.save(root / "nan.npy", np.array([[1.0, np.nan], [2, 3]]))
    np.save(root / "one.npy", np.zeros((1, 2)))
    np.save(root / "few.npy", np.arange(60.0).reshape(30, 2))
    np.save(root / "items0.npy", np.zeros((0, 2)))
    (root / "text.csv").write_text("x,y\n1,2\nthree,4\n")
    (root / "empty").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
    for name, images in (("mixed", [noise, noise[:5]]), ("cut", [noise, noise])):
        (root / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(root / name / f"{i}.png")
    (root / "cut" / "1.png").write_bytes((root / "cut" / "1.png").read_bytes()[:60])
    (root / "binary.yaml").write_bytes(bytes(range(256)))
    (root / "typo.yaml").write_text("data: digits\nlearning_rate: 3\n")
    (root / "file").touch()
    (root / "[red]").mkdir()
    shutil.copytree(moons, root / "halved")
    tensors = root / "halved" / "checkpoints" / "step-000060" / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[: tensors.stat().st_size // 2])
    shutil.copytree(moons, root / "reshaped")
    config = root / "reshaped" / "config.yaml"
    config.write_text(config.read_text().replace("width: 16", "width: 24"))
    shutil.copytree(moons, root / "infoless")
    (root / "infoless" / "data.json").write_text("{")
    shutil.copytree(moons, root / "unstarted")
    shutil.rmtree(root / "unstarted" / "checkpoints")
    return root


TRAIN = "train --data two-moons --steps 2 "
REFUSALS = [
    # Data.
    ("train", "data: is missing; give --data digits"),
    ("train --data {bad}/nan.npy", "nan"),
    ("train --data {bad}/items0.npy", "items0.npy"),
    ("train --data {bad}/one.npy", "holdout=0.2 leaves none of 1 items to train on: give more data"),
    ("train --data {bad}/text.csv", "three"),
    ("train --data {bad}/empty", "holds no images"),
    ("train --data {bad}/mixed", "9x9"),
    ("train --data {bad}/cut", "1.png"),
    ("train --data digit", "did you mean digits?"),
    ("train --data [bold]x[/bold].npy", "data [bold]x[/bold].npy is no path"),
    ("train --data :smile:.npy", "data :smile:.npy is no path"),
    ("train --data \\[x", "data \\[x is no path"),
    ("train --data {bad}/[red]", "{bad}/[red] holds no images"),
    # Processes.
    (TRAIN + "--process poison", "process 'poison' is not known; did you mean poisson? Known: vp, ve, edm"),
    (TRAIN + "--process poisson:D=0.5", "D=0.5: Poisson flow needs at least one extra dimension"),
    (TRAIN + "--process poisson:D=many", "D='many' is not a number"),
    (TRAIN + "--process poisson:E=3", "poisson has no parameter 'E'"),
    (TRAIN + "--process edm:sigma_max=0", "need 0 < sigma_min < sigma_max"),
    # Options.
    ("train --data two-moons --steps 0", "steps=0: give 1 or more"),
    ("train --data two-moons --steps -3", "steps=-3"),
    ("train --data two-moons --steps soon", "--steps=soon: give a whole number"),
    ("train --data two-moons --steps=soon", "--steps=soon"),
    ("train --data two-moons --minutes nan", "minutes=nan: give a finite number"),
    ("train --data two-moons --minutes inf", "minutes=inf"),
    ("train --data two-moons --minutes 0", "minutes=0.0: give more than 0"),
    ("train --data two-moons --steps 2 --minutes 1", "give either minutes or steps"),
    (TRAIN + "--precision bf16", "precision='bf16': give auto, float32 or bfloat16"),
    (TRAIN + "--network resnet", "network='resnet': give auto, mlp, patch-unet, unet"),
    (TRAIN + "--network unet", "it needs images, use mlp"),
    (TRAIN + "--network custom", "network=custom: is a module given in Python"),
    (TRAIN + "--device warp", "device=warp: is no device known here"),
    (TRAIN + "--batch 0", "batch=0"),
    (TRAIN + "--lr -1", "lr=-1.0"),
    (TRAIN + "--lr fast", "--lr=fast"),
    (TRAIN + "--holdout 1", "holdout=1.0: give less than 1"),
    (TRAIN + "--seed -1", "seed=-1"),
    (TRAIN + "--threads 0", "threads=0"),
    (TRAIN + "--network-options {{", "network-options='{{': give a JSON mapping"),
    (TRAIN + "--network-options [1]", "network-options='[1]': give a JSON mapping"),
    (TRAIN + "--network-options {{\"width\":-1}}", "no mlp can be made of them"),
    (TRAIN + "--network-options {{\"widht\":1}}", "widht"),
    (TRAIN + "--learning-rate 1", "No such option: --learning-rate"),
    ("train --config {bad}/absent.yaml", "absent.yaml: cannot be read"),
    ("train --config {bad}/binary.yaml", "binary.yaml: cannot be read"),
    ("train --config {bad}/typo.yaml", "learning_rate: is no option"),
    ("train --config {bad}", "is no file"),
    # Folders.
    (TRAIN + "--out {moons}", "holds a run already; resume it (--resume) or choose another folder"),
    (TRAIN + "--out {bad}/file/run", "a part of the path is a file; choose another folder"),
    (TRAIN + "--out {bad}/file", "cannot write {bad}/file"),
    ("train --resume", "resume: say which run with --out RUN"),
    ("train --resume --out {bad}", "is no run folder"),
    ("train --resume --out {bad}/absent", "is no run folder"),
    ("train --resume --out {moons} --lr 1 --steps 9", "own config.yaml decides; leave out steps, lr"),
    ("train --resume --out {moons} --config {bad}/typo.yaml", "leave out config"),
    ("train --resume --out {bad}/halved", "step-000060: model.safetensors has"),
    ("train --resume --out {bad}/reshaped", "step-000060: model.safetensors is of another shape"),
    # Sampling.
    ("sample", "Missing"),
    ("sample {moons}", "Missing option '--out'; see unstir sample --help"),
    ("sample {bad}/absent --out a.npz", "is no run folder"),
    ("sample {bad}/halved --out a.npz", "step-000060: model.safetensors has"),
    ("sample {bad}/reshaped --out a.npz", "step-000060: model.safetensors is of another shape"),
    ("sample {bad}/infoless --out a.npz", "data.json is damaged"),
    ("sample {bad}/unstarted --out a.npz", "no checkpoint yet; go on with unstir train --resume --out"),
    ("sample {moons} -n 0 --out a.npz", "-n=0"),
    ("sample {moons} -n few --out a.npz", "-n=few"),
    ("sample {moons} --steps 0 --out a.npz", "--steps=0"),
    ("sample {moons} --batch 0 --out a.npz", "--batch=0"),
    ("sample {moons} --first -1 --out a.npz", "--first=-1"),
    ("sample {moons} --seed -1 --out a.npz", "seed=-1: a seed is a whole number"),
    ("sample {moons} --solver huen --out a.npz", "solver 'huen' is not known; did you mean heun?"),
    ("sample {moons} --solver churn:amount=-1 --out a.npz", "give amount >= 0"),
    ("sample {moons} --device warp --out a.npz", "device=warp"),
    ("sample {moons} --out a.jpg", "a.jpg ends in '.jpg': give .npz, .png"),
    ("sample {moons} --out folder", "this is a table: add .npz or .csv"),
    ("sample {moons} --out {bad}/file/a.npz", "cannot be written"),
    ("sample {moons} --out {bad}/[red]/a.jpg", "{bad}/[red]/a.jpg ends in"),
    # Figures.
    ("evaluate absent", "absent: no such run or file of samples"),
    ("evaluate {bad}/one.npy", "data: is missing; say what {bad}/one.npy is to be compared with"),
    ("evaluate {bad}/one.npy --data two-moons", "samples has shape (1, 2): give at least 6 items"),
    ("evaluate {moons} --features vibes", "features='vibes' is unknown: give one of pixels"),
    ("evaluate {moons} --features pca:0", "pca:0"),
    ("evaluate {moons} --features pca:99", "pca:99"),
    ("evaluate {moons} --data swissroll --features logits", "labels"),
    ("evaluate {moons} --data digits", "data digits: has items of (1, 8, 8), run {moons} of (2,)"),
    ("evaluate {moons} -n 3", "-n=3"),
    ("evaluate {moons} --data two-moons --holdout 0", "holdout=0: nothing is held out to compare with"),
    ("evaluate {moons} --data two-moons --holdout 2", "holdout=2.0"),
    ("evaluate {moons} --picture a.png", "picture=a.png: shows images, and these are a table"),
    ("evaluate {digits} --picture a.jpg", "picture=a.jpg: give a name that ends in .png"),
    ("evaluate {digits} --picture {bad}/file/a.png", "cannot be written"),
    ("evaluate {bad}/infoless", "data.json is damaged"),
    # Baselines.
    ("baseline", "Missing option '--data'"),
    ("baseline --data digit", "did you mean digits?"),
    ("baseline --data digits --model parzen", "model='parzen' is unknown: give gaussian,"),
    ("baseline --data {bad}/one.npy", "holdout=0.2 leaves none of 1 items"),
    ("baseline --data {bad}/few.npy", "24 items to fit and 6 held out are too few to compare"),
    ("baseline --data two-moons --holdout 0", "holdout=0: nothing is held out to compare with"),
    ("baseline --data two-moons -n 0", "-n=0: give 20 or more; see unstir baseline --help"),
    ("baseline --data two-moons --seed -1", "seed=-1"),
    ("baseline --data two-moons --features vibes", "features='vibes' is unknown"),
    ("baseline --data two-moons --out a.jpg", "a-gaussian.jpg ends in '.jpg'"),
    # Commands.
    ("tarin", "No such command 'tarin'"),
    ("--versoin", "No such option: --versoin"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "said"), REFUSALS, ids=[command for command, _ in REFUSALS])
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(
    place: Path, bad: Path, moons: Path, digits: tuple[Path, Said], command: str, said: str
) -> None:
    names = {"bad": bad, "moons": moons, "digits": digits[0]}
    before = tree(bad), tree(moons)
    refusal = call(*(part.format(**names) for part in command.split())).refusal
    assert said.format(**names) in refusal
    assert len(refusal) < 700
    assert tree(place) == {}
    assert (tree(bad), tree(moons)) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_no_cuda(place: Path, moons: Path) -> None:
    said = "error: device=cuda: is not available on this machine; give auto or cpu"
    assert call(*TRAIN.split(), "--device", "cuda").refusal == said
    assert call("sample", moons, "--device", "cuda", "--out", "a.npz").refusal == said
    assert tree(place) == {}


@pytest.mark.usefixtures("place")
def test_debug_shows_where_an_error_comes_from() -> None:
    for arguments in (("train", "--debug"), ("--debug", "train")):
        with pytest.raises(InputError, match="data: is missing"):
            call(*arguments)


@pytest.mark.parametrize("count", [2, 3, 30])
def test_few_items_train_without_figures(place: Path, count: int) -> None:
    """Batches larger than the data, and too few to compare with."""
    np.save("few.npy", np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32))
    said = call("train", "--data", "few.npy", "--steps", 3, "--batch", 50, "--out", "run", "--json", *MLP)
    assert said.status == 0, said.err
    assert json.loads(said.out)["evaluation"] is None
    assert "items to train on and" in said.err
    assert "held out are few: samples may be copies" in said.err
    assert call("sample", "run", "-n", 2, "--out", "a.npz").status == 0
    assert call("evaluate", "run", "-n", 20).refusal.endswith(
        "are too few to compare with; give at least 20 of each"
    )


def test_an_interrupt_after_training_says_that_the_run_is_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unstir.run.Run.sample", stopped)
    said = call("train", "--data", "two-moons", "--steps", 1, "--out", "a run", *MLP)
    assert said.status == 130
    assert "it is trained, and kept. Measure it with: unstir evaluate 'a run'" in said.err


def test_a_wide_table_without_names_may_be_meant_as_signals(place: Path) -> None:
    np.save("wide.npy", np.random.default_rng(0).normal(size=(8, 40)).astype(np.float32))
    said = call("train", "--data", "wide.npy", "--steps", 1, "--out", "run", *MLP)
    assert "read as a table of 40 columns; were they signals, give an array (n, 1, 40)" in said.err


def test_one_image_of_one_colour(place: Path) -> None:
    np.save("one.npy", np.full((1, 4, 4), 7, dtype=np.uint8))
    options = ("--holdout", 0, "--steps", 2, "--batch", 2, "--out", "run", *UNET)
    assert call("train", "--data", "one.npy", *options).status == 0
    assert (place / "run" / "samples" / "nearest.png").exists()
    assert call("evaluate", "run").refusal.startswith("error: holdout=0: nothing is held out")


def test_bad_files_are_passed_over_when_asked(place: Path, bad: Path) -> None:
    options = ("--holdout", 0, "--steps", 1, "--batch", 2, "--out", "run", *UNET)
    said = call("train", "--data", bad / "cut", "--skip-bad", *options)
    assert said.status == 0
    assert f"passed over {bad / 'cut' / '1.png'}: " in said.err
    assert read_run_config(place / "run").skip_bad


@pytest.mark.usefixtures("place")
def test_names_with_brackets_are_printed_as_they_are(moons: Path) -> None:
    said = call("sample", moons, "-n", 2, "--out", "[red]/[bold]a[/bold] :car: b.npz")
    assert said.out.endswith("[red]/[bold]a[/bold] :car: b.npz\n")
    said = call("train", "--data", "two-moons", "--steps", 1, "--holdout", 1e-3, "--out", "[blue]", *MLP)
    assert "\nrun     [blue] (1 steps)\nopen    [blue]/samples/samples.png\n" in said.out
    assert "next    unstir sample '[blue]' -n 64 --out more.png\n" in said.out


@pytest.mark.usefixtures("place")
def test_unprintable_names_cannot_act_on_the_terminal() -> None:
    refusal = call("train", "--data", "a\x1b[31m\nb.npy").refusal
    assert "\x1b" not in refusal


def test_a_full_disk_is_one_line_and_status_2(place: Path, moons: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        trained = call(*TRAIN.split(), "--holdout", 1e-3, "--out", "run", *MLP)
        sampled = call("sample", moons, "-n", 1000, "--steps", 2, "--out", "a.npz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (trained.status, trained.out) == (2, "")
    assert trained.err.splitlines()[-1].startswith("error: cannot write run/checkpoints/step-000002: ")
    assert sampled.status == 2
    assert sampled.err.splitlines()[-1].startswith("error: cannot write a.npz: the file would be too large")
    assert not Path("a.npz").exists()
    # With space again the run goes on.
    assert call("train", "--resume", "--out", "run").status == 0
    assert load_checkpoint(place / "run").step == 2


class Full(io.StringIO):
    """Standard output on a full disk, or to a reader that has gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, _text: str) -> int:
        raise self.error


@pytest.mark.parametrize("arguments", [("processes",), ("processes", "--json"), ("--version",)])
def test_an_output_that_takes_nothing(arguments: tuple[str, ...]) -> None:
    said = call(*arguments, out=Full(OSError(errno.ENOSPC, "No space left on device")))
    assert said.refusal == "error: output: No space left on device"


def test_a_reader_that_has_seen_enough() -> None:
    said = call("processes", "--json", out=Full(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    assert (said.status, said.err) == (1, "")


@pytest.mark.usefixtures("place")
def test_json_is_all_that_is_on_stdout(moons: Path, digits: tuple[Path, Said]) -> None:
    said = call("sample", moons, "-n", 4, "--out", "a.npz", "--json")
    assert set(json.loads(said.out)) == {"out", "n", "found", "seconds", "samples_per_second"}
    assert "training" in digits[1].err


def records(losses: list[float], start: int = 0) -> Iterator[TrainStep]:
    for index, loss in enumerate(losses, start + 1):
        skipped = 0 if np.isfinite(loss) else 1
        arrived = Arrived(index, loss, skipped)
        unread = torch.empty((), device="meta")  # which nobody may wait for
        yield TrainStep(index, start + len(losses), unread, 1e-3, float(index), unread, arrived)


def shown(losses: list[float], start: int = 0, minutes: float | None = None) -> str:
    out = io.StringIO()
    show_training(records(losses, start), 16, minutes, Console(file=out, width=120))
    return " ".join(out.getvalue().split())


def test_the_bar_of_training() -> None:
    assert "loss 0.500 " in shown([0.5])
    assert "step 9" in shown([0.5] * 9)
    assert "loss 0.510 " in shown([0.5, 0.6])  # smoothed
    assert "loss 0.500 (1 steps skipped)" in shown([0.5, float("nan")])
    assert "step 103" in shown([0.5] * 3, start=100, minutes=0.5)
    assert "loss nan" in shown([float("nan")])
    assert "training" in shown([])


def test_the_bar_counts_a_late_loss_once_and_says_where_there_is_none_yet() -> None:
    unread, out = torch.empty((), device="meta"), io.StringIO()
    late = (Arrived(0, None, 0), Arrived(1, 0.5, 0), Arrived(1, 0.5, 0), Arrived(2, 0.6, 2))

    def steps(count: int) -> Iterator[TrainStep]:
        for index, arrived in enumerate(late[:count], 1):
            yield TrainStep(index, index, unread, 1e-3, float(index), unread, arrived)

    for count, text in ((1, "loss … "), (3, "loss 0.500 "), (4, "loss 0.510 (2 steps skipped)")):
        show_training(steps(count), 16, None, Console(file=out, width=120))
        assert text in " ".join(out.getvalue().split())


def test_the_bar_does_not_count_what_was_done_before_resuming(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    text = shown([0.5], start=1_000_000)
    assert "16 items/s" in text
