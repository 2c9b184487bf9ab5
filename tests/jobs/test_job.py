"""Jobs: what goes on, what is refused in one line, what is kept where the disk takes no more."""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from unstir.data import Dataset, load
from unstir.errors import InputError
from unstir.jobs import Drawing, Options, Outcome, job, work
from unstir.jobs.job import part_size
from unstir.untrained import Untrained, exact

Refused = Callable[..., str]
N = 22


@pytest.fixture(scope="module")
def source() -> Untrained:
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(256, (12, 1, 12, 12), generator=generator).to(torch.uint8)
    data = Dataset("pictures", "image", values, torch.arange(12) % 2, ("even", "odd"))
    return exact("edm", data, device="cpu")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of four samples, and no waiting for the disk."""
    monkeypatch.setattr(job, "_FEWEST", 4)
    monkeypatch.setattr(job, "_QUICK", 0)
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


Make = Callable[..., Drawing]


@pytest.fixture
def make(tmp_path: Path, source: Untrained) -> Make:
    def drawing(name: str = "x.npz", n: int = N, batch: int = 256, **options: Any) -> Drawing:  # noqa: ANN401
        return Drawing(source, tmp_path / name, n, Options(**{"steps": 2} | options), batch=batch)

    return drawing


@contextlib.contextmanager
def stopping(after: int, error: BaseException) -> Iterator[None]:
    """Raise in place of writing a part, once so many are kept."""
    keep, kept = job.Job.keep, [0]

    def stop(self: job.Job, k: int, samples: Dataset) -> None:
        if kept[0] == after:
            raise error
        kept[0] += 1
        keep(self, k, samples)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job.Job, "keep", stop)
        yield


def stop(drawing: Drawing, after: int = 2) -> Path:
    """Draw so many parts; the job's folder."""
    with stopping(after, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        work(drawing)
    folder = job.folder_of(drawing.target)
    assert len(list(folder.glob("part-*"))) == after
    return folder


@pytest.mark.parametrize("name", ["x.npz", "x", "x.parquet", "x.zip", "x.png"])
def test_a_stopped_job_goes_on(tmp_path: Path, make: Make, name: str) -> None:
    assert work(make(f"straight-{name}")) == Outcome(0, N)
    straight = tmp_path / f"straight-{name}"
    drawing = make(name)
    folder = stop(drawing, 3)
    assert work(drawing) == Outcome(12, N - 12)
    files = [drawing.target] if drawing.target.is_file() else sorted(drawing.target.iterdir())
    wanted = [straight] if straight.is_file() else sorted(straight.iterdir())
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in wanted]
    assert not folder.exists()


def test_the_samples_are_those_of_the_source(make: Make, source: Untrained) -> None:
    drawing = make(seed=3, first=5)
    work(drawing)
    alone = source.sample(N, steps=2, seed=3, first=5)
    found = load(drawing.target)
    assert (found.values.int() - alone.int()).abs().max() <= 1
    labels = source.labels(N, seed=3, first=5)
    assert labels is not None
    assert found.labels is not None
    assert torch.equal(found.labels, labels)


def test_a_small_job_leaves_no_folder(tmp_path: Path, make: Make) -> None:
    with stopping(0, AssertionError("no part of a job of one part is written")):
        assert work(make(n=4)) == Outcome(0, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 3}, "an unfinished job of seed=0, and this one has seed=3"),
        ({"n": 30}, "of n=22, and this one has n=30"),
        ({"n": 3}, "of n=22, and this one has n=3"),
        ({"label": "odd"}, "of label=None, and this one has label='odd'"),
        ({"solver": "euler"}, "solver='euler'"),
    ],
)
def test_other_samples_for_the_same_target_are_refused(
    make: Make, refused: Refused, options: dict[str, Any], words: str
) -> None:
    folder = stop(make())
    before = sorted(folder.iterdir())
    message = refused(work, make(**options))
    assert message.startswith(f"{folder} holds an unfinished job")
    assert words in message
    assert message.endswith("give the same options to go on with it, or --restart to begin anew")
    assert sorted(folder.iterdir()) == before
    # With the batch nothing but rounding changes; the job goes on with parts of its own size.
    assert work(make(batch=3)) == Outcome(8, N - 8)


def test_restart_begins_anew(tmp_path: Path, make: Make) -> None:
    for n in (N, 3):
        stop(make())
        assert work(make(n=n, seed=1), restart=True) == Outcome(0, n)
        assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
    assert work(make(), restart=True) == Outcome(0, N)


def test_other_data_are_refused(make: Make, source: Untrained, refused: Refused) -> None:
    stop(make())
    data = replace(source.data, values=255 - source.data.values)
    other = replace(make(), source=exact("edm", data, device="cpu"))
    assert "field 'ExactField', which has changed since" in refused(work, other)
    other = replace(make(), source=exact("vp", source.data, device="cpu"))
    assert "holds an unfinished job" in refused(work, other)


def test_a_damaged_part_is_drawn_again(tmp_path: Path, make: Make) -> None:
    work(make("straight.npz"))
    folder = stop(make(), 3)
    (folder / "part-000001").write_bytes((folder / "part-000001").read_bytes()[:-1])
    (folder / "part-000002.tmp").write_bytes(b"half")
    assert work(make()) == Outcome(8, N - 8)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "straight.npz").read_bytes()


def test_a_damaged_record_is_refused(make: Make, refused: Refused) -> None:
    folder = stop(make())
    for text in ("", "[]", "{}", '{"part": 0}', '{"part": "x"}', "[" * 100_000):
        (folder / "job.json").write_text(text)
        assert refused(work, make()) == f"{folder / 'job.json'} is damaged: begin anew with --restart"
    assert work(make(), restart=True) == Outcome(0, N)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, make: Make, refused: Refused) -> None:
    (tmp_path / "x.npz.parts").mkdir()
    (tmp_path / "x.npz.parts" / "thesis.txt").write_text("mine")
    for restart in (False, True):
        message = refused(work, make(), restart=restart)
        assert "holds 'thesis.txt' and no job: move that folder elsewhere" in message
    assert (tmp_path / "x.npz.parts" / "thesis.txt").read_text() == "mine"


def test_two_at_once_are_refused(make: Make, refused: Refused) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder = stop(make())
    with (folder / "lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for restart in (False, True):
            message = refused(work, make(), restart=restart)
            assert message == f"{folder}: another process is at work on it; wait, or end that one"
    assert work(make()) == Outcome(8, N - 8)


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can grow above `size` bytes: the system refuses the write, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_what_is_drawn(tmp_path: Path, make: Make, refused: Refused) -> None:
    work(make("straight.npz"))
    with full_disk(100):
        message = refused(work, make("new/x.npz"))
    assert "new/x.npz.parts cannot be written (File too large): free some space there" in message
    assert not (tmp_path / "new").exists()
    folder = stop(make())
    with full_disk(500):  # a part is of 608 bytes
        message = refused(work, make())
    kept = "free some space there; 8 of 22 samples are kept, and the same command goes on"
    assert message == f"{folder} cannot be written (File too large): {kept}"
    with full_disk(2000):  # all parts, and not the target
        message = refused(work, make())
    assert "22 of 22 samples are kept" in message
    assert not [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]
    assert work(make()) == Outcome(N, 0)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "straight.npz").read_bytes()


def test_what_lies_at_the_target(tmp_path: Path, make: Make, refused: Refused) -> None:
    work(make(seed=1))
    old = (tmp_path / "x.npz").read_bytes()
    with stopping(2, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        work(make())
    assert (tmp_path / "x.npz").read_bytes() == old  # until the new one is whole
    work(make())
    assert (tmp_path / "x.npz").read_bytes() != old
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "mine").touch()
    assert "is a folder with something in it" in refused(work, make("y"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.npz", "y"]


def test_what_a_target_cannot_hold_is_known_at_once(make: Make, refused: Refused) -> None:
    assert "holds tables, and these are images" in refused(work, make("x.csv"))
    assert "megapixels, above 64" in refused(work, make("x.png", n=10**6))
    assert "is no class of this run" in refused(work, make(label="red"))


def test_guidance_is_for_runs(make: Make) -> None:
    with pytest.raises(InputError, match="guidance: is for a trained run"):
        make(guidance=2.0)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 256, 256)])
def test_parts_are_neither_too_small_nor_too_large(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    monkeypatch.undo()
    sizes = [part_size(n, shape) for n in (1, 1000, 50_000, 10**7)]
    assert sizes == sorted(sizes)
    assert all(256 <= size <= 16384 and math.log2(size).is_integer() for size in sizes)
    assert sizes[-1] * math.prod(shape) <= max(2**20, 256 * math.prod(shape))


def test_the_record_says_what_is_drawn(make: Make) -> None:
    told = json.loads((stop(make(seed=7)) / "job.json").read_text())
    assert (told["n"], told["seed"], told["steps"], told["part"]) == (N, 7, 2, 4)
    assert told["source"]["field"] == "ExactField"
