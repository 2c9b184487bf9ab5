"""kill -9 at random moments of training, sampling and comparing: nothing is half there, and nothing is lost.

    python benchmarks/kills.py                       # 200 kills, about ten minutes on one core
    python benchmarks/kills.py --kills 30 --only comparing

Half of the kills come at a random time, from outside; half at a random call that changes the disk, from
within. A comparison has a worker process of its own: the kill takes it, its parent, or both. After each kill
every file must be whole or absent, by its own format and by the manifests, and the same command goes on. What
ends at last must have the bits of what was left in peace: weights, averages, optimiser and generators;
samples; drawn sets and figures. Prints what the kills hit; exit status 1 where anything was not as it should
be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from unstir.compare import compare_processes, comparison, make_plan
from unstir.compare import page as pages
from unstir.compare import worker as workers
from unstir.compare.crew import Job as Worker
from unstir.compare.plan import Plan, read_record
from unstir.compare.worker import Report
from unstir.data import Dataset, load
from unstir.data.whole import is_scratch
from unstir.errors import InputError
from unstir.jobs import Drawing, Options, drawing, job, work
from unstir.train import checkpoint, load_checkpoint, loop, make_config, metrics, session
from unstir.train.checkpoint import _read as read_checkpoint
from unstir.untrained import exact

STEPS = 40
LOST = "its worker ended with"
SMALL: dict[str, Any] = {
    "network": "mlp",
    "network_options": {"width": 16, "depth": 1},
    "batch": 16,
    "threads": 1,
}
CALLS: list[tuple[object, str]] = [
    (os, "fsync"), (os, "replace"), (shutil, "rmtree"), (Path, "mkdir"), (Path, "unlink"),
    (Path, "write_text"), (Path, "write_bytes"), (Path, "rename"),
]  # fmt: skip
# What is told of the moment: the innermost of these that is under way.
PLACES: list[tuple[object, str, str]] = [
    (session, "start", "beginning"), (session, "resume", "going on"), (workers, "work", "between"),
    (session, "write_folder", "writing the run's first files"), (session, "_tidy", "tidying up"),
    (loop.Trainer, "_train_step", "a step of training"), (session, "save_checkpoint", "a checkpoint"),
    (checkpoint, "discard", "pruning a checkpoint"),
    (job.Job, "open", "opening the job"), (drawing.Drawing, "values", "drawing"),
    (job.Job, "keep", "keeping a part"), (job.Job, "join", "joining the parts"),
    (workers, "_draw", "drawing"), (comparison, "measure", "measuring"),
    (pages, "make_page", "making the report"),
]  # fmt: skip


class Note:
    """A few words in memory that processes share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 256)

    @property
    def text(self) -> str:
        return bytes(self._memory[:200]).rstrip(b"\0").decode()

    @text.setter
    def text(self, text: str) -> None:
        self._memory[:200] = text.encode()[:200].ljust(200, b"\0")

    @property
    def number(self) -> int:
        return int.from_bytes(self._memory[200:208])

    @number.setter
    def number(self, number: int) -> None:
        self._memory[200:208] = number.to_bytes(8)


class Trial(ABC):
    """Something that is killed, and goes on.

    Args:
        folder: for all that it writes.
        note: what is under way.
    """

    name: str

    def __init__(self, folder: Path, note: Note) -> None:
        self.folder, self.note = folder, note
        folder.mkdir()

    @abstractmethod
    def run(self, place: Path) -> None:
        """Do it, or go on with it, in a folder of its own."""

    @abstractmethod
    def compare(self, place: Path, straight: Path) -> None:
        """Assert that what ended in `place` is the same, bit for bit."""

    def finished(self, place: Path) -> bool:
        """Whether nothing is left to do, once `run` has ended."""
        return place.exists()

    def kill(self, main: int, _draw: random.Random) -> str:
        """Kill, and say whom where there are several."""
        os.kill(main, signal.SIGKILL)
        return ""


def points() -> Dataset:
    angle = torch.linspace(0, 6.2, 50)
    return Dataset("circle", "table", torch.stack([angle.cos(), angle.sin()], 1), columns=("a", "b"))


def started(path: Path) -> session.Session:
    config = {"data": "array", "process": "edm", "steps": STEPS, "checkpoint_minutes": 1e-9, **SMALL}
    return session.start(make_config(config), path, points())


class Training(Trial):
    """A run with a checkpoint after every step."""

    name = "training"

    def run(self, place: Path) -> None:
        path = place / "run"
        this = session.resume(path, points()) if (path / "config.yaml").exists() else started(path)
        for _ in session.training(this):
            pass

    def compare(self, place: Path, straight: Path) -> None:
        same_weights(place / "run", straight / "run")
        lines = (place / "run" / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(1, STEPS + 1))


class Sampling(Trial):
    """A job of several parts, to an .npz, a folder and a .zip in turn."""

    name = "sampling"
    names = ("samples.npz", "samples", "samples.zip")

    def run(self, place: Path) -> None:
        generator = torch.Generator().manual_seed(0)
        values = torch.randint(256, (12, 1, 6, 5), generator=generator).to(torch.uint8)
        source = exact("edm", Dataset("pictures", "image", values), device="cpu")
        for name in self.names:
            if not (place / name).exists() or (place / f"{name}.parts").exists():
                work(Drawing(source, place / name, 22, Options(steps=12), batch=2))

    def compare(self, place: Path, straight: Path) -> None:
        for name in self.names:
            assert content(place / name) == content(straight / name), name
        assert {path.name for path in place.iterdir() if not is_scratch(path.name)} == set(self.names)


class Comparing(Trial):
    """Two processes, each trained and drawn by a worker, measured and told."""

    name = "comparing"

    def __init__(self, folder: Path, note: Note) -> None:
        super().__init__(folder, note)
        options = SMALL | {
            "steps": 100,
            "samples": 200,
            "draws": 50,
            "evaluations": (2,),
            "checkpoint_minutes": 1e-9,
        }
        self.plan, self.train, self.heldout = make_plan("two-moons", ["edm", "vp"], **options)

    def run(self, place: Path) -> None:
        out = place / "out"

        def launch(process: str, _device: str) -> Worker:
            return Forked(self.plan, out, process, self.note)

        compare_processes(self.plan, self.train, self.heldout, out, launch=launch)

    def finished(self, place: Path) -> bool:
        found = read_record(place / "out").get("results")
        return isinstance(found, dict) and not found["failed"]

    def compare(self, place: Path, straight: Path) -> None:
        for process in self.plan.processes:
            ours, theirs = (self.plan.folder(folder / "out", process) for folder in (place, straight))
            same_weights(ours, theirs)
            assert (ours / "drawn.safetensors").read_bytes() == (theirs / "drawn.safetensors").read_bytes()
        ours, theirs = (untimed(read_record(folder / "out")["results"]) for folder in (place, straight))
        assert ours == theirs

    def kill(self, main: int, draw: random.Random) -> str:
        whom, worker = draw.choice(("its worker", "its parent", "both")), self.note.number
        with contextlib.suppress(ProcessLookupError):
            if whom == "both":
                os.killpg(main, signal.SIGKILL)
            elif whom == "its worker" and worker:
                os.kill(worker, signal.SIGKILL)
            else:
                whom = "its parent"
                os.kill(main, signal.SIGKILL)
        return f", {whom}"


class Forked(Worker):
    """A worker that is a fork, so that importing torch is paid once."""

    def __init__(self, plan: Plan, out: Path, process: str, note: Note) -> None:
        self._status, self._note = 0, note
        self._pid = fork(lambda: workers.work(plan, out, process, "cpu", lambda _report: None))
        note.number = self._pid

    def reports(self) -> Iterator[Report]:
        self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._note.number = 0
        yield from ()

    def stop(self, *, at_once: bool = False) -> None:
        os.kill(self._pid, signal.SIGKILL if at_once else signal.SIGINT)

    def outcome(self) -> str | None:
        return f"{LOST} {self._status}" if self._status else None


def untimed(value: Any) -> Any:  # noqa: ANN401
    """Figures without those that a clock or a memory decides."""
    told = ("second", "memory", "rate", "time", "curve", "machine", "device", "loss")
    if isinstance(value, dict):
        return {key: untimed(item) for key, item in value.items() if not any(word in key for word in told)}
    return [untimed(item) for item in value] if isinstance(value, list) else value


def same_weights(ours: Path, theirs: Path) -> None:
    one, other = load_checkpoint(ours), load_checkpoint(theirs)
    assert one.step == other.step
    assert one.passed_over == ()
    for name, group in other.tensors.items():
        assert group.keys() == one.tensors[name].keys()
        assert all(torch.equal(value, one.tensors[name][key]) for key, value in group.items()), name


def content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(path.rglob("*.png"))
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def check(place: Path) -> int:
    """Assert that every file is whole; how many are not there yet, under names of their own."""
    scratch = 0
    for path in sorted(place.rglob("*")):
        if any(is_scratch(part) for part in path.parts):
            scratch += is_scratch(path.name)
        elif any(part.endswith(".parts") for part in path.parts):
            continue  # a job's own: parts are counted anew, and `whole` is whole once `joined` is there
        else:
            try:
                whole(path)
            except (OSError, InputError, AssertionError):
                if path.exists():  # an orphan may prune on
                    raise
    return scratch


def whole(path: Path) -> None:
    if path.is_dir():
        if step := checkpoint.checkpoint_step(path):
            read_checkpoint(path, step)
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".jsonl":
        for line in path.read_text().splitlines()[:-1]:
            json.loads(line)
    elif path.suffix == ".yaml":
        assert "process" in yaml.safe_load(path.read_text())
    elif path.suffix == ".safetensors":
        load_file(path)
    elif path.suffix in (".npz", ".zip"):
        load(path)
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".html":
        assert path.read_text().rstrip().endswith("</html>"), path
    else:
        raise AssertionError(f"{path}: what is it?")


def fork(task: Callable[[], object]) -> int:
    """A process that does the task and ends."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        task()
        status = 0
    except InputError as error:  # such as of an orphan, whose successor has cleared its folder
        sys.stderr.write(f"{error}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def watched(note: Note, last: int = -1) -> list[int]:
    """From now on `note` says what is under way; counts `CALLS`, of which number `last` kills."""
    calls = [0]

    def telling(plain: Callable[..., Any], label: str) -> Callable[..., Any]:
        @wraps(plain)
        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401
            before, note.text = note.text, label
            try:
                return plain(*args, **options)
            finally:
                note.text = before

        return call

    def counted(plain: Callable[..., Any], label: str) -> Callable[..., Any]:
        @wraps(plain)
        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401
            calls[0] += 1
            if calls[0] == last:
                note.text += f", before {label}"
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*args, **options)

        return call

    for owner, name, label in PLACES:
        setattr(owner, name, telling(getattr(owner, name), label))
    for owner, name in CALLS:
        setattr(owner, name, counted(getattr(owner, name), name))
    note.text, note.number = "between", 0
    return calls


def life(trial: Trial, place: Path, last: int, told: Path | None = None) -> NoReturn:
    """What a process does from its birth to its end."""
    os.setpgid(0, 0)
    calls = watched(trial.note, last)
    try:
        trial.run(place)
    except InputError as error:
        if LOST not in str(error):
            raise
        os._exit(2)
    if told is not None:
        told.write_text(str(calls[0]))
    os._exit(0)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def attack(trial: Trial, kills: int, draw: random.Random) -> Counter[str]:
    """Kill a trial so often; what was hit."""
    straight, told = trial.folder / "straight", trial.folder / "calls"
    straight.mkdir()
    began = time.monotonic()
    assert ended(fork(lambda: life(trial, straight, -1, told))) == 0, "it does not even run in peace"
    seconds, calls = time.monotonic() - began, int(told.read_text())
    hits, place, number, ends, left = Counter[str](), trial.folder / "0", 0, 0, 0
    place.mkdir()
    while hits.total() < kills:
        inside, whom = draw.random() < 0.5, ""
        last = draw.randint(1, max(2, calls // 2)) if inside else -1
        pid = fork(lambda place=place, last=last: life(trial, place, last))
        if not inside:
            time.sleep(draw.uniform(0, 0.7 * seconds))
            where = trial.note.text
            whom = trial.kill(pid, draw)
        status = ended(pid)
        where = trial.note.text if inside else where
        assert status in (0, 2, -signal.SIGKILL), f"{place}: ended with {status}"
        if status or whom == ", its worker":
            hits[f"{where}{whom}"] += 1
        left += check(place)
        if not status and trial.finished(place):
            done(trial, place, straight)
            ends, number = ends + 1, number + 1
            place = trial.folder / str(number)
            place.mkdir()
    while True:
        assert ended(fork(lambda: life(trial, place, -1))) == 0
        if trial.finished(place):
            break
    done(trial, place, straight)
    print(
        f"\n{trial.name}: {hits.total()} kills, {ends + 1} times to the end with the same bits; {left} things"
    )
    print("were on the way under another name at a kill. Hit:")
    for where, count in hits.most_common():
        print(f"  {count:4} {where}")
    sys.stdout.flush()
    return hits


def done(trial: Trial, place: Path, straight: Path) -> None:
    check(place)
    trial.compare(place, straight)
    shutil.rmtree(place)


TRIALS: dict[str, type[Trial]] = {trial.name: trial for trial in (Training, Sampling, Comparing)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TRIALS, help="one of the three")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    given = parser.parse_args()
    torch.set_num_threads(1)
    job._FEWEST, job._QUICK = 4, 0
    metrics._EVERY = 0.0
    trials = [TRIALS[given.only]] if given.only else list(TRIALS.values())
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="unstir-kills-") as folder:
        started(Path(folder) / "warm-up")  # imports what is imported late, once for all forks
        total = 0
        for i, trial in enumerate(trials):
            share = (given.kills - total) // (len(trials) - i)
            try:
                total += attack(
                    trial(Path(folder) / trial.name, Note()), share, random.Random(given.seed)
                ).total()
            except AssertionError:
                traceback.print_exc()
                return 1
    print(f"\n{total} kills: every file whole or absent, and the same bits in the end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
