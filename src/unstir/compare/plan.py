"""What a comparison is of: data, processes, one budget and one network for all. It is kept in compare.json.

OUT/compare.json        the plan, and the figures once there are some
OUT/report.html         the report
OUT/edm/                a run folder for each process, as `unstir train` makes it, with two files more:
    drawn.safetensors   its samples, from the usual number of steps and from few to many evaluations
    drawn.json          time, speed and memory, written last: where it is, the process is done
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from unstir import physics
from unstir.data import Dataset
from unstir.data.items import parted
from unstir.data.whole import is_scratch
from unstir.errors import InputError
from unstir.train.config import TrainConfig, make_config
from unstir.train.folder import data_name, digest, label_digest
from unstir.train.source import read_data
from unstir.train.storage import json_text, write_text

EVALUATIONS = (5, 10, 20, 40)
FEWEST = 20  # items of each kind that a comparison needs
_SAMPLES = {"table": 10_000}  # a tail shows in thousands of rows
COMPARED = 1000  # items of each set, at most, whose pairs are measured
_USUAL_SAMPLES = 1000
_VERSION = 1
_PLAN = "compare.json"


@dataclass(frozen=True)
class Plan:
    """All that decides the outcome, but for the machine.

    Attributes:
        data: a built-in name or an absolute path.
        sha256: of its values.
        processes: canonical names, in the order given.
        minutes: of training for each process; None where `steps` is the budget.
        steps: of training for each.
        seed: of everything random.
        samples: drawn of each process.
        evaluations: of the field, at which quality is measured beside the usual number.
        features: the space of the distances.
        draws: resamplings behind each interval.
        holdout: share of the data held out.
        options: any other field of `TrainConfig`, the same for all processes.
        labels: SHA-256 of the classes, empty without any; None in a plan of old, which does not say.
        version: of this file.
    """

    data: str
    sha256: str
    processes: tuple[str, ...]
    minutes: float | None
    steps: int | None
    seed: int
    samples: int
    evaluations: tuple[int, ...]
    features: str
    draws: int
    holdout: float
    options: dict[str, Any]
    labels: str | None = None
    version: int = _VERSION

    @property
    def budget(self) -> str:
        """The budget of each process in words."""
        if self.minutes is None:
            return f"{self.steps:,} steps"
        return f"{self.minutes:g} minute" + ("" if self.minutes == 1 else "s")

    @property
    def command(self) -> str:
        """The command that makes this plan."""
        words: list[object] = ["unstir", "compare", "--data", self.data, "--processes", *self.processes]
        words += ["--steps", self.steps] if self.minutes is None else ["--minutes", f"{self.minutes:g}"]
        words += [
            "--seed",
            self.seed,
            "-n",
            self.samples,
            "--evaluations",
            ",".join(map(str, self.evaluations)),
        ]
        words += ["--features", self.features, "--draws", self.draws, "--holdout", self.holdout]
        for name, value in self.options.items():
            words += _as_option(name.replace("_", "-"), value)
        return shlex.join(map(str, words))

    def config(self, process: str, device: str) -> TrainConfig:
        """The configuration of one process's training."""
        budget = {"steps": self.steps} if self.minutes is None else {"minutes": self.minutes}
        common = {"data": self.data, "seed": self.seed, "holdout": self.holdout, "device": device}
        return make_config(self.options | common | budget | {"process": process})

    def folder(self, out: Path, process: str) -> Path:
        """The run folder of a process; two processes never share one."""
        plain = re.sub(r"[^A-Za-z0-9.+-]+", "-", process.replace("=", ""))
        twins = [
            name
            for name in self.processes
            if re.sub(r"[^A-Za-z0-9.+-]+", "-", name.replace("=", "")) == plain
        ]
        return out / (plain if len(twins) == 1 else f"{plain}-{twins.index(process) + 1}")


def make_plan(
    data: str,
    processes: Sequence[str],
    *,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    samples: int | None = None,
    evaluations: Sequence[int] = EVALUATIONS,
    features: str | None = None,
    draws: int = 500,
    holdout: float = 0.2,
    **options: Any,  # noqa: ANN401
) -> tuple[Plan, Dataset, Dataset]:
    """A plan that can be carried out, with its (training, held-out) data.

    Args:
        data: a built-in name or a path.
        processes: specifications such as `poisson:D=128`.
        minutes: of training for each process.
        steps: of training for each, in its place.
        seed: of everything random, the same for all.
        samples: to draw of each process; 1,000 by default, 10,000 of a table, whose tails are measured.
        evaluations: of the field, at which quality is measured too.
        features: `pixels`, `standard`, `pca:K` or `logits`; `pixels` by default, for tables `standard`.
        draws: resamplings behind each interval, at least 50.
        holdout: share of the data held out.
        options: other fields of `TrainConfig`, such as `network` or `batch`.

    Raises:
        InputError: anything of it that cannot be done.
    """
    known = [physics.parse(name) for name in processes]
    if not known:
        raise InputError("processes: none is given; give some, such as --processes poisson:D=128 edm")
    names = tuple(process.name for process in known)
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"processes: {name} is given twice; give it once")
    if (minutes is None) == (steps is None):
        raise InputError("budget: give each process either minutes (--minutes 5) or steps (--steps 2000)")
    if samples is not None and samples < FEWEST:
        raise InputError(f"samples={samples}: give at least {FEWEST}")
    if draws < 50:
        raise InputError(f"draws={draws}: give at least 50 resamplings")
    if not evaluations or min(evaluations) < 1:
        raise InputError(f"evaluations={list(evaluations)}: give numbers of 1 or more, such as 5 10 20 40")
    options = {key: value for key, value in options.items() if not _says_nothing(key, value)}
    # Says what is wrong with the options, too.
    budget = {"steps": steps} if minutes is None else {"minutes": minutes}
    common = {"data": data, "process": names[0], "seed": seed, "holdout": holdout}
    found, _ = read_data(make_config(options | common | budget))
    if found.kind == "text":
        raise InputError(f"data {found.name}: are text, whose figures are others; compare images or tables")
    if holdout == 0:
        raise InputError("holdout=0: nothing is held out to compare with; give a share such as 0.2")
    train, heldout = parted(found, holdout, seed).sets
    if min(len(train), len(heldout)) < FEWEST:
        raise InputError(
            f"data {found.name}: {len(train)} items to train on and {len(heldout)} held out are too few to "
            f"compare with; give at least {FEWEST} of each"
        )
    for process in known:
        process.coder(train)  # refuses data that are not for it
    plan = Plan(
        data=data_name(data),
        sha256=digest(found),
        processes=names,
        minutes=minutes,
        steps=steps,
        seed=seed,
        samples=samples or _SAMPLES.get(found.kind, _USUAL_SAMPLES),
        evaluations=tuple(sorted(set(evaluations))),
        features=features or ("standard" if found.kind == "table" else "pixels"),
        draws=draws,
        holdout=holdout,
        options=options,
        labels=label_digest(found),
    )
    return plan, train, heldout


def read_again(plan: Plan, out: Path) -> tuple[Dataset, Dataset]:
    """The (training, held-out) data of the comparison in `out`.

    Raises:
        InputError: they cannot be read any more, or have changed.
    """
    found, _ = read_data(plan.config(plan.processes[0], "cpu"))
    if digest(found) != plan.sha256 or plan.labels not in (None, label_digest(found)):
        raise InputError(f"data {plan.data}: have changed since {out} was begun; choose another folder")
    return parted(found, plan.holdout, plan.seed).sets


def keep_plan(plan: Plan, out: Path) -> None:
    """Begin the comparison in `out`, or go on with the one that is there.

    Raises:
        InputError: another plan there, or other files.
    """
    if not (out / _PLAN).exists():
        # What a kill at its very beginning has left is no reason to refuse the folder.
        if out.exists() and not (out.is_dir() and all(is_scratch(path.name) for path in out.iterdir())):
            raise InputError(f"out {out}: is not empty and holds no comparison; choose another folder")
        write_record(out, {"plan": asdict(plan)})
        return
    there, given = (json.loads(json_text(asdict(one))) for one in (read_plan(out), plan))
    for key, value in given.items():
        if there.get(key) != value and not (key == "labels" and there.get(key) is None):
            what = (
                "data that have changed"
                if key in ("sha256", "labels")
                else f"{key} {_shown(there.get(key))}, not {_shown(value)}"
            )
            raise InputError(
                f"out {out}: holds a comparison of {what}; give the same again, or choose another folder"
            )


def read_plan(out: Path) -> Plan:
    """The plan of the comparison in `out`.

    Raises:
        InputError: none there, or a damaged one.
    """
    try:
        values = read_record(out)["plan"]
        plan = Plan(**values)
        return replace(plan, processes=tuple(plan.processes), evaluations=tuple(plan.evaluations))
    except (KeyError, TypeError):
        raise InputError(f"out {out}: its {_PLAN} is damaged; choose another folder") from None


def read_record(out: Path) -> dict[str, Any]:
    """compare.json.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        value = json.loads((out / _PLAN).read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"out {out}: holds no comparison; make one with unstir compare") from None
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"out {out}: its {_PLAN} is damaged; choose another folder")
    return value


def write_record(out: Path, value: dict[str, Any]) -> None:
    """Write compare.json, whole or not at all."""
    write_text(out / _PLAN, json_text(value))


def _as_option(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    text = ",".join(value) if isinstance(value, list | tuple) else value
    return [f"--{name}", text if isinstance(text, str) else json.dumps(text)]


def _says_nothing(option: str, value: object) -> bool:
    """Whether an option of training is as if it were not given."""
    return value is None or value == "auto" or (option == "skip_bad" and not value)


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) < 200 else text[:200] + "…"
