"""Text against text: how often runs of letters occur, and how many lines are copies.

    distance(n) = ½ Σ_g |share of g in one set − share of g in the other|        g over all runs of n letters

the total variation between the laws of a run of n letters, ends of lines among them: 0 alike, 1 nothing in
common. Beside the samples stand letters drawn place by place from the training text (what they would score
if places knew nothing of one another), and training lines themselves (what a perfect model would score).
Whether a line makes sense is for whoever knows the language: these figures do not say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from unstir.errors import InputError

RUNS = (1, 2, 3)
_END = "\n"


@dataclass(frozen=True)
class TextFigures:
    """One set of lines against the reference.

    Attributes:
        distances: total variation of runs of 1, 2 and 3 letters, in [0, 1].
        copied: share of lines that are in the training text.
        distinct: share of lines left when repetitions are.
    """

    distances: tuple[float, ...]
    copied: float
    distinct: float


@dataclass(frozen=True)
class TextEvaluation:
    """What `evaluate_text` found.

    Attributes:
        samples: figures of the samples.
        baseline: figures of letters drawn place by place.
        floor: figures of training lines.
        n: lines of each set.
        seed: of subsets and the baseline's draws.
    """

    samples: TextFigures
    baseline: TextFigures
    floor: TextFigures
    n: int
    seed: int

    def to_dict(self) -> dict[str, object]:
        """Numbers and nested dicts of them, ready for `json.dumps`."""
        return asdict(self)


def evaluate_text(samples: Tensor, reference: Tensor, train: Tensor, seed: int = 0) -> TextEvaluation:
    """Measure lines against held-out ones, beside letters drawn place by place and training lines.

    Args:
        samples: code points `(n, length)`, as a text's Dataset has them.
        reference: held-out lines.
        train: what the model was trained on.
        seed: the same one gives the same figures.

    Raises:
        InputError: sets without lines.
    """
    sets = {"samples": samples, "reference": reference, "train": train}
    for name, values in sets.items():
        if values.ndim != 2 or not len(values):
            raise InputError(f"{name} of shape {tuple(values.shape)}: give one line or more, (n, length)")
    n = min(map(len, sets.values()))
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(len(train), (n, train.shape[1]), generator=generator)
    independent = train.gather(0, places)
    known, target = set(_lines(train)), _lines(_subset(reference, n, generator))

    def figures(lines: Sequence[str]) -> TextFigures:
        return TextFigures(
            distances=tuple(_distance(lines, target, n) for n in RUNS),
            copied=sum(line in known for line in lines) / len(lines),
            distinct=len(set(lines)) / len(lines),
        )

    return TextEvaluation(
        samples=figures(_lines(_subset(samples, n, generator))),
        baseline=figures(_lines(independent)),
        floor=figures(_lines(_subset(train, n, generator))),
        n=n,
        seed=seed,
    )


def _lines(values: Tensor) -> list[str]:
    from unstir.data import to_lines

    return to_lines(values)


def _subset(values: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return values[torch.randperm(len(values), generator=generator)[:n]]


def _distance(a: Sequence[str], b: Sequence[str], n: int) -> float:
    one, other = (_shares(lines, n) for lines in (a, b))
    return sum(abs(one.get(run, 0) - other.get(run, 0)) for run in one.keys() | other.keys()) / 2


def _shares(lines: Sequence[str], n: int) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for line in lines:
        ended = _END + line + _END
        counts.update(ended[i : i + n] for i in range(max(1, len(ended) - n + 1)))
    total = counts.total()
    return {run: count / total for run, count in counts.items()}
