"""A comparison in this process: workers that train for three steps, and results made up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from unstir.compare import Comparison, Plan, compare_processes, make_plan
from unstir.compare.crew import Job
from unstir.compare.worker import Report, work
from unstir.data import Dataset
from unstir.measure.bootstrap import Estimate

SMALL: dict[str, Any] = {
    "network": "mlp",
    "network_options": {"width": 16, "depth": 1},
    "batch": 16,
    "threads": 1,
}


@dataclass
class Here(Job):
    """A worker in this process."""

    plan: Plan
    out: Path
    process: str
    error: str | None = None

    def reports(self) -> Iterator[Report]:
        said: list[Report] = []
        try:
            if not work(self.plan, self.out, self.process, "cpu", said.append):
                self.error = "stopped"
        except ValueError as error:
            self.error = str(error)
        yield from said

    def stop(self, *, at_once: bool = False) -> None:
        pass

    def outcome(self) -> str | None:
        return self.error


@dataclass
class Bench:
    """A plan with its data and folder, and which processes were begun."""

    plan: Plan
    train: Dataset
    heldout: Dataset
    out: Path
    begun: list[str] = field(default_factory=list)

    def launch(self, process: str, device: str) -> Job:
        self.begun.append(process)
        return Here(self.plan, self.out, process)

    def run(self) -> Comparison:
        return compare_processes(self.plan, self.train, self.heldout, self.out, launch=self.launch)


def bench(
    out: Path,
    data: str | Path = "two-moons",
    processes: tuple[str, ...] = ("edm", "vp"),
    **options: Any,  # noqa: ANN401
) -> Bench:
    given = SMALL | {"steps": 3, "samples": 60, "draws": 50, "evaluations": (2, 4)} | options
    plan, train, heldout = make_plan(str(data), processes, **given)
    return Bench(plan, train, heldout, out)


@pytest.fixture(scope="session")
def moons(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Comparison]:
    """A comparison of two processes that is whole. Nobody writes into it."""
    made = bench(tmp_path_factory.mktemp("moons") / "out")
    return made, made.run()


def estimate(value: float, deviation: float = 0.01, seed: int = 0) -> Estimate:
    draws = torch.randn(200, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Estimate(value, value + deviation * draws)
