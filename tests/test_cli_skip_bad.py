"""`--skip-bad`: every verb that reads images anew takes the folder that training took."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from tests.calling import call

import unstir
from unstir.cli import app
from unstir.errors import InputError

VERBS = typer.main.get_group(app).commands
READERS = (
    "train", "compare", "sample", "restore", "edit", "evaluate", "likelihood", "score", "novelty", "baseline",
    "picture",
)  # fmt: skip
# Verbs that read no images of the user's; those that do all have the option, or this list would be wrong.
OTHERS = {"processes", "networks", "tune", "distill", "pde", "verify", "lab", "export"}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 60 images and one that is cut off."""
    folder = tmp_path_factory.mktemp("bad") / "images"
    folder.mkdir()
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (61, 8, 8), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    (folder / "60.png").write_bytes((folder / "60.png").read_bytes()[:50])
    return folder


@pytest.fixture(scope="module")
def run(bad: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the folder."""
    path = tmp_path_factory.mktemp("runs") / "run"
    unstir.fit(
        "poisson:D=128", bad, steps=1, batch=4, skip_bad=True, holdout=0.4, out=path, device="cpu", threads=1,
        network_options={"width": 8, "layers": 1, "middle": 1},
    )  # fmt: skip
    return path


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_verb_reads_or_does_not() -> None:
    assert set(READERS) | OTHERS == set(VERBS)
    for verb in READERS:
        assert "--skip-bad" in [option for it in VERBS[verb].params for option in it.opts], verb


@pytest.mark.parametrize(
    "arguments",
    [
        "evaluate {run} --data {bad} -n 20 --holdout 0.4 --steps 2",
        "evaluate {bad} --data digits",
        "baseline --data {bad} --model gaussian -n 20 --holdout 0.4",
        "score {run} --data {bad} -n 2 --levels 1 --draws 1",
        "score {run} --reference {bad} --levels 1 --draws 1 -n 20",
        "likelihood {run} --data {bad} -n 1",
        "edit {run} roundtrip --input {bad} --items 0 --steps 2 --out a.npz",
        "edit --exact {bad} --process edm roundtrip --items 0 --steps 2 --out a.npz",
        "restore {run} --task denoise --input {bad} -n 1 --steps 2 --out a.npz",
        "restore {run} --task denoise --input {bad} -n 1 --steps 2 --degrade --out a.npz",
        "sample --exact {bad} --process edm --steps 2 -n 1 --out a.npz",
        "sample --local {bad} --process edm --steps 2 -n 1 --out a.npz",
    ],
)
def test_the_message_and_its_mend(arguments: str, run: Path, bad: Path) -> None:
    words = [word.format(run=run, bad=bad) for word in arguments.split()]
    assert "pass over them with --skip-bad" in call(*words).refusal
    said = call(*words, "--skip-bad")
    assert said.status == 0, said.err
    assert f"passed over {bad / '60.png'}: " in said.err


@pytest.mark.parametrize(
    ("arguments", "patched"),
    [
        ("compare --data {bad} --processes edm --steps 1 --holdout 0.4", "unstir.compare.compare_processes"),
        ("novelty --data {bad} --holdout 0.4 --out a.html", "unstir.novelty.compare_novelty"),
        ("picture edm --data {bad}", "unstir.picture.write"),
        ("picture capacitor --data digits --partner {bad}", "unstir.picture.write"),
        ("sample {run} --from {bad} --out a.npz", "unstir.jobs.work"),
    ],
)
def test_it_reaches_what_takes_long(
    arguments: str, patched: str, run: Path, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise InputError("enough")

    words = [word.format(run=run, bad=bad) for word in arguments.split()]
    assert "pass over them with --skip-bad" in call(*words).refusal
    monkeypatch.setattr(patched, stop)
    said = call(*words, "--skip-bad")
    assert said.err.splitlines()[-1] == "error: enough"
    assert f"passed over {bad / '60.png'}: " in said.err


def test_pde_refuses_images_whole(bad: Path) -> None:
    assert "pde takes tables" in call("pde", "heat", "--data", bad, "--out", "a.npz").refusal
