"""Does a low D win on heavy tails? `unstir compare` on the Student-t table, with the intervals of its tails.

    python benchmarks/heavy.py [--steps 3000] [-n 80000] [--holdout 0.4] [--seed 0] [--out FOLDER] [--json]

Two Poisson flows and EDM, the same network, steps and seed, one thread. The table (`student-t`) has 3 degrees
of freedom; held out are 80,000 of its rows, and as many samples are drawn of each: with half of both,
resampling does not tell D=3 from EDM.

    energy    distance of 1,000 rows, which hardly sees a tail
    index     Hill's: 3 for this table; larger is lighter
    0.999     mean |ln ratio| of the 0.999 quantiles of sizes, over columns and directions
    tail      the same of the norm over the upper tenth of the rows
    sizes     norm over √8 that 1, 0.1 and 0.01 % of the rows exceed, and the largest

Square brackets hold what resampling says (95 %, 500 draws). Exit status 1 where D=3 is not ahead of both
others in the tail by more than noise, all pairs judged at once. With `--out` the report stays there, and what
was stopped goes on.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unstir.compare import Comparison, compare_processes, make_plan
from unstir.compare.conclusion import headline, margins
from unstir.compare.results import GAUSSIAN, TAILS, read_sets, verdicts_of
from unstir.data import Dataset

HEAVY = "poisson:D=3"
PROCESSES = (HEAVY, "poisson:D=128", "edm")
OPTIONS: dict[str, Any] = {"batch": 256, "network_options": {"width": 128, "depth": 3}, "threads": 1}
FIGURES = {
    "energy": "energy_distance",
    "index": "tail_index",
    "0.999": "tail_quantile_999",
    "tail": "tail_survival",
}
SHARES = (1e-2, 1e-3, 1e-4)


def sizes(values: Tensor) -> list[float]:
    """Norms over √d that these shares of the rows exceed, and the largest."""
    norms = (values.double().square().sum(1) / values.shape[1]).sqrt().sort().values
    return [float(norms.quantile(1 - share)) for share in SHARES] + [float(norms[-1])]


def reach(done: Comparison, train: Dataset, heldout: Dataset) -> dict[str, list[float]]:
    """The sizes of each row of the report; `real data` are training rows."""
    rows = read_sets(done.plan, done.path, train, heldout).rows(done.plan)
    return {name: sizes(values) for name, values in rows.items()}


def show(done: Comparison, far: dict[str, list[float]]) -> None:
    """The figures of each row with their intervals, its sizes, and the verdicts in words."""
    head = [f"{name:>24}" for name in FIGURES]
    print(f"{'':<14}{''.join(head)}")
    for name, row in done.results["rows"].items():
        cells = [
            f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
            for one in (row[figure] for figure in FIGURES.values())
        ]
        print(f"{name:<14}{''.join(f'{cell:>24}' for cell in cells)}")
    print(f"\n{'sizes':<14}{'1 %':>8}{'0.1 %':>8}{'0.01 %':>8}{'largest':>9}")
    for name, found in far.items():
        print(f"{name:<14}{found[0]:8.1f}{found[1]:8.1f}{found[2]:8.1f}{found[3]:9.0f}")
    for verdict in verdicts_of(done.results):
        print("", headline(verdict, GAUSSIAN), *margins(verdict), sep="\n")


def wins(done: Comparison) -> bool:
    """Whether the heavy prior is ahead of every other process in the tail by more than noise."""
    verdicts = {verdict.question.name: verdict for verdict in verdicts_of(done.results)}
    return TAILS.name in verdicts and verdicts[TAILS.name].leaders == (HEAVY,)


def main() -> None:
    """Compare, print, and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("-n", type=int, default=80_000)
    parser.add_argument("--holdout", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    plan, train, heldout = make_plan(
        "student-t",
        PROCESSES,
        steps=given.steps,
        samples=given.n,
        holdout=given.holdout,
        seed=given.seed,
        **OPTIONS,
    )
    with tempfile.TemporaryDirectory() as scratch:
        done = compare_processes(plan, train, heldout, given.out or Path(scratch) / "heavy")
        far = reach(done, train, heldout)
    if done.results["failed"]:
        sys.exit(f"failed: {done.results['failed']}")
    if given.json:
        print(json.dumps({"rows": done.results["rows"], "sizes": far, "wins": wins(done)}))
    else:
        show(done, far)
        print(f"\n{sum(os.times()[:4]):.0f} s of a processor, libraries read included")
    sys.exit(not wins(done))


if __name__ == "__main__":
    main()
