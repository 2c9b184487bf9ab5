"""Whether samples are of the class asked for: against a confusion that is known."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor

from unstir.measure import measure_classes
from unstir.measure.classes import confusion

NAMES = ("low", "mid", "high")


def items(labels: Tensor, seed: int) -> Tensor:
    """Images whose class can be read off without error: bright rows, one for each class."""
    noise = torch.randint(0, 40, (len(labels), 1, 3, 4), generator=torch.Generator().manual_seed(seed))
    noise[torch.arange(len(labels)), 0, labels] += 200
    return noise.to(torch.uint8)


def numbers(*counts: int) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def real(*counts: int, seed: int) -> tuple[Tensor, Tensor]:
    labels = numbers(*counts)
    return items(labels, seed), labels


def test_shares_are_those_of_a_known_confusion() -> None:
    """Of 40 asked to be `low` 8 are `high` and 2 `mid`; of 20 `mid` all are; of 60 `high` 15 are `low`."""
    asked = numbers(40, 20, 60)
    truth = asked.clone()
    truth[:8], truth[8:10], truth[60:75] = 2, 1, 0
    report = measure_classes(
        items(truth, 0), asked, NAMES, real(100, 100, 100, seed=1), real(30, 30, 30, seed=2)
    )
    assert report is not None
    assert [row.name for row in report.classes] == list(NAMES)
    assert [row.asked for row in report.classes] == [40, 20, 60]
    assert [row.share for row in report.classes] == [30 / 40, 1, 45 / 60]
    assert [row.mistaken for row in report.classes] == ["high", None, "low"]
    assert [row.real for row in report.classes] == [1, 1, 1]
    assert (report.share, report.real, report.asked) == (pytest.approx(95 / 120), 1, 120)


def test_two_classes_have_one_score() -> None:
    asked = numbers(10, 30)
    truth = asked.clone()
    truth[10:25] = 0
    report = measure_classes(items(truth, 0), asked, NAMES[:2], real(60, 60, seed=1), real(20, 20, seed=2))
    assert report is not None
    assert [row.share for row in report.classes] == [1, 0.5]


def test_classes_that_cannot_be_learned_are_left_out() -> None:
    asked = numbers(10, 10, 10)
    report = measure_classes(items(asked, 0), asked, NAMES, real(60, 4, 60, seed=1), real(20, 0, 20, seed=2))
    assert report is not None
    assert [row.name for row in report.classes] == ["low", "high"]
    assert (report.asked, report.share) == (20, 1)
    for counts in ((60, 0, 4), (60, 0, 0)):
        assert (
            measure_classes(items(asked, 0), asked, NAMES, real(*counts, seed=1), real(9, 9, 9, seed=2))
            is None
        )
    bare = real(0, 9, 0, seed=2)
    assert measure_classes(items(asked, 0), asked, NAMES, real(60, 4, 60, seed=1), bare) is None
    some = measure_classes(items(asked, 0), asked, NAMES, real(60, 60, 60, seed=1), real(9, 0, 9, seed=2))
    assert some is not None
    assert [row.real for row in some.classes] == [1, None, 1]
    none = measure_classes(
        items(asked[:20], 0), asked[:20], NAMES, real(60, 60, 60, seed=1), real(9, 9, 9, seed=2)
    )
    assert none is not None
    assert [row.share for row in none.classes] == [1, 1, None]


def test_the_table_is_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    asked, given = (torch.randint(0, 4, (300,), generator=generator) for _ in range(2))
    assert confusion(asked, given, 5).tolist() == confusion_matrix(asked, given, labels=range(5)).tolist()
