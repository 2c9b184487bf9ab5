"""From a plan to a report: what is whole is skipped, what is not goes on."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import unstir
from unstir.compare import Comparison
from unstir.compare.crew import Job, Subprocess
from unstir.compare.plan import keep_plan, read_again, read_plan
from unstir.compare.worker import Report, is_done, work
from unstir.errors import InputError
from unstir.train import load_checkpoint

from .conftest import Bench, bench


def test_the_record_holds_every_figure(moons: tuple[Bench, Comparison]) -> None:
    made, done = moons
    found = json.loads((made.out / "compare.json").read_text())["results"]
    assert list(found["rows"]) == ["edm", "vp", "Gaussian fit", "real data"]
    for row in found["rows"].values():
        for figure in ("energy_distance", "mmd", "frechet_distance", "precision", "tail_index"):
            assert row[figure]["low"] <= row[figure]["high"], figure
    assert found["n"] == 60
    for name in made.plan.processes:
        assert found["cost"][name]["steps"] == 3
        assert found["cost"][name]["parameters"] > 100
        assert 2**24 < found["cost"][name]["peak_memory"] < 2**36
        assert [one["evaluations"] for one in found["evaluations"][name]] == [2, 4, 20]
        assert found["loss"][name]["step"][-1] == 3
    assert done.report.is_file()


def test_what_is_whole_is_not_done_again(moons: tuple[Bench, Comparison]) -> None:
    made, done = moons
    before = {path: path.stat().st_mtime_ns for path in made.out.rglob("*") if path.is_file()}
    made.begun.clear()
    again = made.run()
    assert made.begun == []
    assert json.dumps(again.results) == json.dumps(json.loads(json.dumps(done.results)))
    assert {path: path.stat().st_mtime_ns for path in made.out.rglob("*") if path.is_file()} == before


class KilledError(Exception):
    """Stands for kill -9: nothing after it runs."""


def test_a_comparison_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench(tmp_path / "out", steps=6, checkpoint_minutes=1e-9)
    keep_plan(made.plan, made.out)
    assert work(made.plan, made.out, "edm", "cpu", lambda report: None)
    said: list[Report] = []

    def dies(report: Report) -> None:
        said.append(report)
        raise KilledError

    monkeypatch.setattr("unstir.compare.worker._EVERY", -1.0)
    with pytest.raises(KilledError):
        work(made.plan, made.out, "vp", "cpu", dies)
    folder = made.plan.folder(made.out, "vp")
    assert not is_done(folder)
    drawn = made.plan.folder(made.out, "edm") / "drawn.json"
    before = drawn.stat().st_mtime_ns
    done = made.run()
    assert made.begun == ["vp"]
    assert drawn.stat().st_mtime_ns == before
    assert load_checkpoint(folder).step == 6
    assert list(done.results["cost"]) == ["edm", "vp"]


def test_a_worker_of_its_own_is_killed_and_its_work_goes_on(tmp_path: Path) -> None:
    made = bench(tmp_path / "out", processes=("edm",), steps=100_000, checkpoint_minutes=1e-9)
    keep_plan(made.plan, made.out)
    job = Subprocess(made.out, 0, "cpu")
    reports = job.reports()
    assert next(reports).stage == "training"
    folder = made.plan.folder(made.out, "edm")
    limit = time.monotonic() + 20
    while not list(folder.glob("checkpoints/step-*/manifest.json")) and time.monotonic() < limit:
        time.sleep(0.01)
    job.stop(at_once=True)
    list(reports)
    assert job.outcome() == f"its worker was ended by signal {int(signal.SIGKILL)}, as where memory runs out"
    assert not is_done(folder)
    assert load_checkpoint(folder).step > 0


@dataclass
class Refusing(Job):
    reason: str

    def reports(self) -> Iterator[Report]:
        return iter(())

    def stop(self, *, at_once: bool = False) -> None:
        pass

    def outcome(self) -> str | None:
        return self.reason


def test_one_that_fails_is_told_in_the_report(tmp_path: Path) -> None:
    made = bench(tmp_path / "out")
    real = made.launch
    made.launch = lambda process, device: (  # type: ignore[method-assign]
        Refusing("training diverged <b>") if process == "vp" else real(process, device)
    )
    done = made.run()
    assert done.results["failed"] == {"vp": "training diverged <b>"}
    page = done.report.read_text("utf-8")
    assert "vp failed: training diverged &lt;b&gt;" in page
    made.launch = real  # type: ignore[method-assign]
    again = made.run()  # what failed is tried again
    assert again.results["failed"] == {}
    assert list(again.results["cost"]) == ["edm", "vp"]


def test_all_failing_is_an_error(tmp_path: Path) -> None:
    made = bench(tmp_path / "out")
    made.launch = lambda process, device: Refusing("no memory")  # type: ignore[method-assign]
    with pytest.raises(InputError, match="process edm: no memory"):
        made.run()


def test_a_table_with_classes_and_codes_is_learned_as_train_would(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    species, code = random.integers(2, size=120), random.integers(3, size=120)
    lengths = species + 0.1 * random.normal(size=120)
    rows = [f"{x:.3f},{c},{'ab'[s]}" for x, c, s in zip(lengths, code, species, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["length,code,species", *rows]) + "\n")
    made = bench(tmp_path / "out", tmp_path / "t.csv", ("edm",), label_column="species", categorical=["code"])
    done = made.run()
    run = unstir.load(made.plan.folder(made.out, "edm"))
    assert run.classes == ("a", "b")
    assert done.results["columns"] == ["length", "code"]
    again = read_again(read_plan(made.out), made.out)
    assert again[1].label_names == ("a", "b")
    assert torch.equal(again[1].values, made.heldout.values)
    assert "--label-column species --categorical code" in made.plan.command
    (tmp_path / "t.csv").write_text("\n".join(["length,code,species", *rows[1:]]) + "\n")
    with pytest.raises(InputError, match="have changed"):
        read_again(made.plan, made.out)


@dataclass
class Doomed(Job):
    """A worker that is killed when its work is done, before it can say so."""

    real: Job

    def reports(self) -> Iterator[Report]:
        yield from self.real.reports()

    def stop(self, *, at_once: bool = False) -> None:
        pass

    def outcome(self) -> str | None:
        return "its worker was ended by signal 9"


def test_a_worker_killed_when_all_is_drawn_has_not_failed(tmp_path: Path) -> None:
    made = bench(tmp_path / "out")
    real = made.launch
    made.launch = lambda process, device: Doomed(real(process, device))  # type: ignore[method-assign]
    done = made.run()
    assert done.results["failed"] == {}
    assert list(done.results["cost"]) == ["edm", "vp"]


@pytest.mark.parametrize("moment", ["before the figures", "before the report"])
def test_figures_and_report_of_before_a_kill_do_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A process fails, is drawn at the second try, and then all is killed: a third try tells of both."""
    made = bench(tmp_path / "out")
    real = made.launch
    made.launch = lambda process, device: (  # type: ignore[method-assign]
        Refusing("no memory") if process == "vp" else real(process, device)
    )
    assert "vp failed" in made.run().report.read_text("utf-8")
    made.launch = real  # type: ignore[method-assign]

    def dies(*_args: object, **_options: object) -> None:
        raise KilledError

    place = "comparison.measure" if moment == "before the figures" else "page.write_page"
    with monkeypatch.context() as patch:
        patch.setattr(f"unstir.compare.{place}", dies)
        with pytest.raises(KilledError):
            made.run()
    done = made.run()
    assert list(done.results["cost"]) == ["edm", "vp"]
    assert done.results["failed"] == {}
    assert "vp failed" not in done.report.read_text("utf-8")
