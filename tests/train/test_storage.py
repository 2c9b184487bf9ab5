"""Files and folders that are whole or absent."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from unstir.errors import InputError
from unstir.train.storage import clear_parts, explained, json_text, new_folder, write_text

Refused = Callable[..., str]
FullDisk = Callable[[int], AbstractContextManager[None]]
Listing = Callable[[Path], list[str]]


def fail(number: int) -> Callable[..., None]:
    def call(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def make(path: Path, text: str = "x") -> None:
    with new_folder(path) as folder:
        (folder / "a").write_text(text)


def test_text_is_written_and_replaced(tmp_path: Path, listing: Listing) -> None:
    for text in ("eins", "zwei ü"):
        write_text(tmp_path / "deep" / "a.txt", text)
    assert (tmp_path / "deep" / "a.txt").read_text("utf-8") == "zwei ü"
    assert listing(tmp_path) == ["deep", "deep/a.txt"]


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "the disk quota is used up; free some space"),
        (errno.EROFS, "the disk is read-only; choose another folder"),
        (errno.EACCES, "writing is not permitted; choose another folder"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_a_disk_that_refuses_leaves_the_old_text(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, number: int, mend: str
) -> None:
    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "fsync", fail(number))
    assert refused(write_text, tmp_path / "a.txt", "new") == f"cannot write {tmp_path / 'a.txt'}: {mend}"
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk(tmp_path: Path, refused: Refused, listing: Listing, full_disk: FullDisk) -> None:
    with full_disk(100):
        assert refused(write_text, tmp_path / "a.txt", "x" * 1000).endswith("free some space")
    assert listing(tmp_path) == []


def test_a_file_where_a_folder_should_be(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "a.txt", tmp_path / "file" / "deep" / "a.txt"):
        assert "choose another folder" in refused(write_text, place, "x")
        assert "choose another folder" in refused(make, place)


def test_a_name_that_is_too_long(tmp_path: Path, refused: Refused) -> None:
    assert refused(write_text, tmp_path / ("x" * 300), "x").endswith(
        "the name is too long; choose a shorter one"
    )


def test_a_folder_appears_whole(tmp_path: Path, listing: Listing) -> None:
    with new_folder(tmp_path / "run" / "f") as folder:
        (folder / "a").write_text("x")
        assert not (tmp_path / "run" / "f").exists()
    assert listing(tmp_path) == ["run", "run/f", "run/f/a"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc which file it is")
def test_all_is_on_disk_before_the_rename_and_the_rename_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    rename, replace = Path.rename, Path.replace

    def fsync(handle: int) -> None:
        done.append(Path(f"/proc/self/fd/{handle}").readlink().name.replace(str(os.getpid()), "PID"))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", lambda self, to: done.append("rename") or rename(self, to))
    monkeypatch.setattr(Path, "replace", lambda self, to: done.append("replace") or replace(self, to))
    make(tmp_path / "f")
    assert done == ["a", ".f.PID.new.part", "rename", tmp_path.name]
    done.clear()
    write_text(tmp_path / "t", "x")
    assert done == [".t.PID.new.part", "replace", tmp_path.name]


def test_a_folder_replaces_one_of_its_name(tmp_path: Path, listing: Listing) -> None:
    make(tmp_path / "f", "old")
    (tmp_path / "f" / "b").touch()
    make(tmp_path / "f", "new")
    assert listing(tmp_path) == ["f", "f/a"]
    assert (tmp_path / "f" / "a").read_text() == "new"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, ""), KeyboardInterrupt(), RuntimeError("x")])
def test_a_folder_that_fails_leaves_the_old_one(
    tmp_path: Path, listing: Listing, error: BaseException
) -> None:
    make(tmp_path / "f", "old")

    def half() -> None:
        with new_folder(tmp_path / "f") as folder:
            (folder / "a").write_text("half")
            raise error

    with pytest.raises(InputError if isinstance(error, OSError) else type(error)):
        half()
    assert listing(tmp_path) == ["f", "f/a"]
    assert (tmp_path / "f" / "a").read_text() == "old"


@pytest.mark.parametrize("which", [0, 1])
def test_a_rename_that_fails_leaves_the_old_one(
    tmp_path: Path, refused: Refused, listing: Listing, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """There are two: the old folder aside, and the new one into its place."""
    make(tmp_path / "f", "old")
    calls: list[Path] = []
    rename = Path.rename

    def flaky(self: Path, target: Path) -> Path:
        calls.append(self)
        return fail(errno.EIO)() or self if len(calls) - 1 == which else rename(self, target)

    monkeypatch.setattr(Path, "rename", flaky)
    assert str(tmp_path / "f") in refused(make, tmp_path / "f", "new")
    assert listing(tmp_path) == ["f", "f/a"]
    assert (tmp_path / "f" / "a").read_text() == "old"


def test_what_a_killed_process_left_is_cleared(tmp_path: Path, listing: Listing) -> None:
    (tmp_path / ".f.1.new.part").mkdir()
    (tmp_path / ".f.1.new.part" / "a").touch()
    (tmp_path / ".a.txt.77.new.part").touch()
    (tmp_path / "mine.part").touch()
    clear_parts(tmp_path)
    clear_parts(tmp_path / "absent")
    assert listing(tmp_path) == ["mine.part"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })',
            "the disk is full",
        ),
        ('IoError(Os { code: 122, kind: QuotaExceeded, message: "..." })', "the disk quota is used up"),
        ("something else", "something else"),
    ],
)
def test_safetensors_errors_are_explained(tmp_path: Path, refused: Refused, text: str, said: str) -> None:
    from safetensors import SafetensorError

    def write() -> None:
        with explained(tmp_path / "f"):
            raise SafetensorError(text)

    assert refused(write).startswith(f"cannot write {tmp_path / 'f'}: {said}")


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), explained(Path("f")):
        raise ZeroDivisionError


def test_json_is_strict() -> None:
    value = {"a": [1.5, float("nan"), (float("-inf"), None)], "b": {"c": float("inf"), "d": "NaN"}}
    assert json.loads(json_text(value)) == {"a": [1.5, None, [None, None]], "b": {"c": None, "d": "NaN"}}
    assert "NaN" not in json_text({"a": float("nan")})
