"""The exported page: complete, and its answers those of a lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unstir.errors import InputError
from unstir.lab.app import STATIC
from unstir.lab.context import Context
from unstir.lab.export import Question, export, questions
from unstir.lab.frames import unpack
from unstir.lab.requests import parse


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one."""
    folder = tmp_path_factory.mktemp("export") / "site"
    processes = ("poisson:D=1", "poisson:D=8", "langevin")
    asked = list(questions(("two-moons",), processes, ("digits",), ("heat",)))
    asked = [replace(one, rest={**one.rest, "n": 50}) if "n" in one.rest else one for one in asked]
    *_, last = export(folder, asked)
    assert last.done == last.total == len(asked)
    return folder


def index(site: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((site / "runs" / "index.json").read_text("utf-8"))
    return read


def test_every_file_of_the_page_is_there_and_no_other(site: Path) -> None:
    page = {p.relative_to(STATIC).as_posix() for p in STATIC.rglob("*") if p.is_file()} - {"tsconfig.json"}
    runs = {f"runs/{made['file']}" for made in index(site)["answers"]}
    found = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    assert found == page | runs | {"runs/index.json", "plotly.min.js"}
    assert 'name="unstir-runs" content="runs/index.json"' in (site / "index.html").read_text("utf-8")
    assert "unstir-runs" not in (STATIC / "index.html").read_text("utf-8")


def test_answers_are_those_of_a_lab(site: Path) -> None:
    context = Context()
    kinds = set()
    for made in index(site)["answers"]:
        header, arrays = unpack((site / "runs" / made["file"]).read_bytes())
        assert header["kind"] == made["kind"]
        assert header["done"]
        kinds.add(made["kind"])
        if made["kind"] == "hello":
            continue
        asked = {"id": 3, "slot": "main", "kind": made["kind"], **made["args"], **made["rest"]}
        *_, live = parse(json.dumps(asked)).answer(context)
        assert set(arrays) == set(live.arrays)
        for name, array in live.arrays.items():
            np.testing.assert_array_equal(arrays[name], np.asarray(array, arrays[name].dtype), err_msg=name)
    assert kinds == {"hello", "path", "field", "python", "entropy"}


def test_the_catalog_offers_what_is_there(site: Path) -> None:
    hello = next(made for made in index(site)["answers"] if made["kind"] == "hello")
    header, _ = unpack((site / "runs" / hello["file"]).read_bytes())
    catalog = header["catalog"]
    assert header["static"]
    assert [process["name"] for process in catalog["processes"]] == ["poisson", "heat", "langevin"]
    (D,) = catalog["processes"][0]["parameters"]
    assert (D["kind"], D["choices"]) == ("choice", [1, 8])
    assert [preset["name"] for preset in catalog["presets"]] == ["two-moons", "digits"]


def test_all_questions_can_be_read_and_no_two_share_a_file() -> None:
    asked = list(questions(("gaussians8",)))
    assert len({question.file for question in asked}) == len(asked)
    assert len(asked) > 250
    for question in asked:
        assert parse(question.text).kind == question.kind
    assert Question("path", {}, {"n": 1}).file != Question("path", {}, {"n": 2}).file


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="empty"):
        next(export(tmp_path, []))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
