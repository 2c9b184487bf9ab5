"""Trained runs in the lab: the library's own samples, step by step, of runs found by name alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

import unstir
from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context, Lab
from unstir.lab.opened import names
from unstir.lab.requests import parse
from unstir.lab.topics.runs import metrics
from unstir.measure import nearest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small runs, and what is none."""
    folder = tmp_path_factory.mktemp("lab") / "runs"
    small = {"width": 16, "depth": 1}
    unstir.fit(
        "edm",
        "digits",
        steps=4,
        network="mlp",
        network_options=small,
        sketch=2,
        labels=True,
        out=folder / "digits",
    )
    unstir.fit(
        "poisson:D=8", "two-moons", steps=4, network="mlp", network_options=small, out=folder / "moons"
    )
    (folder / "notes").mkdir()
    return folder


@pytest.fixture(scope="module")
def context(folder: Path) -> Context:
    return Context(Lab(runs=folder))


def _ask(context: Context, **given: Any) -> list[Answer]:  # noqa: ANN401
    return list(parse(json.dumps({"id": 1, "slot": "born", **given})).answer(context))


def test_steps_end_with_the_library_s_own_samples(context: Context, folder: Path) -> None:
    *steps, end = _ask(context, kind="born", run="digits", n=5, steps=6, seed=3)
    assert [step.scalars["step"] for step in steps] == list(range(len(steps)))
    assert not any(step.done for step in steps)
    assert end.done
    own = unstir.load(folder / "digits").sample(5, steps=6, seed=3)
    assert torch.equal(torch.as_tensor(end.arrays["images"]), own[:, 0])
    assert torch.as_tensor(steps[2].arrays["guess"]).shape == (5, 8, 8)


def test_nearest_images_are_training_images(context: Context, folder: Path) -> None:
    *_, end = _ask(context, kind="born", run="digits", n=5, steps=6)
    run = unstir.load(folder / "digits")
    train, heldout = run.data()
    samples = torch.as_tensor(end.arrays["images"])[:, None]
    index, distance = nearest(samples, train.values)
    assert torch.equal(torch.as_tensor(end.arrays["nearest"]), train.values[index][:, 0])
    usual = nearest(heldout.values[:200], train.values)[1].median()
    assert torch.allclose(torch.as_tensor(end.arrays["distance"]), distance / usual)


def test_classes_solvers_and_guidance(context: Context) -> None:
    asked = {"kind": "born", "run": "digits", "n": 4, "steps": 5}
    (info,) = _ask(context, kind="run", run="digits")
    assert info.scalars["classes"] == [str(k) for k in range(10)]
    assert info.scalars["solvers"][0] == "multistep"
    assert info.scalars["guides"] is True
    plain, guided, heun = (
        torch.as_tensor(_ask(context, **asked, label="3", **more)[-1].arrays["images"])
        for more in ({}, {"guidance": 4.0}, {"solver": "heun"})
    )
    assert not torch.equal(plain, guided)
    assert not torch.equal(plain, heun)
    with pytest.raises(InputError, match="solver"):
        _ask(context, **asked, solver="nonsense")


def test_what_is_seen_of_an_image_is_kept(context: Context) -> None:
    first, *_, end = _ask(context, kind="born", run="digits", n=3, steps=8, task="hole", item=2)
    clean = torch.as_tensor(first.arrays["clean"]).float()
    samples = torch.as_tensor(end.arrays["images"]).float()
    seen = torch.ones(8, 8, dtype=torch.bool)
    seen[2:6, 2:6] = False
    miss = (samples - clean).abs()
    assert float(miss[:, seen].mean()) < 12
    assert float(miss[:, ~seen].mean()) > 2 * float(miss[:, seen].mean())
    with pytest.raises(InputError, match="guidance=2"):
        _ask(context, kind="born", run="digits", task="hole", guidance=2.0)
    with pytest.raises(InputError, match="task"):
        _ask(context, kind="born", run="digits", task="inpaint:mask=/etc/passwd")


def test_points_are_born_too(context: Context) -> None:
    *steps, end = _ask(context, kind="born", run="moons", n=50, steps=6)
    assert torch.as_tensor(end.arrays["states"]).shape == (50, 2)
    # Prior to data: the noise is gone.
    assert float(torch.as_tensor(steps[0].arrays["states"]).abs().median()) > 20
    assert float(torch.as_tensor(end.arrays["states"]).abs().median()) < 2


@pytest.mark.parametrize(
    "name", ["../runs/digits", "..", ".", "notes", "digits/checkpoints", "/etc", "nothing"]
)
def test_only_runs_of_the_folder_are_opened(context: Context, name: str) -> None:
    for kind in ("run", "born"):
        with pytest.raises(InputError, match="is not in the lab's folder; there are digits, moons"):
            _ask(context, kind=kind, run=name)


def test_without_a_folder_there_are_no_runs(folder: Path) -> None:
    assert names(folder) == ["digits", "moons"]
    assert names(None) == []
    with pytest.raises(InputError, match="start it with unstir lab --runs FOLDER"):
        _ask(Context(), kind="run", run="digits")


def test_a_run_is_opened_once_and_again_when_it_has_gone_on(context: Context, folder: Path) -> None:
    opened = context.lab.opened
    once = opened.get(folder, "digits")
    assert opened.get(folder, "digits") is once
    newer = next((folder / "digits" / "checkpoints").glob("step-*"))
    stamp = newer.stat().st_mtime + 60
    os.utime(newer, (stamp, stamp))
    assert opened.get(folder, "digits") is not once


def test_figures_of_the_training_are_read_and_damage_is_passed_over(tmp_path: Path) -> None:
    lines = [json.dumps({"step": k, "loss": 1 / k}) for k in range(1, 1001)]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines[:500], "{broken", *lines[500:]]))
    steps, losses = metrics(tmp_path)
    assert 300 < len(steps) <= 400
    assert losses == [1 / k for k in steps]
    assert metrics(tmp_path / "nowhere") == ([], [])
