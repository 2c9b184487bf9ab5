"""Who works where, on devices that are not there."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from unstir.compare.crew import Job, run_crew
from unstir.compare.worker import Report
from unstir.errors import InputError


@dataclass
class Floor:
    """Where jobs are noted: (process, device) in the order of their beginnings, and how many at once."""

    begun: list[tuple[str, str]] = field(default_factory=list)
    at_once: dict[str, int] = field(default_factory=dict)
    most: int = 0
    stops: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    fails: dict[str, str] = field(default_factory=dict)

    def launch(self, process: str, device: str) -> Job:
        if process == "broken":
            raise OSError("no such program")
        with self.lock:
            self.begun.append((process, device))
            assert self.at_once.get(device, 0) == 0, "two on one device"
            self.at_once[device] = 1
            self.most = max(self.most, sum(self.at_once.values()))
        return Fake(self, process, device)


@dataclass
class Fake(Job):
    floor: Floor
    process: str
    device: str

    def reports(self) -> Iterator[Report]:
        yield Report("training", 0.5)
        if gate := self.floor.gates.get(self.process):
            assert gate.wait(10)
        yield Report("sampling", 1.0)
        with self.floor.lock:
            self.floor.at_once[self.device] = 0

    def stop(self, *, at_once: bool = False) -> None:
        self.floor.stops.append(self.process)
        if gate := self.floor.gates.get(self.process):
            gate.set()

    def outcome(self) -> str | None:
        return self.floor.fails.get(self.process)


def test_each_device_takes_the_next_process_when_it_is_free() -> None:
    floor = Floor(gates={"slow": threading.Event()})
    seen: list[str] = []

    def watch(process: str, report: Report) -> None:
        seen.append(f"{process} {report.stage}")
        if "d sampling" in seen:
            floor.gates["slow"].set()

    failed = run_crew(["slow", "b", "c", "d"], ["cuda:0", "cuda:1"], floor.launch, watch)
    assert failed == {}
    where = dict(floor.begun)
    # The slow one keeps its device to the end; the other takes all the rest, in order.
    assert {where[name] for name in "bcd"} == {"cuda:0", "cuda:1"} - {where["slow"]}
    assert [name for name, _ in floor.begun if name != "slow"] == ["b", "c", "d"]
    assert floor.most == 2
    assert len(seen) == 8


def test_on_one_device_one_after_the_other() -> None:
    floor = Floor()
    run_crew(["a", "b", "c"], ["cpu"], floor.launch)
    assert floor.begun == [("a", "cpu"), ("b", "cpu"), ("c", "cpu")]
    assert floor.most == 1


def test_one_that_fails_leaves_the_others_alone() -> None:
    floor = Floor(fails={"b": "training diverged:\nlower lr"})
    failed = run_crew(["a", "b", "broken", "c"], ["cpu"], floor.launch)
    assert failed == {"b": "training diverged: lower lr", "broken": "no such program"}
    assert [name for name, _ in floor.begun] == ["a", "b", "c"]


def test_ctrl_c_stops_each_worker_once_and_begins_no_more() -> None:
    floor = Floor(gates={"a": threading.Event(), "b": threading.Event()})
    seen: list[str] = []

    def watch(process: str, report: Report) -> None:
        seen.append(process)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    # A training that another test has left in the middle may still hold the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_crew(["a", "b", "c"], ["cuda:0", "cuda:1"], floor.launch, watch)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(floor.stops) == ["a", "b"]
    assert sorted(name for name, _ in floor.begun) == ["a", "b"]


def test_no_devices_is_refused() -> None:
    with pytest.raises(InputError, match="devices: none"):
        run_crew(["a"], [], Floor().launch)
