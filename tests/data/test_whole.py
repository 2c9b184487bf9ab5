"""Files and folders that are whole or absent."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from unstir.data import whole
from unstir.data.whole import (
    clear,
    discard,
    explained,
    is_scratch,
    new_folder,
    placed,
    write_bytes,
    write_text,
)
from unstir.errors import InputError

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
    replace = os.replace

    def fsync(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        done.append("scratch" if is_scratch(name) else name)

    def noted(old: Path, new: Path) -> None:
        done.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", noted)
    make(tmp_path / "f")
    assert done == ["a", "scratch", "replace", tmp_path.name]
    done.clear()
    write_text(tmp_path / "deep" / "t", "x")
    assert done == ["scratch", "replace", "deep", tmp_path.name]


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
    replace = os.replace

    def flaky(old: Path, new: Path) -> None:
        calls.append(old)
        if len(calls) - 1 == which:
            fail(errno.EIO)()
        replace(old, new)

    monkeypatch.setattr(os, "replace", flaky)
    assert str(tmp_path / "f") in refused(make, tmp_path / "f", "new")
    assert listing(tmp_path) == ["f", "f/a"]
    assert (tmp_path / "f" / "a").read_text() == "old"


class Killed(BaseException):
    """A process that is no more does nothing."""


def killed(monkeypatch: pytest.MonkeyPatch, write: Callable[[], object], at: int) -> None:
    """Stop `write` at a rename as a kill does: nothing is put right, and the process is gone."""

    def dying(old: Path, new: Path, calls: list[int] = [0]) -> None:  # noqa: B006
        calls[0] += 1
        if calls[0] >= at:
            raise Killed
        replace(old, new)

    replace = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: GONE)
        patch.setattr(os, "replace", dying)
        patch.setattr(whole, "remove", lambda _path: None)
        with pytest.raises(Killed):
            write()


GONE = 2**22 + 1  # above the largest number of a process


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can tell that a process is gone")
def test_what_a_killed_process_left_is_cleared_by_the_next(
    tmp_path: Path, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(monkeypatch, lambda: write_text(tmp_path / "a", "x"), at=1)
    killed(monkeypatch, lambda: make(tmp_path / "f"), at=1)
    (tmp_path / "mine.tmp").touch()
    assert len(list(tmp_path.iterdir())) == 3
    assert sum(is_scratch(path.name) for path in tmp_path.iterdir()) == 2
    write_text(tmp_path / "b", "x")
    assert listing(tmp_path) == ["b", "mine.tmp"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can tell that a process is gone")
def test_a_folder_whose_successor_was_killed_comes_back(
    tmp_path: Path, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "f", "old")
    killed(monkeypatch, lambda: make(tmp_path / "f", "new"), at=2)
    assert not (tmp_path / "f").exists()
    clear(tmp_path)
    assert listing(tmp_path) == ["f", "f/a"]
    assert (tmp_path / "f" / "a").read_text() == "old"


def test_what_others_are_at_work_on_is_left_alone(tmp_path: Path, listing: Listing) -> None:
    with placed(tmp_path / "a") as scratch:
        scratch.write_text("half")
        other = scratch.name.replace(whole._here(), "00000000").replace(f"-{os.getpid()}-", f"-{GONE}-")
        (tmp_path / other).touch()  # of another machine
        write_text(tmp_path / "b", "x")
        clear(tmp_path)
        assert listing(tmp_path) == sorted([other, scratch.name, "b"])
    clear(tmp_path, alone=True)
    clear(tmp_path / "absent")
    assert listing(tmp_path) == ["a", "b"]


def test_a_thing_is_removed_in_one_step(
    tmp_path: Path, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "f")
    with monkeypatch.context() as patch:
        patch.setattr(whole, "remove", fail(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            discard(tmp_path / "f")
    assert not (tmp_path / "f").exists()
    clear(tmp_path, alone=True)
    assert listing(tmp_path) == []


def test_permissions_are_handed_on(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "x")
    usual = (tmp_path / "a").stat().st_mode & 0o777
    (tmp_path / "a").chmod(0o600)
    write_text(tmp_path / "a", "y")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    write_text(tmp_path / "b", "y")
    assert (tmp_path / "b").stat().st_mode & 0o777 == usual


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "a").symlink_to(tmp_path / "precious")
    write_text(tmp_path / "a", "x")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "a").is_symlink()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    write_text(tmp_path / "dangling", "x")
    assert not (tmp_path / "nowhere").exists()


def test_many_write_the_same_file_at_once(tmp_path: Path, listing: Listing) -> None:
    contents = [bytes([i]) * 5000 for i in range(16)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda content: write_bytes(tmp_path / "a", content), contents * 4))
    assert (tmp_path / "a").read_bytes() in contents
    assert listing(tmp_path) == ["a"]


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
