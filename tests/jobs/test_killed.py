"""kill -9 at moments at which the disk changes, alone and among several: the same bytes in the end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.calling import run_script

from unstir.data import load
from unstir.data.whole import is_scratch

PARTS = 4
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `victim.py` leaves behind."""
    folder = tmp_path_factory.mktemp("killed")
    run_script(Path(__file__).with_name("victim.py"), folder, 15)
    return folder


def told(killed: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((killed / "told.json").read_text())
    return found


def content(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else sorted(path.rglob("*.png"))
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def drawn(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()]


@pytest.mark.parametrize(("place", "name"), [(0, "samples.npz"), (1, "samples")])
def test_a_job_killed_anywhere_ends_with_the_same_bytes(killed: Path, place: int, name: str) -> None:
    wanted = content(killed / "straight" / name)
    assert len(wanted) == (14 if place else 1)
    moments = told(killed)["moments"][place]
    assert len(moments) >= 8
    for last in moments:
        here = killed / f"{name}-{last}"
        assert content(here / name) == wanted, last
        # What is kept is never drawn again, and nothing is left behind.
        parts = drawn(here / "log")
        assert len(set(parts)) == len(parts) >= PARTS - 1, last
        left = [path.name for path in here.iterdir() if path.name not in (name, "log")]
        assert all(map(is_scratch, left)), left
        assert len(left) <= 1, left  # a folder on its way out


def test_several_processes_draw_the_bytes_of_one(killed: Path) -> None:
    wanted = content(killed / "straight" / "samples.npz")
    assert content(killed / "two" / "samples.npz") == wanted
    assert told(killed)["ends"]["two"] == [[0, 0]]
    assert {*drawn(killed / "two" / "log")} == {*range(PARTS)}
    assert told(killed)["ends"]["few"] == [[0, 0]]
    assert len(load(killed / "few" / "samples.npz")) == 3
    assert not (killed / "few" / "log").exists()  # in memory: each its rows


def test_the_others_finish_what_a_killed_process_leaves(killed: Path) -> None:
    ends, wanted = told(killed)["ends"], content(killed / "straight" / "samples.npz")
    assert ends["member"] == [[0, -9]]  # and no relaunch
    assert ends["leader"] == [[-9, 0], [0]]
    assert len(drawn(killed / "leader" / "log")) == PARTS  # the relaunch only joins them
    assert ends["cut"] == [[-9], [0, 0, 0]]
    for name in ("member", "leader", "cut"):
        assert content(killed / name / "samples.npz") == wanted, name
        assert {*drawn(killed / name / "log")} == {*range(PARTS)}
        assert not any((killed / name).glob("*.parts"))
