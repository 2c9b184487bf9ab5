"""What is planned, and what is refused before any time is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unstir.compare.plan import (
    Plan,
    keep_plan,
    make_plan,
    read_again,
    read_plan,
    read_record,
    write_record,
)
from unstir.errors import InputError

from .conftest import bench


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"processes": ("edn",)}, "process 'edn' is not known; did you mean edm?"),
        ({"processes": ()}, "processes: none is given"),
        ({"processes": ("poisson:D=128", "poisson")}, "poisson:D=128 is given twice"),
        ({"steps": None}, "give each process either minutes"),
        ({"minutes": 1.0}, "give each process either minutes"),
        ({"data": "arithmetic"}, "are text"),
        ({"data": "no-such"}, "no path and no built-in set"),
        ({"holdout": 0.0}, "nothing is held out"),
        ({"holdout": 0.001}, "10 held out are too few"),
        ({"samples": 3}, "samples=3"),
        ({"draws": 3}, "draws=3"),
        ({"evaluations": (0,)}, "evaluations=[0]"),
        ({"batch": 0}, "batch=0"),
        ({"colour": "red"}, "colour: is no option"),
    ],
)
def test_refusals(change: dict[str, Any], words: str) -> None:
    given = {"data": "two-moons", "processes": ("edm",), "steps": 3} | change
    with pytest.raises(InputError) as caught:
        make_plan(given.pop("data"), given.pop("processes"), **given)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_plan_comes_back(tmp_path: Path) -> None:
    made = bench(tmp_path / "out")
    keep_plan(made.plan, made.out)
    assert read_plan(made.out) == made.plan
    keep_plan(made.plan, made.out)  # the same again is no error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 4}, "steps 3, not 4"),
        ({"processes": ("edm",)}, "processes edm, vp, not edm"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"batch": 8}, "options"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    out = tmp_path / "out"
    keep_plan(bench(out).plan, out)
    with pytest.raises(InputError, match="holds a comparison of") as caught:
        keep_plan(bench(out, **change).plan, out)
    assert words in str(caught.value)


def test_data_that_have_changed_are_noticed(tmp_path: Path) -> None:
    path, out = tmp_path / "data.npy", tmp_path / "out"
    values = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    np.save(path, values)
    keep_plan(bench(out, path).plan, out)
    np.save(path, values + 1)
    with pytest.raises(InputError, match="data that have changed"):
        keep_plan(bench(out, path).plan, out)


def test_labels_that_have_changed_are_noticed_where_the_plan_knows_them(tmp_path: Path) -> None:
    path, out = tmp_path / "data.npz", tmp_path / "out"
    values = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    np.savez(path, x=values, y=np.arange(200) % 2)
    plan = bench(out, path).plan
    keep_plan(plan, out)
    np.savez(path, x=values, y=np.arange(200) % 3)
    with pytest.raises(InputError, match="data that have changed"):
        keep_plan(bench(out, path).plan, out)
    with pytest.raises(InputError, match="have changed since"):
        read_again(plan, out)
    record = read_record(out)
    del record["plan"]["labels"]  # as plans of old are
    write_record(out, record)
    keep_plan(bench(out, path).plan, out)
    read_again(read_plan(out), out)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and holds no comparison"):
        keep_plan(bench(tmp_path).plan, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"plan": {"data": 3}}'])
def test_a_damaged_plan_is_said_to_be_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "compare.json").write_text(text)
    with pytest.raises(InputError, match=r"its compare\.json is damaged"):
        read_plan(tmp_path)


def test_every_process_has_a_folder_of_its_own(tmp_path: Path) -> None:
    made = bench(
        tmp_path, processes=("edm:sigma_max=40", "edm:sigma_max=4.0e1,sigma_min=0.01", "poisson:D=3")
    )
    folders = [made.plan.folder(tmp_path, name) for name in made.plan.processes]
    assert len(set(folders)) == 3
    assert all(folder.parent == tmp_path for folder in folders)
    twins = Plan(**(json.loads(json.dumps(made.plan.__dict__)) | {"processes": ("a:b", "a-b")}))
    assert twins.folder(tmp_path, "a:b") != twins.folder(tmp_path, "a-b")


def test_what_a_kill_at_the_very_beginning_left_is_no_reason_to_refuse(tmp_path: Path) -> None:
    (tmp_path / ".unstir-0badcafe-1-00000000.tmp").write_text('{"pl')
    keep_plan(bench(tmp_path).plan, tmp_path)
    assert read_plan(tmp_path) == bench(tmp_path).plan


def test_what_is_at_its_default_is_no_option(tmp_path: Path) -> None:
    given = {"skip_bad": False, "labels": "auto", "lr": None}
    assert bench(tmp_path, **given).plan == bench(tmp_path).plan
