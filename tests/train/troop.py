"""Clusters of two and three processes, in a process of their own: `troop.py FOLDER`, see `test_cluster.py`.

Each member is a fork, so that importing torch is paid once; they meet through gloo as those of a launch do.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.distributed import TCPStore

import unstir.evaluation
import unstir.measure
from unstir.cli.evaluate import evaluate
from unstir.data import Dataset
from unstir.errors import InputError
from unstir.measure import features
from unstir.run import Run, load
from unstir.train import TrainConfig, choices, make_config, session
from unstir.train.arrangement import Arrangement
from unstir.train.cluster import joined
from unstir.train.session import Session

STEPS = 8
FAMILIES = ("edm", "pfgm", "blurring", "langevin", "coins", "capacitor")
# What a run may have beside: classes, a sketch, augmentation that the network is told, Muon.
RICH = {
    "network": "patch-unet", "network_options": {"width": 16}, "labels": True, "sketch": 2, "augment": "edm",
    "optimizer": "muon", "batch": 9, "steps": 3,
}  # fmt: skip
DIT = {
    "network": "dit", "network_options": {"patch": 2, "width": 16, "depth": 2, "heads": 2}, "labels": True,
    "sketch": 0, "optimizer": "adam", "batch": 9, "steps": 3,
}  # fmt: skip
Job = Callable[[], object]
Values = dict[str, Any]


def config(values: Values) -> TrainConfig:
    base: Values = {
        "data": "array", "process": "edm", "batch": 17, "network": "mlp", "steps": STEPS,
        "network_options": {"width": 16, "depth": 1}, "threads": 1, "precision": "float32", "labels": False,
    }  # fmt: skip
    return make_config(base | values)


def data() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(256, (60, 1, 8, 8), generator=generator).to(torch.uint8)
    return Dataset("pictures", "image", values, (torch.arange(60) > 20).long(), ("few", "many"))


def train(path: Path, opened: Session, at: int | None = None, act: Job | None = None) -> None:
    """Train to the end; the leader leaves the losses. After step `at` something happens."""
    losses = []
    for step in session.training(opened):
        losses.append(float(step.loss))
        if step.index == at and act is not None:
            act()
    if opened.trainer.cluster.leads:
        name = f"losses-{opened.trainer.step}-{opened.trainer.cluster.size}.json"
        (path / name).write_text(json.dumps(losses))


def start(path: Path, at: int | None = None, act: Job | None = None, values: Values | None = None) -> None:
    train(path, session.start(config(values or {}), path, data()), at, act)


def resume(path: Path) -> None:
    train(path, session.resume(path, data()))


def families(folder: Path) -> None:
    for process in FAMILIES:
        start(folder / process, values={"process": process})
    start(folder / "rich", values=RICH)
    start(folder / "dit", values=DIT)


def sharded(job: Job) -> Job:
    """`job` with the network in parts, as after `accelerate launch --use_fsdp`."""

    def run() -> None:
        os.environ["ACCELERATE_USE_FSDP"] = "true"
        job()

    return run


def in_parts(folder: Path) -> None:
    for process in ("edm", "pfgm", "coins"):
        start(folder / process, values={"process": process})
    start(folder / "dit", values=DIT)
    opened = session.start(config(RICH), folder / "rich", data())
    train(folder / "rich", opened)
    field, average = opened.trainer.field, opened.trainer.average
    held = [[p.to_local().numel() for p in each.parameters()] for each in (field, average)]
    wholes = sum(p.numel() for p in field.parameters())
    states = [
        value.to_local().numel()
        for part, _, _ in opened.trainer.optimizer._parts
        for entry in part.state.values()
        for value in entry.values()
        if value.ndim
    ]
    shares = [sum(map(sum, held)) / (2 * wholes), sum(states) / wholes]
    (folder / f"shares-{opened.trainer.cluster.rank}.json").write_text(json.dumps(shares))


def killed_writing() -> None:
    """Die in the middle of the next checkpoint."""
    left = [3]

    def fsync(_file: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = fsync  # type: ignore[assignment]


def draw(folder: Path, runs: Path) -> None:
    """Samples of a cluster, by solvers without noise and with it: seven, and fewer than it has members."""
    members = joined()
    for process in ("edm", "coins"):
        run = load(runs / process)
        for n in (1, 7):

            def part(low: int, high: int, run: Run = run) -> torch.Tensor:
                return run.sample(high - low, steps=4, seed=3, first=5 + low)

            samples = members.drawn(n, part)
            if samples is not None:
                torch.save(samples, folder / f"{process}-{n}.pt")


def quarrel(folder: Path) -> None:
    """What each member sees of an error of one, and of one of the leader's."""
    members = joined()

    def fail(rank: int) -> int:
        if members.rank == rank:
            raise InputError(f"of {rank}")
        return 5

    seen = []
    works: list[Job] = [
        lambda: members.together(lambda: fail(1)),
        lambda: members.led(lambda: fail(0)),
        lambda: members.led(lambda: 10 + fail(1)),
        lambda: members.together(lambda: members.rank),
    ]
    for work in works:
        try:
            seen.append(str(work()))
        except InputError as error:
            seen.append(f"{type(error).__name__}: {error}")
    (folder / f"seen-{members.rank}.json").write_text(json.dumps(seen))


def measure(folder: Path, run: Path) -> None:
    """How often each member fits a space of features, and what becomes of one that cannot be fitted."""
    members, rank = joined(), joined().rank
    if members.leads:
        np.save(folder / "pictures.npy", data().values[:, 0].numpy())
    members.wait()
    fitted: list[str] = []

    def feature_space(name: str, *given: Any) -> features.FeatureSpace:  # noqa: ANN401
        fitted.append(name)
        return features.feature_space(name, *given)

    unstir.measure.feature_space = feature_space  # type: ignore[assignment]
    unstir.evaluation.compare = lambda *_, **__: SimpleNamespace(to_dict=dict)  # type: ignore[assignment]
    for name in ("pca:999", "pca:2"):
        try:
            evaluate(run, str(folder / "pictures.npy"), n=20, features=name, holdout=0.5, as_json=True)
        except InputError as error:
            fitted.append(f"{type(error).__name__}: {error}")
    (folder / f"measured-{rank}.json").write_text(json.dumps(fitted))


def arrange(folder: Path) -> None:
    """How each member does its arithmetic, where it is measured and where not, in parts and as a whole."""
    members = joined()
    free: list[set[str]] = []

    def fastest(*_: object, **named: set[str]) -> Arrangement:
        free.append(named["free"])
        return Arrangement(bfloat16=True, channels_last=False, threads=5, compiled=True)

    choices.fastest = fastest  # type: ignore[assignment]
    found = []
    base: Values = {
        "network": "patch-unet",
        "network_options": {"width": 16},
        "precision": "auto",
        "threads": None,
    }
    long: Values = {"steps": None, "minutes": 90}
    for name, values in (("steps", {}), ("minutes", long), ("parts", long)):
        if name == "parts":
            os.environ["ACCELERATE_USE_FSDP"] = "true"
        opened = session.start(config(base | values), folder / name, data())
        wide = [p for p in opened.trainer.field.network.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
        kept = opened.config
        found.append({
            "free": [sorted(each) for each in free], "bfloat16": opened.trainer.bfloat16,
            "kept": [kept.precision, kept.channels_last, kept.threads, kept.compile],
            "last": all(not p.is_contiguous() for p in wide),
        })  # fmt: skip
        free.clear()
    (folder / f"arranged-{members.rank}.json").write_text(json.dumps(found))


def cluster(size: int, *jobs: Job, patience: float = 150) -> tuple[list[int], float]:
    """Run `jobs`, one a process or one for all; how each ended, and seconds from first to last."""
    # As a launcher does: the members meet at a store of its own, whose port nobody else can have taken.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    members = {}
    for rank in range(size):
        pid = os.fork()
        if not pid:
            launch = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": store.port}
            os.environ |= {name: str(value) for name, value in launch.items()}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE": "True"}
            _finish(jobs[min(rank, len(jobs) - 1)])
        members[pid] = rank
    ends, times, start = [0] * size, [], time.monotonic()
    while members:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            ends[members.pop(pid)] = os.waitstatus_to_exitcode(status)
            times.append(time.monotonic())
        elif time.monotonic() - start > patience:
            for member in members:
                os.kill(member, signal.SIGKILL)
            start = math.inf
        else:
            time.sleep(0.01)
    return ends, times[-1] - times[0]


def _finish(job: Job) -> None:
    status = 1
    try:
        job()
        status = 0
    except InputError as error:
        sys.stderr.write(f"{os.environ.get('RANK')}: {type(error).__name__}: {error}\n")
        status = 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    os.fsync = lambda fd: None  # the disk may be busy
    # What is imported here no fork has to.
    train(folder / "warm-up", session.start(config({"steps": 1}), folder / "warm-up", data()))
    for module in ("torch.distributed.fsdp", "torch.distributed.tensor"):
        importlib.import_module(module)
    one, two, ends = folder / "one", folder / "two", {}
    for path in (one, two, folder / "samples"):
        path.mkdir()

    def note(name: str, size: int, *jobs: Job) -> None:
        began = time.monotonic()
        ends[name] = cluster(size, *jobs)
        sys.stderr.write(f"{name} {time.monotonic() - began:.1f}\n")

    note("one", 1, lambda: families(one))
    note("two", 2, lambda: families(two))
    parts = folder / "parts"
    parts.mkdir()
    note("parts", 2, sharded(lambda: in_parts(parts)))
    few = {"batch": 2, "steps": 3}
    note("few parts", 3, sharded(lambda: start(parts / "few", values=few)))
    note("few one", 1, lambda: start(one / "few", values=few))
    note("few three", 3, lambda: start(two / "few", values=few))
    # Only one is told to stop, and not the leader.
    stop: Job = lambda: signal.raise_signal(signal.SIGTERM)  # noqa: E731
    for name, size in (("on one", 1), ("on three", 3)):
        path = folder / name
        note(f"{name}: cut", 2, lambda: start(path), lambda: start(path, 5, stop))  # noqa: B023
        note(name, size, lambda: resume(path))  # noqa: B023
    whole, part = folder / "whole to parts", folder / "parts to whole"
    note("whole to parts: cut", 1, lambda: start(whole, 5, stop))
    note("whole to parts", 2, sharded(lambda: resume(whole)))
    note("parts to whole: cut", 2, sharded(lambda: start(part)), sharded(lambda: start(part, 5, stop)))
    note("parts to whole", 1, lambda: resume(part))
    more = folder / "parts to more parts"
    note("parts to more parts: cut", 2, sharded(lambda: start(more)), sharded(lambda: start(more, 5, stop)))
    note("parts to more parts", 3, sharded(lambda: resume(more)))
    often = {"checkpoint_minutes": 1e-9}
    die: Job = lambda: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    path = folder / "member killed"
    note("member killed", 2, lambda: start(path, values=often), lambda: start(path, 5, die, often))
    note("after member", 1, lambda: resume(path))
    path = folder / "leader killed"
    note("leader killed", 2, lambda: start(path, 5, killed_writing, often), lambda: start(path, values=often))
    note("after leader", 2, lambda: resume(path))
    note("samples", 2, lambda: draw(folder / "samples", one))
    note("quarrel", 2, lambda: quarrel(folder))
    note("arranged", 2, lambda: arrange(folder))
    note("measured", 2, lambda: measure(folder, one / "edm"))
    (folder / "ends.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
