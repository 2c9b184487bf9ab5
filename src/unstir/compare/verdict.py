"""Who is nearest to the held-out data, and is it known?

A question is one figure, of which less is better. All pairs of processes, and each process with the Gaussian
fit and with real data, are compared at once (`simultaneous`): a difference whose interval holds 0 is within
noise. The leader is the process of the smallest figure; those that cannot be told from it share its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unstir.measure.bootstrap import LEVEL, Estimate, Interval, simultaneous


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        figure: the figure that answers it; less is better.
        name: in a word.
        what: in a few.
    """

    figure: str
    name: str
    what: str


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Attributes:
        question: what was asked.
        values: the figure of each row.
        leaders: the best process, then those within noise of it, in rising order of the figure.
        behind: the others, in that order.
        differences: intervals of a − b by pair, which hold all at once.
    """

    question: Question
    values: dict[str, float]
    leaders: tuple[str, ...]
    behind: tuple[str, ...]
    differences: dict[tuple[str, str], Interval]

    def difference(self, a: str, b: str) -> Interval | None:
        """The interval of a − b, whichever way it was asked; None where it was not."""
        if (a, b) in self.differences:
            return self.differences[a, b]
        if (b, a) in self.differences:
            value, low, high = self.differences[b, a]
            return Interval(-value, -high, -low)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        pairs = [{"a": a, "b": b, **interval._asdict()} for (a, b), interval in self.differences.items()]
        return asdict(self) | {"differences": pairs}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Verdict:
        """From plain values."""
        pairs = {
            (one["a"], one["b"]): Interval(one["value"], one["low"], one["high"])
            for one in value["differences"]
        }
        return cls(
            Question(**value["question"]),
            dict(value["values"]),
            tuple(value["leaders"]),
            tuple(value["behind"]),
            pairs,
        )


def judge(
    question: Question, estimates: Mapping[str, Estimate], processes: Sequence[str], level: float = LEVEL
) -> Verdict:
    """The verdict on `processes`; other rows of `estimates` are what they are held against.

    Args:
        question: what is asked.
        estimates: the figure of each row, of the same resamplings.
        processes: the rows that compete.
        level: the probability that all intervals of this verdict hold.
    """
    others = [name for name in estimates if name not in processes]
    pairs = [(a, b) for i, a in enumerate(processes) for b in processes[i + 1 :]]
    pairs += [(a, b) for a in processes for b in others]
    differences = simultaneous(estimates, pairs, level)
    ranked = sorted(processes, key=lambda name: estimates[name].value)
    verdict = Verdict(question, {n: e.value for n, e in estimates.items()}, (), (), differences)
    leaders = tuple(name for name in ranked if name == ranked[0] or _tied(verdict, name, ranked[0]))
    behind = tuple(name for name in ranked if name not in leaders)
    return Verdict(question, verdict.values, leaders, behind, differences)


def _tied(verdict: Verdict, a: str, b: str) -> bool:
    interval = verdict.difference(a, b)
    return interval is not None and interval.is_zero
