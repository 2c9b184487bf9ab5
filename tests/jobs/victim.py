"""Jobs whose processes are killed, in a process of their own: `victim.py FOLDER [STRIDE]`.

Each launch is a fork, or several that meet through gloo, so that importing torch is paid once.
A job is killed at every STRIDE-th call that changes the disk, and at each of the last ones.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from unstir.data import Dataset
from unstir.errors import InputError
from unstir.jobs import Drawing, Options, job, work
from unstir.train.cluster import joined
from unstir.untrained import exact

N, PART = 14, 4
NAMES = ("samples.npz", "samples")
# Between two of these calls the disk does not change.
CALLS: list[tuple[object, str]] = [
    (os, "fsync"), (os, "replace"), (shutil, "rmtree"),
    (Path, "mkdir"), (Path, "unlink"), (Path, "write_bytes"),
]  # fmt: skip
ENDING = 6  # calls at the end, each of which is tried
Task = Callable[[], object]
Log = list[list[int]]


def source() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(256, (12, 1, 6, 5), generator=generator).to(torch.uint8)
    return Dataset("pictures", "image", values, torch.arange(12) % 2, ("even", "odd"))


def draw(target: Path, log: Path, n: int = N, last: int = 99) -> None:
    """Draw the job and note each part that is kept; after `last` of them die."""
    keep, kept = job.Job.keep, [0]

    def noted(self: job.Job, k: int, samples: Dataset) -> None:
        if kept[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)
        keep(self, k, samples)
        kept[0] += 1
        with log.open("a") as file:
            file.write(f"{k}\n")

    job.Job.keep = noted  # type: ignore[method-assign]
    label = None if target.suffix else "all"
    field = exact("edm", source(), device="cpu")
    work(Drawing(field, target, n, Options(label=label, steps=2), batch=3), cluster=joined())


def counted(task: Task, last: int = -1) -> int:
    """How many of `CALLS` a task makes; that of number `last` kills."""
    calls = [0]

    def watched(plain: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            calls[0] += 1
            if calls[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*args, **options)

        return call

    for owner, name in CALLS:
        setattr(owner, name, watched(getattr(owner, name)))
    task()
    return calls[0]


def fork(task: Task, launch: dict[str, object] | None = None) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.environ |= {name: str(value) for name, value in (launch or {}).items()}
        task()
        status = 0
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        status = 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def ends(*tasks: Task) -> list[int]:
    """How each process of a launch ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": len(tasks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    pids = [fork(task, {"RANK": rank, **common}) for rank, task in enumerate(tasks)]
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def everywhere(folder: Path, name: str, stride: int) -> list[int]:
    """Kill at calls that change the disk, and go on; which ones."""
    note = folder / "calls"
    (folder / "straight").mkdir(exist_ok=True)

    def straight() -> None:
        note.write_text(str(counted(lambda: draw(folder / "straight" / name, folder / "straight.log"))))

    assert ends(straight) == [0]
    calls = int(note.read_text())
    moments = sorted({*range(1, calls + 1, stride), *range(calls - ENDING + 1, calls + 1)})
    for last in moments:
        here = folder / f"{name}-{last}"
        here.mkdir()
        again = lambda: draw(here / name, here / "log")  # noqa: B023, E731
        assert ends(lambda: counted(again, last)) == [-signal.SIGKILL], last  # noqa: B023
        if not (here / name).exists() or any(here.glob("*.parts")):
            assert ends(again) == [0], last
    return moments


def together(folder: Path) -> dict[str, list[list[int]]]:
    """Two processes and three, one of which may die; how each launch ended."""

    def task(name: str, **options: int) -> Task:
        (folder / name).mkdir(exist_ok=True)
        return lambda: draw(folder / name / "samples.npz", folder / name / "log", **options)

    def one_dies(name: str, *options: dict[str, int]) -> list[int]:
        # The other may be so fast that no part is left to die at: then again.
        for _ in range(10):
            shutil.rmtree(folder / name, ignore_errors=True)
            found = ends(*(task(name, **option) for option in options))
            if any(found):
                break
        return found

    told = {
        "two": [ends(task("two"), task("two"))],
        "few": [ends(task("few", n=3), task("few", n=3))],
        # At the first part that one would keep: the other may be so fast that no second is left for it.
        "member": [one_dies("member", {}, {"last": 0})],
        "leader": [one_dies("leader", {"last": 0}, {}), ends(task("leader"))],
        "cut": [ends(task("cut", last=2)), ends(*[task("cut")] * 3)],
    }
    assert ends(lambda: draw(folder / "few" / "alone.npz", folder / "straight.log", n=3)) == [0]
    return told


def main(folder: Path, stride: int = 1) -> None:
    torch.set_num_threads(1)
    job._FEWEST, job._QUICK = PART, 0
    fsync = os.fsync
    os.fsync = lambda _file: None  # no plug is pulled here, and the disk may be busy
    told = {"moments": [everywhere(folder, name, stride) for name in NAMES], "ends": together(folder)}
    os.fsync = fsync
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
