"""The figures of a comparison, from what its workers left: all that the report draws, as plain values.

Every process is held against the same held-out items, beside a Gaussian fitted to the training data and real
training items. All sets have n items, and are resampled together (`measure/bootstrap.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unstir import physics
from unstir.compare.plan import COMPARED, FEWEST, Plan
from unstir.compare.verdict import Question, Verdict, judge
from unstir.compare.worker import DRAWN, DRAWN_JSON, USUAL
from unstir.data import Dataset
from unstir.data.columns import measurable
from unstir.errors import InputError
from unstir.measure import feature_space, gaussian_fit
from unstir.measure._arrays import subset
from unstir.measure.bootstrap import Estimate
from unstir.measure.intervals import TailYardstick, Yardstick, copies

GAUSSIAN, REAL = "Gaussian fit", "real data"
_NEAR = 200  # points of a curve of nearest distances
HEAVY = 6.0  # tail index below which a table counts as heavy-tailed
QUALITY = Question("energy_distance", "quality", "energy distance to the held-out data")
TAILS = Question("tail_survival", "tails", "distance of the tails (mean |ln ratio| of the largest sizes)")

Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Sets:
    """Samples by row, in the data's units.

    Attributes:
        train: training data.
        heldout: held-out data.
        drawn: by process, then by `usual` or number of evaluations.
        gaussian: draws of the Gaussian fit.
    """

    train: Dataset
    heldout: Dataset
    drawn: dict[str, dict[str, Tensor]]
    gaussian: Tensor

    def rows(self, plan: Plan) -> dict[str, Tensor]:
        """The samples of each row of the report."""
        order = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(plan.seed))
        real = self.train.values[order[: plan.samples]]
        return {name: found[USUAL] for name, found in self.drawn.items()} | {
            GAUSSIAN: self.gaussian,
            REAL: real,
        }


def read_sets(plan: Plan, out: Path, train: Dataset, heldout: Dataset) -> Sets:
    """The samples of every process that is done.

    Raises:
        InputError: a damaged file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    drawn = {}
    for process in plan.processes:
        path = plan.folder(out, process)
        if (path / DRAWN_JSON).is_file():
            try:
                drawn[process] = load_file(path / DRAWN)
            except (OSError, SafetensorError):
                raise InputError(
                    f"run {path}: {DRAWN} is damaged; remove {DRAWN_JSON} to draw it anew"
                ) from None
    return Sets(train, heldout, drawn, _gaussian(train, plan))


def measure(
    plan: Plan, out: Path, sets: Sets, failed: dict[str, str], watch: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """All figures, as plain values for compare.json.

    Args:
        plan: of the comparison.
        out: its folder.
        sets: what its workers drew.
        failed: why the others have nothing.
        watch: called with the name of each row as its turn comes.
    """
    train, heldout, rows = sets.train, sets.heldout, sets.rows(plan)
    n = min(COMPARED, plan.samples, len(heldout), len(train))

    def part(values: Tensor, count: int = n) -> Tensor:
        return _coordinates(values[:count], train)

    reference = _coordinates(subset(heldout.values, n, plan.seed), train)
    labels = None
    if heldout.labels is not None:
        labels = subset(heldout.labels, n, plan.seed)
    space = feature_space(plan.features, reference, labels)
    yardstick = Yardstick(reference, space, draws=plan.draws, seed=plan.seed)
    tails = _tail_yardstick(plan, sets)
    everything = _coordinates(train.values, train)
    estimates: dict[str, dict[str, Estimate]] = {}
    near: dict[str, list[float]] = {}
    for name, values in rows.items():
        if watch is not None:
            watch(name)
        estimates[name] = yardstick.figures(part(values))
        if name != REAL:
            found = copies(part(values), everything, reference, yardstick.resampling)
            estimates[name] |= found.figures
            near[name] = _curve(found.samples)
            near["held-out data"] = _curve(found.heldout)
        if tails is not None:
            estimates[name] |= tails.figures(_numbers(values, heldout)[: tails.n])
    processes = tuple(sets.drawn)
    questions = [QUALITY, *([TAILS] if tails is not None and tails.index < HEAVY else [])]
    level = 1 - 0.05 / len(questions)
    verdicts = [
        judge(question, {name: found[question.figure] for name, found in estimates.items()}, processes, level)
        for question in questions
    ]
    marks = {
        figure: judge(
            Question(figure, figure, figure),
            {name: found[figure] for name, found in estimates.items() if figure in found},
            processes,
        )
        for figure in _common(estimates[name] for name in processes)
    }
    return {
        "n": n,
        "n_train": len(train),
        "n_heldout": len(heldout),
        "kind": heldout.kind,
        "shape": list(heldout.shape),
        "columns": list(heldout.columns),
        "features": space.name,
        "features_note": space.note,
        "tail_index": None if tails is None else tails.index,
        "rows": {name: _figures(found) for name, found in estimates.items()},
        "verdicts": [verdict.to_dict() for verdict in verdicts],
        "level": level,
        "close": {figure: list(verdict.leaders) for figure, verdict in marks.items() if verdict.leaders},
        "cost": {name: _cost(plan.folder(out, name)) for name in processes},
        "loss": {name: _losses(plan.folder(out, name)) for name in processes},
        "evaluations": {name: _by_evaluations(plan, out, sets, name, yardstick, part) for name in processes},
        "nearest": near,
        "failed": failed,
        "given": [name for name in processes if physics.parse(name).prior_holds_data],
    }


def verdicts_of(results: dict[str, Any]) -> list[Verdict]:
    """The verdicts of figures read back."""
    return [Verdict.from_dict(value) for value in results["verdicts"]]


def _by_evaluations(
    plan: Plan, out: Path, sets: Sets, name: str, yardstick: Yardstick, part: Callable[[Tensor], Tensor]
) -> list[dict[str, float]]:
    """The energy distance at each number of evaluations, rising."""
    cost = _cost(plan.folder(out, name))["evaluations"]
    found = []
    for key, values in sets.drawn[name].items():
        if cost.get(key) is not None and bool(values.float().isfinite().all()):
            estimate = yardstick.energy(part(values))
            found.append({"evaluations": cost[key], "usual": key == USUAL} | estimate.interval()._asdict())
    unique = {one["evaluations"]: one for one in sorted(found, key=lambda one: one["usual"])}
    return [unique[count] for count in sorted(unique)]


def _tail_yardstick(plan: Plan, sets: Sets) -> TailYardstick | None:
    """Of a table's columns of numbers; None for anything else, or too few rows."""
    heldout = sets.heldout
    if heldout.kind != "table" or len(heldout) < 5 * FEWEST:
        return None
    numbers = _numbers(heldout.values, heldout)
    n = min(plan.samples, len(sets.train))
    try:
        return TailYardstick(numbers, n, draws=plan.draws, seed=plan.seed) if numbers.shape[1] else None
    except InputError:  # nearly all rows are alike: there is no tail
        return None


def _numbers(values: Tensor, like: Dataset) -> Tensor:
    """The columns that hold numbers."""
    categories = like.categories or (None,) * values.shape[1]
    return values[:, [i for i, names in enumerate(categories) if names is None]]


def _coordinates(values: Tensor, train: Dataset) -> Tensor:
    return measurable(train.holding(values), train).values


def _gaussian(train: Dataset, plan: Plan) -> Tensor:
    """Draws of the Gaussian fit, as items: bytes for images, codes for categories."""
    coder = None
    values = train.values
    if any(names is not None for names in train.categories):
        from unstir.data import Columns

        coder = Columns.fit(train)
        values = coder.to_model(values)
    draws = gaussian_fit(values).sample(plan.samples, plan.seed)
    if coder is not None:
        return coder.to_data(draws)
    if train.values.dtype == torch.uint8:
        return (255 * draws).round().clamp(0, 255).to(torch.uint8)
    return draws.to(train.values.dtype)


def _figures(found: dict[str, Estimate]) -> Figures:
    intervals = {name: estimate.interval() for name, estimate in found.items()}
    # A tail of one value has no index.
    return {name: one._asdict() for name, one in intervals.items() if all(map(math.isfinite, one))}


def _common(found: Iterable[dict[str, Estimate]]) -> list[str]:
    sets = list(found)
    return [figure for figure in sets[0] if all(figure in one for one in sets)] if sets else []


def _curve(distances: Tensor) -> list[float]:
    shares = torch.linspace(0, 1, _NEAR, dtype=torch.float64)
    return torch.quantile(distances.double(), shares).tolist()


def _cost(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads((path / DRAWN_JSON).read_text("utf-8"))
    except (OSError, ValueError):
        raise InputError(f"run {path}: {DRAWN_JSON} is damaged; remove it, to draw anew") from None
    return value


def _losses(path: Path) -> dict[str, list[Any]]:
    """Loss by step and second, smoothed over a fiftieth of the run, 300 points at most."""
    steps, seconds, losses = [], [], []
    for line in (path / "metrics.jsonl").read_text("utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
            if value["loss"] is not None:
                steps.append(int(value["step"]))
                seconds.append(float(value["seconds"]))
                losses.append(float(value["loss"]))
        except (ValueError, KeyError, TypeError):
            continue
    keep = 1 - 1 / max(1.0, len(losses) / 50)
    smooth, weight, shown = 0.0, 0.0, []
    for loss in losses:
        smooth, weight = keep * smooth + (1 - keep) * loss, keep * weight + 1 - keep
        shown.append(smooth / weight)
    every = max(1, len(shown) // 300)
    return {"step": steps[::every], "seconds": seconds[::every], "loss": shown[::every]}
