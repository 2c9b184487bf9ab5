from __future__ import annotations

import pytest
import torch

from unstir.data import from_lines, load
from unstir.errors import InputError
from unstir.measure import evaluate_text


def test_distances_are_total_variation_by_hand() -> None:
    found = evaluate_text(
        from_lines(["aab"], "s").values, from_lines(["abb"], "r").values, from_lines(["abb"], "t").values
    )
    # Letters with both ends: ⏎aab⏎ against ⏎abb⏎; pairs: ⏎a aa ab b⏎ against ⏎a ab bb b⏎.
    assert found.samples.distances[:2] == pytest.approx((1 / 5, 1 / 4))
    assert (found.samples.copied, found.floor.copied) == (0, 1)
    assert found.floor.distances == (0, 0, 0)
    nothing = evaluate_text(
        from_lines(["xyz"], "s").values, from_lines(["abb"], "r").values, from_lines(["abb"], "t").values
    )
    assert nothing.samples.distances == pytest.approx((3 / 5, 1, 1))


def test_real_lines_beat_letters_by_place() -> None:
    train, held = load("arithmetic").split(0.2)
    found = evaluate_text(held.values[:1000], held.values[1000:], train.values)
    assert found.n == 1000
    assert found.samples.copied == 0
    for real, floor, mixed in zip(
        found.samples.distances[1:], found.floor.distances[1:], found.baseline.distances[1:], strict=True
    ):
        assert abs(real - floor) < 0.05
        assert mixed > 1.5 * real
    assert found.baseline.distances[0] < 0.05  # letters alone are as they are in the text
    same = evaluate_text(held.values[:1000], held.values[1000:], train.values)
    assert same == found
    doubled = evaluate_text(held.values[:1].expand(1000, -1), held.values[1000:], train.values)
    assert doubled.samples.distinct == 0.001
    assert doubled.samples.distances[2] > 0.5


def test_sets_without_lines_are_refused() -> None:
    values = from_lines(["ab"], "d").values
    with pytest.raises(InputError, match="samples of shape"):
        evaluate_text(torch.zeros(0, 2, dtype=torch.int32), values, values)
