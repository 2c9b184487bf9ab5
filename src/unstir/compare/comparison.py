"""From a plan to a report: train and draw what is not yet, measure, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from unstir.compare.crew import Launch, Subprocess, Watch, run_crew
from unstir.compare.plan import Plan, keep_plan, read_record, write_record
from unstir.compare.results import measure, read_sets
from unstir.compare.worker import is_done
from unstir.data import Dataset
from unstir.data.apart import check_apart
from unstir.data.whole import explained
from unstir.errors import InputError

REPORT = "report.html"


@dataclass(frozen=True)
class Comparison:
    """A comparison that is whole.

    Attributes:
        path: its folder.
        plan: what was compared.
        results: all figures, as plain values.
        report: the page.
    """

    path: Path
    plan: Plan
    results: dict[str, Any]
    report: Path


def compare_processes(
    plan: Plan,
    train: Dataset,
    heldout: Dataset,
    out: str | Path,
    *,
    devices: Sequence[str] = ("cpu",),
    launch: Launch | None = None,
    training: Callable[[Sequence[str]], AbstractContextManager[Watch]] | None = None,
    measuring: Callable[[int], AbstractContextManager[Callable[[str], None]]] | None = None,
) -> Comparison:
    """Carry out a plan in the folder `out`, or go on where it stopped.

    Args:
        plan: from `make_plan`, as are the data.
        train: training data.
        heldout: held-out data.
        out: a new folder, or that of the same comparison.
        devices: where to train, one process at a time on each.
        launch: begins the worker of a process on a device; by default a subprocess.
        training: a bar over the processes that are left; gives what is called with each report.
        measuring: a bar over so many stages; gives what is called with the name of each.

    Raises:
        InputError: another comparison in the folder, or every process failed.
        KeyboardInterrupt: Ctrl-C; all work is kept.
    """
    out = Path(out).expanduser()
    check_apart(out, [plan.data])
    keep_plan(plan, out)
    begin: Launch = launch or partial(_subprocess, plan, out)
    left = [name for name in plan.processes if not is_done(plan.folder(out, name))]
    failed: dict[str, str] = {}
    report = out / REPORT
    if left:
        with nullcontext(None) if training is None else training(left) as watch:
            failed = run_crew(left, devices, begin, watch)
        # One that was ended when all was drawn has done its work.
        failed = {name: why for name, why in failed.items() if not is_done(plan.folder(out, name))}
    record = read_record(out)
    results = record.get("results")
    if left or not isinstance(results, dict) or _outdated(plan, out, results):
        sets = read_sets(plan, out, train, heldout)
        if not sets.drawn:
            name, reason = next(iter(failed.items()))
            raise InputError(f"process {name}: {reason}")
        with nullcontext(None) if measuring is None else measuring(len(sets.drawn) + 2) as stage:
            results = measure(plan, out, sets, failed, stage)
        with explained(report):  # which tells of older figures: a kill from here on must not leave it
            report.unlink(missing_ok=True)
        write_record(out, {"plan": asdict(plan), "results": results})
    if not report.exists():
        from unstir.compare.page import write_page

        write_page(plan, results, read_sets(plan, out, train, heldout), report)
    return Comparison(out, plan, results, report)


def _outdated(plan: Plan, out: Path, results: dict[str, Any]) -> bool:
    """Whether a process that the figures tell of as failed has been drawn since."""
    failed = results.get("failed")
    return isinstance(failed, dict) and any(
        name in plan.processes and is_done(plan.folder(out, name)) for name in failed
    )


def _subprocess(plan: Plan, out: Path, process: str, device: str) -> Subprocess:
    return Subprocess(out, plan.processes.index(process), device)
