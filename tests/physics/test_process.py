from __future__ import annotations

import pytest
import torch

from unstir.physics import Process, entries, parse
from unstir.physics.process import check_state, per_item


def test_every_registered_process_is_one() -> None:
    for entry in entries():
        assert isinstance(parse(entry.name), Process)


def test_one_value_an_item_broadcasts_over_its_item() -> None:
    x = torch.ones(2, 3, 4, dtype=torch.float32)
    scaled = per_item(torch.tensor([2.0, 5.0], dtype=torch.float64), x)
    assert scaled.shape == (2, 1, 1)
    assert scaled.dtype == torch.float32
    assert (scaled * x).sum((1, 2)).tolist() == [24.0, 60.0]
    assert (per_item(torch.tensor([3.0]), x) * x).sum() == 72  # one for all


@pytest.mark.parametrize(
    ("x", "t", "words"),
    [
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2), "dtype torch.int64"),
        (torch.zeros(2), torch.zeros(2), r"shape \(2,\)"),
        (torch.zeros(2, 3), torch.zeros(()), r"t: has shape \(\) for a batch of 2"),
        (torch.zeros(2, 3), torch.zeros(3), r"give one time each: \(2,\)"),
        (torch.zeros(2, 3), torch.zeros(2, 1), "t: has shape"),
    ],
)
def test_states_and_times_that_do_not_fit_are_refused(x: torch.Tensor, t: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_state("x", x, t)
