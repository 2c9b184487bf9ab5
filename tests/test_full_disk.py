"""A disk that is really full, or read-only: one line, the work so far kept, and nothing half-written.

A disk of two megabytes is mounted where root may do so; elsewhere these tests are skipped, and those with
injected errors remain (`tests/data/test_whole.py`, `tests/jobs/test_job.py`, `tests/test_cli.py`).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from unstir import fit, load
from unstir.compare import compare_processes, make_plan
from unstir.data import Dataset, save_samples
from unstir.data.whole import is_scratch, write_text
from unstir.errors import InputError
from unstir.interop import export
from unstir.jobs import Drawing, Options, job, work
from unstir.picture import write as draw_pictures
from unstir.train import load_checkpoint, make_config, session
from unstir.untrained import exact

from .compare.conftest import SMALL, Here

SIZE = 2**21


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of `SIZE` bytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if sys.platform != "linux" or os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a disk")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path, left: int) -> Path:
    """Leave no more than so many bytes free."""
    free = shutil.disk_usage(disk).free
    if free > left:
        (disk / "filler").write_bytes(bytes(free - left))
    return disk / "filler"


def read_only(disk: Path, wanted: bool) -> None:
    how = "ro" if wanted else "rw"
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def line(error: pytest.ExceptionInfo[InputError], words: str) -> None:
    message = str(error.value)
    assert message.isprintable()
    assert words in message


def config(steps: int, **options: object) -> dict[str, object]:
    return {
        "data": "two-moons",
        "process": "edm",
        "steps": steps,
        "checkpoint_minutes": 1e-9,
        **SMALL,
        **options,
    }


def test_training_keeps_its_checkpoints_and_goes_on(disk: Path) -> None:
    run = disk / "run"
    walk = session.training(session.start(make_config(config(12)), run))
    for _ in range(6):
        next(walk)
    filler = fill(disk, 8192)
    with pytest.raises(InputError) as error:
        list(walk)
    line(error, "the disk is full; free some space")
    assert not [name for name in names(run) if is_scratch(Path(name).name)]
    kept = load_checkpoint(run)
    assert (kept.step, kept.passed_over) == (5, ())
    filler.unlink()
    this = session.resume(run)
    assert this.trainer.step == 5
    list(session.training(this))
    straight = disk.parent / "straight"
    list(session.training(session.start(make_config(config(12)), straight)))
    ours, theirs = load_checkpoint(run).tensors, load_checkpoint(straight).tensors
    assert all(torch.equal(value, ours["model"][key]) for key, value in theirs["model"].items())


def test_a_run_that_cannot_begin_leaves_nothing(disk: Path) -> None:
    fill(disk, 0)
    with pytest.raises(InputError) as error:
        session.start(make_config(config(3)), disk / "deep" / "run")
    line(error, "the disk is full")
    assert names(disk) == ["filler"]


def test_sampling_keeps_its_parts_and_goes_on(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_FEWEST", 16)
    monkeypatch.setattr(job, "_QUICK", 0)
    values = torch.randint(256, (8, 1, 64, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    field = exact("edm", Dataset("noise", "image", values), device="cpu")
    filler = fill(disk, 300_000)

    def draw(folder: Path) -> None:
        work(Drawing(field, folder / "x.npz", 128, Options(steps=2), batch=16))

    with pytest.raises(InputError) as error:
        draw(disk)
    line(error, " of 128 samples are kept, and the same command goes on")
    assert not (disk / "x.npz").exists()
    assert not [name for name in names(disk) if is_scratch(Path(name).name)]
    parts = sorted(path.name for path in (disk / "x.npz.parts").glob("part-*"))
    assert 0 < len(parts) < 8
    filler.unlink()
    draw(disk)
    draw(disk.parent)
    assert (disk / "x.npz").read_bytes() == (disk.parent / "x.npz").read_bytes()
    assert names(disk) == ["x.npz"]


def test_a_comparison_keeps_its_work_and_goes_on(disk: Path) -> None:
    options = SMALL | {"steps": 4, "samples": 40, "draws": 50, "evaluations": (2,)}
    plan, train, heldout = make_plan("two-moons", ["edm", "vp"], **options)
    out = disk / "out"

    def compare(where: Path) -> None:
        launch = lambda process, _device: Here(plan, where, process)  # noqa: E731
        compare_processes(plan, train, heldout, where, launch=launch)

    with pytest.raises(InputError) as error:
        compare(out)  # the report alone is larger than the disk
    line(error, f"cannot write {out / 'report.html'}: the disk is full")
    left = names(out)
    assert "report.html" not in left
    assert not [name for name in left if is_scratch(Path(name).name)]
    assert {"edm/drawn.json", "vp/drawn.json", "compare.json"} <= set(left)
    shutil.copytree(out, disk.parent / "out")
    before = (disk.parent / "out" / "edm" / "drawn.json").stat().st_mtime_ns
    compare(disk.parent / "out")
    assert (disk.parent / "out" / "report.html").read_text("utf-8").rstrip().endswith("</html>")
    assert (disk.parent / "out" / "edm" / "drawn.json").stat().st_mtime_ns == before


def test_pictures_and_exports_leave_nothing_half_written(disk: Path) -> None:
    run = fit("edm", "two-moons", steps=2, out=disk.parent / "run", **SMALL)
    fill(disk, 4096)
    for write in (
        lambda: list(draw_pictures("vp", disk / "pictures", "two-moons")),
        lambda: save_samples(disk / "x.png", torch.rand(500, 2)),
        lambda: save_samples(disk / "x.npz", torch.rand(5000, 2)),
        lambda: export(run, disk / "exported", "hub"),
        lambda: write_text(disk / "x.json", "x" * 10_000),
    ):
        with pytest.raises(InputError) as error:
            write()
        line(error, "the disk is full; free some space")
        assert names(disk) == ["filler"]


@pytest.mark.parametrize(
    "command",
    [
        "train --data two-moons --process edm --steps 2 --out {disk}/new --network mlp",
        "train --resume --out {disk}/run",
        "sample {disk}/run -n 8 --steps 2 --out {disk}/x.npz",
        "sample {disk}/run -n 8 --steps 2 --out {disk}/x.png",
        "picture vp --data two-moons --out {disk}/pictures",
        "tune {disk}/run",
    ],
)
def test_a_read_only_disk_is_one_line(disk: Path, command: str) -> None:
    from tests.calling import call

    for _ in session.training(session.start(make_config(config(2)), disk / "run")):
        pass
    assert load(disk / "run").sample(2, steps=1).shape == (2, 2)
    before = names(disk)
    read_only(disk, wanted=True)
    said = call(*shlex.split(command.format(disk=disk)))
    assert said.status == 2
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "read-only" in last.lower() or "Read-only" in last or "no folder we may write in" in last
    assert "Traceback" not in said.err
    assert names(disk) == before
