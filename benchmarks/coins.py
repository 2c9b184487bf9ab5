"""Coins on binarised digits and on arithmetic: bits per dimension, and samples that are right or wrong.

    python benchmarks/coins.py [--minutes 1] [--text-minutes 5] [--out runs/benchmark-coins] [--json]

Needs a quiet machine: each training is alone. `bits` is the bound on held-out items over T steps, beside
that of coins that know nothing of one another (`alone`). SW is the sliced Wasserstein distance to held-out
digits in the same greys, beside real training digits; `read` the share of samples that a logistic classifier
of the training digits is sure of (p > 0.9), beside held-out ones. Of text, `form` is the share of lines that
are sums or differences at all, `right` of those with the right result, `new` of the right ones that are not
in the training set.
"""

import argparse
import json
import re
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import unstir
from unstir.data import to_lines
from unstir.flow.bound import bits_per_dimension, nats_bound
from unstir.measure import TextEvaluation

DIGITS = ["coins", "coins:noise=absorbing", "coins:states=17"]
TEXT = ["coins:noise=absorbing", "coins"]
TERMS = 50  # of the bound's sum, for each item
SOLVERS = ["ancestral", "tau_leaping"]


def main() -> None:
    """Train, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--text-minutes", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-coins"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, object]] = []
    for name in DIGITS:
        rows += [
            digits(train(name, "digits", arguments.minutes, arguments.out), solver) for solver in SOLVERS
        ]
        show(rows, len(SOLVERS), arguments.json)
    for name in TEXT:
        rows += [
            text(train(name, "arithmetic", arguments.text_minutes, arguments.out), solver)
            for solver in SOLVERS
        ]
        show(rows, len(SOLVERS), arguments.json)
    if arguments.json:
        print(json.dumps(rows, indent=1))


def train(process: str, data: str, minutes: float, out: Path) -> unstir.Run:
    """A run of its own folder."""
    folder = out / f"{data}-{process}".replace(":", "-").replace("=", "").replace(",", "-")
    return unstir.fit(process, data, minutes=minutes, out=folder)


def digits(run: unstir.Run, solver: str) -> dict[str, object]:
    """Figures of images."""
    data, heldout = (run.seen(part) for part in run.data())
    samples = run.sample(len(heldout), solver=solver)
    evaluation = unstir.measure.evaluate(samples, heldout.values, train=data.values)
    classifier = LogisticRegression(max_iter=1000).fit(_flat(data.values), data.labels)

    def read(values: Tensor) -> float:
        return float((classifier.predict_proba(_flat(values)).max(1) > 0.9).mean())

    assert evaluation.floor is not None
    return {
        **_common(run, solver),
        "SW": evaluation.samples.sliced_wasserstein,
        "SW real": evaluation.floor.sliced_wasserstein,
        "read": read(samples),
        "read real": read(heldout.values),
        "novelty": evaluation.memorisation_ratio,
    }


def text(run: unstir.Run, solver: str) -> dict[str, object]:
    """Figures of lines."""
    data, heldout = run.data()
    samples = run.sample(1000, solver=solver)
    known, lines = set(to_lines(data.values)), to_lines(samples)
    right = [line for line in lines if is_right(line)]
    evaluation = unstir.measure.evaluate_text(samples, heldout.values, data.values)
    assert isinstance(evaluation, TextEvaluation)
    return {
        **_common(run, solver),
        "form": sum(re.fullmatch(r"\d+[+-]\d+=\d+", line) is not None for line in lines) / len(lines),
        "right": len(right) / len(lines),
        "new": sum(line not in known for line in right) / max(len(right), 1),
        "runs of 3": evaluation.samples.distances[2],
        "runs of 3 real": evaluation.floor.distances[2],
    }


def is_right(line: str) -> bool:
    """Whether a line is a sum or difference with the right result."""
    match = re.fullmatch(r"(\d+)([+-])(\d+)=(\d+)", line)
    if match is None:
        return False
    a, b, c = int(match[1]), int(match[3]), int(match[4])
    return c == (a + b if match[2] == "+" else a - b)


def _common(run: unstir.Run, solver: str) -> dict[str, object]:
    parts = run.data()
    data, heldout = (run.scaling.to_model(part.values) for part in parts)
    label = parts[1].labels if run.classes else None  # a class that is told says a little of the image
    generator = torch.Generator().manual_seed(0)
    nats = nats_bound(run.process, run.field, heldout, generator, label=label, terms=TERMS)  # type: ignore[arg-type]
    return {
        "data": run.config.data,
        "process": run.process.name,
        "solver": solver,
        "steps": run.step,
        "bits": float(bits_per_dimension(nats, run.info.shape).mean()),
        "alone": _alone(data, heldout, run.process.states),  # type: ignore[attr-defined]
    }


def _alone(data: Tensor, heldout: Tensor, states: int) -> float:
    """Bits per dimension where each place has a law of its own, from counts and one more of each state."""
    shares = torch.nn.functional.one_hot(data, states).sum(0).double() + 1
    shares = shares / shares.sum(-1, keepdim=True)
    chosen = shares.expand(len(heldout), *shares.shape).gather(-1, heldout.unsqueeze(-1))
    return float(-chosen.log2().mean())


def _flat(values: Tensor) -> Tensor:
    return values.flatten(1).float() / 255


def show(rows: list[dict[str, object]], last: int, quiet: bool) -> None:
    """The last rows, under a header where the columns change."""
    for i, row in enumerate(rows[-last:], len(rows) - last):
        if quiet:
            continue
        if i == 0 or rows[i - 1].keys() != row.keys():
            print("   ".join(row))
        print(
            "   ".join(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()),
            flush=True,
        )


if __name__ == "__main__":
    main()
