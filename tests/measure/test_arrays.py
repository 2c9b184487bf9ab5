from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._arrays import pair, real, rows, subset, whole


def test_bytes_count_as_parts_of_255_and_other_types_keep_their_values() -> None:
    assert real(torch.tensor([0, 51, 255], dtype=torch.uint8), "x").tolist() == pytest.approx([0, 0.2, 1])
    assert real(torch.tensor([3, 300]), "x").tolist() == [3.0, 300.0]
    assert rows(torch.tensor([3.0, 4.0]), "x").shape == (2, 1)
    assert rows(torch.zeros(2, 3, 4), "x").shape == (2, 12)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (torch.tensor([[1.0], [float("nan")]]), "1 items, first in 1"),
        (torch.tensor([[float("inf")], [1.0]]), "first in 0"),
        (torch.tensor(1.0), "shape ()"),
        (torch.zeros(0, 3), "shape (0, 3)"),
        (torch.zeros(1, 3), "at least 2"),
        (torch.zeros(2, 0), "shape (2, 0)"),
        (torch.zeros(2, 1, dtype=torch.complex64), "complex64"),
        ([[1.0]], "torch.as_tensor"),
    ],
)
def test_bad_sets_are_refused_in_one_line_with_name_and_mend(values: Tensor, words: str) -> None:
    with pytest.raises(InputError, match=r"^train ") as caught:
        real(values, "train", least=2)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_items_of_different_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"samples has items of shape \(1, 8, 8\), train of \(64,\)"):
        pair(torch.zeros(2, 1, 8, 8), torch.zeros(2, 64), ("samples", "train"))


def test_a_subset_is_the_same_for_the_same_seed_and_has_no_item_twice() -> None:
    values = torch.arange(50)
    one = subset(values, 20, 3)
    assert one.equal(subset(values, 20, 3))
    assert not one.equal(subset(values, 20, 4))
    assert len(set(one.tolist())) == 20
    assert subset(values, 50, 3).equal(values)


@pytest.mark.parametrize("value", [0, -1, 2.5, True])
def test_a_count_is_a_whole_number(value: int) -> None:
    with pytest.raises(InputError, match=f"k={value}"):
        whole(value, "k")
