"""`unstir compare`: what it prints, and its refusals in one line."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from tests.calling import call

from unstir.cli import app
from unstir.compare import Comparison, Plan
from unstir.errors import InputError
from unstir.train import TrainConfig

from .conftest import Bench

ASKED = (
    "compare", "--data", "two-moons", "--processes", "edm", "vp", "--steps", 3, "-n", 60, "--draws", 50,
    "--evaluations", "2,4", "--network", "mlp", "--network-options", '{"width": 16, "depth": 1}',
    "--batch", 16, "--threads", 1, "--device", "cpu",
)  # fmt: skip


def test_figures_as_json_of_a_comparison_that_is_whole(moons: tuple[Bench, Comparison]) -> None:
    made, done = moons
    status, out, err = call(*ASKED, "--out", made.out, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["report"] == str(done.report)
    assert (
        found["rows"]["edm"]["energy_distance"]["value"]
        == done.results["rows"]["edm"]["energy_distance"]["value"]
    )
    status, again, _ = call("compare", "--resume", "--out", made.out, "--json")
    assert status == 0
    assert json.loads(again) == found


def test_the_command_of_the_report_makes_the_same_plan(moons: tuple[Bench, Comparison]) -> None:
    made, _ = moons
    command = shlex.split(made.plan.command)
    assert command[0] == "unstir"
    assert call(*command[1:], "--out", made.out, "--device", "cpu")[0] == 0  # another plan would be refused
    assert "--steps 3" in made.plan.command


def test_figures_in_words(moons: tuple[Bench, Comparison]) -> None:
    made, done = moons
    status, out, _ = call(*ASKED, "--out", made.out)
    assert status == 0
    assert "cannot be told apart" in out
    assert f"open    {done.report}" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "two-moons", "--processes", "edn", "--steps", 3), "process 'edn' is not known"),
        (("--data", "two-moons", "--processes", "edm"), "budget: give each process either"),
        (("--processes", "edm", "--steps", 3), "data: is missing"),
        (("--data", "two-moons", "--steps", 3), "processes: none is given"),
        (("--data", "two-moons", "edm", "--steps", 3, "--device", "abacus"), "device=abacus"),
        (("--data", "two-moons", "edm", "--steps", 3, "--evaluations", "five"), "evaluations='five'"),
        (("--data", "two-moons", "edm", "--steps", 3, "--network-options", "3"), "network-options='3'"),
        (("--resume",), "resume: say which"),
        (("--resume", "--out", "nowhere"), "holds no comparison"),
        (("--resume", "--out", "nowhere", "--data", "digits", "--steps", 3), "leave out data, steps"),
    ],
)
def test_refusals(
    arguments: tuple[object, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = call("compare", *arguments)
    assert status == 2
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert words in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "option",
    [
        ("--seed", 0), ("--draws", 500), ("--evaluations", "2,4"), ("--features", "pixels"),
        ("--holdout", 0.2), ("--number", 60), ("--batch", 16), ("--skip-bad",), ("--no-labels",),
    ],
    ids=lambda option: option[0],
)  # fmt: skip
def test_the_plan_decides_what_is_gone_on_with(
    moons: tuple[Bench, Comparison], option: tuple[object, ...]
) -> None:
    """Also where the value is that of the plan, or 0: nobody is to think that it counted."""
    said = call("compare", "--resume", "--out", moons[0].out, *option)
    name = str(option[0]).removeprefix("--").removeprefix("no-").replace("-", "_")
    assert said.refusal == f"error: resume: the comparison's own plan decides; leave out {name}"


def test_another_plan_in_the_folder_is_refused(moons: tuple[Bench, Comparison]) -> None:
    made, _ = moons
    status, _, err = call(*(4 if part == 3 else part for part in ASKED), "--out", made.out)
    assert status == 2
    assert "steps 3, not 4" in err.splitlines()[-1]


# Of training: what a comparison says in its own words, and what it has no use for.
OWN = {"process", "minutes", "steps", "seed", "holdout", "device", "data"}
UNUSED = {"partner", "objective", "teacher", "track", "checkpoint_minutes"}

GIVEN: dict[str, Any] = {
    "batch": 7, "network": "mlp", "network_options": {"width": 8}, "labels": False, "label_column": "kind",
    "categorical": ["code", "x"], "label_dropout": 0.25, "sketch": 0, "axes": 7, "floors": "one",
    "augment": "flip", "optimizer": "muon", "lr": 0.25, "warmup": 0.5, "clip": 2.0, "ema": 0.125,
    "precision": "float32", "channels_last": False, "compile": True, "noise_mean": -0.5, "noise_std": 0.75,
    "threads": 1, "skip_bad": True,
}  # fmt: skip


def _options(verb: str) -> dict[str, tuple[object, ...]]:
    found: list[Any] = typer.main.get_group(app).commands[verb].params
    return {
        it.opts[0]: (it.secondary_opts, it.help, it.default) for it in found if it.opts[0].startswith("-")
    }


def test_every_option_that_decides_a_training_is_that_of_train() -> None:
    train, compare = _options("train"), _options("compare")
    assert set(GIVEN) == set(TrainConfig.model_fields) - OWN - UNUSED
    for name in GIVEN:
        option = "--" + name.replace("_", "-")
        assert compare[option] == train[option]


def test_every_option_reaches_the_plan_and_stands_in_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).integers(0, 3, (200, 4))
    data = tmp_path / "a table.csv"
    data.write_text("x,y,kind,code\n" + "".join(f"{a},{b},k{c},{d}\n" for a, b, c, d in rows))
    plans: list[Plan] = []

    def take(plan: Plan, *_: object, **__: object) -> None:
        plans.append(plan)
        raise InputError("enough")

    monkeypatch.setattr("unstir.compare.compare_processes", take)
    words: list[object] = []
    for name, value in GIVEN.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            text = ",".join(value) if isinstance(value, list) else value
            words += [f"--{option}", json.dumps(text) if isinstance(text, dict) else text]
    said = call("compare", "edm", "--data", data, "--steps", 3, *words)
    assert said.err.splitlines()[-1] == "error: enough"
    assert plans[0].options == GIVEN
    call(*shlex.split(plans[0].command)[1:])
    assert plans[1] == plans[0]


def test_the_page_has_every_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "compare.md").read_text("utf-8")
    told = {
        word for row in page.splitlines() if row.startswith("| `-") for word in re.findall(r"--?[a-z-]+", row)
    }
    assert set(_options("compare")) <= told
