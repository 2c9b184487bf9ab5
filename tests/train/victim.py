"""A run that is killed again and again, in a process of its own: `victim.py FOLDER`, see `test_killed.py`.

Each part of it trains in a fork, so that importing torch is paid once. The parent itself never
differentiates: a fork of a process that has done so cannot.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from unstir.data import Dataset
from unstir.train import TrainConfig, make_config, metrics, session
from unstir.train.session import Session

STEPS = 40
# Each call of these, counted from the beginning of a part: that of the number kills.
MOMENTS: list[tuple[object, str, int]] = [
    (os, "fsync", 1),  # data.json is being written
    (os, "fsync", 4),  # config.yaml is
    (os, "fsync", 12),  # the first checkpoint is
    (os, "replace", 3),  # it is about to appear
    (os, "replace", 4),
    (os, "fsync", 20),
    (shutil, "rmtree", 1),  # an old one is about to go
    (os, "replace", 1),  # the metrics are being cut
    (Path, "mkdir", 4),
    (Path, "write_text", 5),  # a manifest is about to be written
    (os, "replace", 5),
]
CHANCE = 4  # kills at times of chance


def config() -> TrainConfig:
    options = {"width": 16, "depth": 1}
    return make_config({
        "data": "array", "process": "edm", "batch": 16, "network": "mlp", "network_options": options,
        "steps": STEPS, "checkpoint_minutes": 1e-9, "threads": 1,
    })  # fmt: skip


def data() -> Dataset:
    angle = torch.linspace(0, 6.2, 50)
    return Dataset("circle", "table", torch.stack([angle.cos(), angle.sin()], 1), columns=("a", "b"))


def opened(run: Path) -> Session:
    if (run / "config.yaml").exists():
        return session.resume(run, data())
    return session.start(config(), run, data())


def train(run: Path, *, slowly: bool = False) -> None:
    for _ in session.training(opened(run)):
        time.sleep(0.01 * slowly)


def killing(owner: object, name: str, number: int) -> None:
    """From now on, the call of that number ends this process."""
    plain: Callable[..., object] = getattr(owner, name)
    calls = [0]

    def counted(*args: object, **options: object) -> object:
        calls[0] += 1
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*args, **options)

    setattr(owner, name, counted)


def fork(job: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    with contextlib.suppress(BaseException):
        try:
            job()
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
    os._exit(status)


def ended(pid: int) -> int:
    """The signal that ended a process; 0 where it came to its own end well."""
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the part failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    os.fsync = lambda _file: None  # no plug is pulled here, and the disk may be busy
    metrics._EVERY = 0.0
    session.start(config(), folder / "warm-up", data())
    assert ended(fork(lambda: train(folder / "straight"))) == 0
    run = folder / "killed"
    for owner, name, number in MOMENTS:

        def part(owner: object = owner, name: str = name, number: int = number) -> None:
            killing(owner, name, number)
            train(run)

        assert ended(fork(part)) == signal.SIGKILL, f"{name} {number} never came"
    draw = random.Random(sys.argv[-1])
    for _ in range(CHANCE):
        pid = fork(lambda: train(run, slowly=True))
        time.sleep(draw.uniform(0.02, 0.2))
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) in (signal.SIGKILL, 0)
    assert ended(fork(lambda: train(run))) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
