"""Classes of samples: drawn in their shares by seed and index alone, or as asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats

from unstir.classes import asked_classes, drawn_classes

Refused = Callable[..., str]

NAMES = ("ankle boot", "bag", "coat", "sandal")
COUNTS = (10, 0, 30, 60)


def test_classes_are_drawn_in_their_shares() -> None:
    drawn = drawn_classes(COUNTS, 4000, seed=3)
    found = torch.bincount(drawn, minlength=4)
    assert found[1] == 0
    kept = [0, 2, 3]
    expected = [4000 * COUNTS[i] / 100 for i in kept]
    assert stats.chisquare(found[kept].numpy(), expected).pvalue > 1e-3
    # The test can fail: equal shares are not these.
    assert stats.chisquare(found[kept].numpy(), [4000 / 3] * 3).pvalue < 1e-9


def test_each_class_depends_on_seed_and_index_alone() -> None:
    drawn = drawn_classes(COUNTS, 300, seed=3)
    assert torch.equal(drawn_classes(COUNTS, 100, seed=3, first=120), drawn[120:220])
    assert not torch.equal(drawn_classes(COUNTS, 300, seed=4), drawn)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (2, [2, 2, 2, 2, 2]),
        ("coat", [2, 2, 2, 2, 2]),
        ("3", [3, 3, 3, 3, 3]),
        ("coat, sandal", [2, 3, 2, 3, 2]),
        ("all", [0, 2, 3, 0, 2]),
        (["sandal", 0, 0, 2, "coat"], [3, 0, 0, 2, 2]),
        (torch.tensor([0, 2, 3, 3, 0]), [0, 2, 3, 3, 0]),
    ],
)
def test_classes_as_asked_for(asked: object, expected: list[int]) -> None:
    found = asked_classes(asked, NAMES, COUNTS, 5)  # type: ignore[arg-type]
    assert found is not None
    assert (found.dtype, found.tolist()) == (torch.int64, expected)


def test_turns_go_on_where_earlier_samples_stopped() -> None:
    whole, later = (asked_classes("all", NAMES, COUNTS, n, first=9 - n) for n in (9, 5))
    assert whole is not None
    assert later is not None
    assert torch.equal(whole[4:], later)


def test_none_is_no_class_unless_one_is_called_so() -> None:
    assert asked_classes("none", NAMES, COUNTS, 5) is None
    found = asked_classes("none", ("none", "all"), (1, 1), 2)
    assert found is not None
    assert found.tolist() == [0, 0]


def test_a_number_in_text_is_a_name_where_classes_are_named_by_numbers(refused: Refused) -> None:
    names = ("5", "7", "9")
    found = asked_classes("7", names, (1, 1, 1), 1)
    assert found is not None
    assert found.tolist() == [1]
    assert "label='1': is no class" in refused(asked_classes, "1", names, (1, 1, 1), 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("snadal", "label='snadal': is no class of this run; did you mean sandal?"),
        ("boot", "did you mean ankle boot?"),
        ("hat", "give 0 to 3, or one of ankle boot, bag, coat, sandal"),
        ("coat,hat", "label='hat': is no class"),
        ("", "label='': is no class"),
        (-1, "label=-1: is no class of this run; give 0 to 3"),
        (4, "label=4: is no class"),
        (True, "label=True: is no class"),
        ("bag", "label='bag': no training item was of this class; give another"),
        ([0, 1], "label: has 2 classes for 5 samples; give one for each, or one for all"),
        (torch.tensor(1), "label: has 1 classes for 5 samples"),
        ([0.5] * 5, "label=0.5: is no class"),
        ("x" * 10_000, "x'…: is no class"),
        ("a\nb", r"label='a\nb': is no class"),
    ],
)
def test_what_is_no_class_is_said(refused: Refused, asked: object, said: str) -> None:
    message = refused(asked_classes, asked, NAMES, COUNTS, 5)
    assert said in message
    assert len(message) < 400


def test_a_run_without_classes_has_none_to_ask_for(refused: Refused) -> None:
    assert "label=3: the run was trained without labels" in refused(asked_classes, 3, (), (), 5)
