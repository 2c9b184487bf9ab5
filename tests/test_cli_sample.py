"""`unstir sample` at scale, and without training: jobs that go on, formats, what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import unstir
from unstir.cli import app
from unstir.data import load
from unstir.errors import InputError
from unstir.jobs import job

QUICK = ("--process", "edm", "--steps", 4)
SMALL = {"network_options": {"width": 8, "depth": 1}, "threads": 1, "device": "cpu"}


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of eight samples, and no waiting for the disk."""
    monkeypatch.setattr(job, "_FEWEST", 8)
    monkeypatch.setattr(job, "_QUICK", 0)
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def call(*arguments: object, status: int = 0) -> str:
    """What a command prints, errors and all."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.output


def stop(monkeypatch: pytest.MonkeyPatch, after: int, *arguments: object) -> str:
    """Ctrl-C once so many parts are kept."""
    keep, kept = job.Job.keep, [0]

    def stopped(self: job.Job, k: int, samples: unstir.data.Dataset) -> None:
        if kept[0] == after:
            raise KeyboardInterrupt
        kept[0] += 1
        keep(self, k, samples)

    with monkeypatch.context() as patch:
        patch.setattr(job.Job, "keep", stopped)
        return call(*arguments, status=130)


def test_an_exact_field_gives_the_data_back(tmp_path: Path) -> None:
    target = tmp_path / "a.npz"
    said = call("sample", "--exact", "digits", *QUICK[:2], "-n", 8, "--out", target)
    assert "an exact field gives the data back, and nothing new\n" in said
    samples, digits = load(target), load("digits")
    assert samples.labels is not None
    assert digits.labels is not None
    gap, nearest = torch.cdist(samples.values.flatten(1).float(), digits.values.flatten(1).float()).min(1)
    assert gap.max() < 0.02 * 255
    assert torch.equal(digits.labels[nearest], samples.labels)


def test_a_job_without_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("sample", "--exact", "digits", *QUICK, "-n", 40, "--out")
    call(*words, tmp_path / "straight.zip")
    said = stop(monkeypatch, 3, *words, tmp_path / "a.zip")
    assert f"what is drawn is kept in {tmp_path / 'a.zip.parts'}; the same command goes on\n" in said
    with pytest.raises(InputError, match=r"unfinished job of seed=0, and this one has seed=1"):
        call(*words, tmp_path / "a.zip", "--seed", 1)
    with pytest.raises(InputError, match="unfinished job of "):
        call(
            "sample",
            "--exact",
            "digits",
            "--process",
            "vp",
            *QUICK[2:],
            "-n",
            40,
            "--out",
            tmp_path / "a.zip",
        )
    said = call(*words, tmp_path / "a.zip", "--json")
    assert "going on: 24 of 40 samples are there already\n" in said
    report = json.loads(said[said.index("{") :])
    assert (report["n"], report["found"], report["out"]) == (40, 24, str(tmp_path / "a.zip"))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "straight.zip").read_bytes()


def test_formats_of_images(tmp_path: Path) -> None:
    words = ("sample", "--exact", "digits", *QUICK, "-n", 20)
    targets = [tmp_path / name for name in ("a.npz", "a.parquet", "a.zip", "a")]
    for target in targets:
        call(*words, "--out", target)
    plain, table, *bare = map(load, targets)
    assert all(torch.equal(found.values, plain.values) for found in (table, *bare))
    assert table.label_names == tuple(map(str, range(10)))
    assert plain.labels is not None
    assert table.labels is not None
    assert torch.equal(table.labels, plain.labels)
    for name in ("b.zip", "b"):  # by class where a class is asked for
        call(*words, "--out", tmp_path / name, "--label", "3,5")
        found = load(tmp_path / name)
        assert found.labels is not None
        assert (found.label_names, torch.bincount(found.labels).tolist()) == (("3", "5"), [10, 10])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run on a table whose class is a column."""
    rng = np.random.default_rng(0)
    rows = (f"{rng.normal():.3f},{rng.choice(['cat', 'dog'])},{rng.choice(['a', 'b'])}" for _ in range(60))
    (tmp_path / "t.csv").write_text("size,animal,letter\n" + "\n".join(rows) + "\n")
    train(tmp_path, 2)
    return tmp_path / "run"


def train(folder: Path, steps: int) -> None:
    options = json.dumps(SMALL["network_options"])
    words = ("--steps", steps, "--threads", 1, "--label-column", "animal", "--network-options", options)
    call("train", "--data", folder / "t.csv", "--process", "edm", *words, "--out", folder / "run")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_tables_go_on_with_their_names(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    words = ("sample", run, "-n", 30, "--steps", 3, "--out")
    call(*words, tmp_path / f"straight{suffix}")
    stop(monkeypatch, 2, *words, tmp_path / f"s{suffix}")
    call(*words, tmp_path / f"s{suffix}")
    ours = (tmp_path / f"s{suffix}").read_bytes()
    assert ours == (tmp_path / f"straight{suffix}").read_bytes()
    found = load(tmp_path / f"s{suffix}")
    assert len(found) == 30
    if suffix != ".npz":
        assert found.columns == ("size", "animal", "letter")
        assert set(found.categories[1] or ()) <= {"cat", "dog"}


def test_a_run_that_has_changed_is_refused(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("sample", run, "-n", 30, "--steps", 3, "--out", tmp_path / "s.npz")
    stop(monkeypatch, 2, *words)
    shutil.move(run, tmp_path / "moved")
    moved = ("sample", tmp_path / "moved", *words[2:])
    train(tmp_path, 3)
    with pytest.raises(InputError, match=r"unfinished job of step 2, and this one is of step 3: give"):
        call(*words)
    (tmp_path / "moved" / "times.json").write_text("[]")
    with pytest.raises(InputError, match="unfinished job of run 'run'"):
        call(*moved)
    (tmp_path / "moved" / "times.json").unlink()
    assert "going on: 16 of 30 samples" in call(*moved)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (),
            "--local DATA, --diffusers FOLDER, or --weights FILE; you gave none of them",
        ),
        (("run", "--exact", "digits"), "you gave RUN and --exact"),
        (("--exact", "digits", "--local", "digits"), "you gave --exact and --local"),
        (("run", "--process", "edm"), "process=edm: a run has its own; leave it out"),
        (("--exact", "digits", "--process", "kac"), "has no field of this kind"),
        (("--exact", "digits", "--guidance", 2), "guidance: is for a trained run; leave it out"),
        (("--exact", "digits", "--out", "x.csv"), "x.csv holds tables, and these are images"),
    ],
)
def test_what_is_refused(tmp_path: Path, words: tuple[object, ...], message: str) -> None:
    out = () if "--out" in words else ("--out", tmp_path / "a.npz")
    with pytest.raises(InputError) as caught:
        call("sample", *words, *out)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []
