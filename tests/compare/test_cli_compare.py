"""`unstir compare`: what it prints, and its refusals in one line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from tests.calling import call

from unstir.compare import Comparison

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
        ("--holdout", 0.2), ("--number", 60), ("--batch", 16), ("--skip-bad",),
    ],
    ids=lambda option: option[0],
)  # fmt: skip
def test_the_plan_decides_what_is_gone_on_with(
    moons: tuple[Bench, Comparison], option: tuple[object, ...]
) -> None:
    """Also where the value is that of the plan, or 0: nobody is to think that it counted."""
    said = call("compare", "--resume", "--out", moons[0].out, *option)
    name = str(option[0])[2:].replace("-", "_")
    assert said.refusal == f"error: resume: the comparison's own plan decides; leave out {name}"


def test_another_plan_in_the_folder_is_refused(moons: tuple[Bench, Comparison]) -> None:
    made, _ = moons
    status, _, err = call(*(4 if part == 3 else part for part in ASKED), "--out", made.out)
    assert status == 2
    assert "steps 3, not 4" in err.splitlines()[-1]
