"""Several workers at once, one a device: the next process goes to the device that is free first.

Ctrl-C asks each worker once to stop, which keeps its work; a second one ends them.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from unstir.compare.worker import Report
from unstir.errors import InputError

Watch = Callable[[str, Report], None]


class Job(ABC):
    """One worker at work."""

    @abstractmethod
    def reports(self) -> Iterator[Report]:
        """Its reports, to its end."""

    @abstractmethod
    def stop(self, *, at_once: bool = False) -> None:
        """Ask it to end and keep its work; or end it."""

    @abstractmethod
    def outcome(self) -> str | None:
        """None where it is done; else why it is not, in one line. Known after the last report."""


class Launch(Protocol):
    """Begins the worker of a process on a device."""

    def __call__(self, process: str, device: str) -> Job: ...


class Subprocess(Job):
    """A worker in a process of its own.

    Args:
        out: the comparison's folder.
        number: of the process in the plan.
        device: `cpu`, `mps` or `cuda:1`.
    """

    def __init__(self, out: Path, number: int, device: str) -> None:
        self._error: str | None = None
        environment = dict(os.environ)
        kind, _, place = device.partition(":")
        if place:  # it sees no other, so that it may go on on another one
            seen = environment.get("CUDA_VISIBLE_DEVICES", "")
            environment["CUDA_VISIBLE_DEVICES"] = seen.split(",")[int(place)] if seen else place
        command = [sys.executable, "-m", "unstir.compare.worker", str(out), str(number), kind]
        self._process = subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a terminal's Ctrl-C is passed on once, by `stop`
        )
        # Read at once: a full pipe would stop the worker.
        self._last: deque[str] = deque(maxlen=1)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        self._last.extend(line for line in self._process.stderr or () if line.strip())

    def reports(self) -> Iterator[Report]:
        for line in self._process.stdout or ():
            with suppress(ValueError, TypeError):
                value = json.loads(line)
                if "error" in value:
                    self._error = str(value["error"])
                else:
                    yield Report(**value)
        self._process.wait()
        self._listener.join(timeout=5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def stop(self, *, at_once: bool = False) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL if at_once else signal.SIGINT)

    def outcome(self) -> str | None:
        status = self._process.returncode
        if self._error or not status:
            return self._error
        if status < 0:
            return f"its worker was ended by signal {-status}, as where memory runs out"
        return self._last[0].strip() if self._last else f"its worker ended with status {status}"


def run_crew(
    processes: Sequence[str], devices: Sequence[str], launch: Launch, watch: Watch | None = None
) -> dict[str, str]:
    """Work through `processes`, one at a time on each device.

    Args:
        processes: what is to be done.
        devices: where; the same one twice makes two workers share it.
        launch: begins a worker.
        watch: called with each report, in this thread.

    Returns:
        Of the processes that failed: why, in one line each. The others go on whatever becomes of one.

    Raises:
        KeyboardInterrupt: Ctrl-C, once all workers have kept their work.
        InputError: no devices.
    """
    if not devices:
        raise InputError("devices: none is given; give cpu or cuda:0")
    waiting = queue.SimpleQueue[str]()
    for process in processes:
        waiting.put(process)
    said = queue.SimpleQueue[tuple[str, Report] | None]()
    failed: dict[str, str] = {}
    working: dict[int, Job] = {}
    stopped = threading.Event()

    def serve(place: int, device: str) -> None:
        try:
            while not stopped.is_set():
                try:
                    process = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    job = working[place] = launch(process, device)
                    if stopped.is_set():
                        job.stop()
                    for report in job.reports():
                        said.put((process, report))
                    reason = job.outcome()
                except Exception as error:  # one that cannot begin must not end the others
                    reason = str(error) or type(error).__name__
                working.pop(place, None)
                if reason is not None and not stopped.is_set():
                    failed[process] = " ".join(reason.split())
        finally:
            said.put(None)

    threads = [threading.Thread(target=serve, args=pair, daemon=True) for pair in enumerate(devices)]
    for thread in threads:
        thread.start()
    left = len(threads)
    while left:
        try:
            item = said.get(timeout=0.2)
            if item is None:
                left -= 1
            elif watch is not None:
                watch(*item)
        except queue.Empty:
            continue
        except KeyboardInterrupt:
            again = stopped.is_set()
            stopped.set()
            for job in list(working.values()):
                job.stop(at_once=again)
    if stopped.is_set():
        raise KeyboardInterrupt
    return failed


def find_devices(name: str) -> list[str]:
    """The devices that `name` stands for.

    Args:
        name: `auto` (all GPUs, else the best there is), `cuda` for all GPUs, or some with commas between,
            such as `cuda:0,cuda:2`.

    Raises:
        InputError: an unknown device, or one that is not here.
    """
    import torch

    from unstir.train.machine import choose_device

    found: list[str] = []
    for part in [part.strip() for part in name.split(",") if part.strip()]:
        device = choose_device(part)
        if device.type == "cuda" and device.index is None:
            found += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        else:
            found.append(str(device))
    if not found or len(set(found)) < len(found):
        raise InputError(f"device={name}: give auto, or each device once, such as cuda:0,cuda:1")
    return found
