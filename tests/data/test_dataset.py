from collections.abc import Callable

import pytest
import torch

from unstir.data import Dataset

Refused = Callable[..., str]


def numbered(n: int) -> Dataset:
    values = torch.arange(n, dtype=torch.float32)[:, None]
    return Dataset("n", "table", values, torch.arange(n), tuple(map(str, range(n))), ("x",))


def test_length_and_shape() -> None:
    assert (len(numbered(5)), numbered(5).shape) == (5, (1,))


def test_select_keeps_labels_beside_values() -> None:
    part = numbered(5).select(torch.tensor([3, 1]))
    assert part.values.flatten().tolist() == [3, 1]
    assert part.labels is not None
    assert part.labels.tolist() == [3, 1]
    assert part.label_names == numbered(5).label_names


@pytest.mark.parametrize(("holdout", "held"), [(0.0, 0), (0.2, 20), (0.001, 1)])
def test_split_parts_everything_once(holdout: float, held: int) -> None:
    train, test = numbered(100).split(holdout)
    assert len(test) == held
    assert sorted(torch.cat([train.values, test.values]).flatten().tolist()) == list(range(100))


def test_split_depends_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = numbered(50).split(0.3, seed=1)[1].values
    torch.manual_seed(6)
    assert torch.equal(first, numbered(50).split(0.3, seed=1)[1].values)
    assert not torch.equal(first, numbered(50).split(0.3, seed=2)[1].values)


@pytest.mark.parametrize("holdout", [-0.1, 1.0, float("nan")])
def test_shares_out_of_range(holdout: float, refused: Refused) -> None:
    assert "the held-out share lies in [0, 1)" in refused(numbered(5).split, holdout)


def test_nothing_left(refused: Refused) -> None:
    assert "leaves none of 1 items" in refused(numbered(1).split, 0.5)
