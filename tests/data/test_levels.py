from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from unstir.data import Dataset, Levels, coder_from_dict, load
from unstir.errors import InputError


def images(values: list[int]) -> Dataset:
    return Dataset("i", "image", torch.tensor(values, dtype=torch.uint8).reshape(-1, 1, 1, 1))


def ramp() -> Tensor:
    return torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


def test_two_levels_part_at_the_threshold() -> None:
    levels = Levels.fit(images([20, 220]), 2)
    assert (levels.low, levels.high) == (20, 220)
    binary = levels.to_model(ramp()).flatten()
    assert torch.equal(binary, (torch.arange(256) > 120).long())
    assert levels.to_data(torch.tensor([[0, 1]])).tolist() == [[20, 220]]


@pytest.mark.parametrize("states", [2, 3, 5, 16, 17, 256])
def test_each_grey_takes_the_nearest_level(states: int) -> None:
    levels = Levels(states, 10, 245)
    centres = np.linspace(10, 245, states)
    distance = np.abs(np.arange(256)[:, None] - centres)
    state = levels.to_model(ramp()).flatten().numpy()
    assert state.dtype == np.int64
    np.testing.assert_allclose(distance[np.arange(256), state], distance.min(1))
    assert np.abs(levels.to_data(torch.from_numpy(state)).numpy() - centres[state]).max() <= 0.5


def test_levels_come_back_and_all_greys_lose_nothing() -> None:
    for levels in (Levels(2), Levels(7, 3, 200), Levels(256)):
        states = torch.arange(levels.states)
        assert torch.equal(levels.to_model(levels.to_data(states)), states)
        assert torch.equal(levels.seen(levels.seen(ramp())), levels.seen(ramp()))
    assert torch.equal(Levels(256).seen(ramp()), ramp())
    digits = load("digits")
    assert torch.equal(Levels.fit(digits, 17).seen(digits.values), digits.values)
    assert len(Levels.fit(digits, 2).seen(digits.values).unique()) == 2


def test_images_of_one_grey_have_all_levels() -> None:
    assert Levels.fit(images([7, 7]), 4) == Levels(4, 0, 255)


def test_plain_values_read_back() -> None:
    levels = Levels(3, 1, 99)
    assert coder_from_dict(levels.to_dict()) == levels


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "levels", "states": 2, "low": 0}, "give kind, states, low and high"),
        ({"kind": "levels", "states": 2, "low": 0, "high": 0.5}, "give whole numbers"),
        ({"kind": "levels", "states": 2, "low": 0, "high": True}, "give whole numbers"),
        ({"kind": "levels", "states": 1, "low": 0, "high": 9}, "states=1: images have 2 to 256"),
        ({"kind": "levels", "states": 2, "low": 9, "high": 9}, "low=9, high=9"),
        ({"kind": "levels", "states": 2, "low": 0, "high": 256}, "high=256"),
        ({"kind": ["levels"]}, "scaling"),
    ],
)
def test_damaged_values_are_refused(data: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as error:
        coder_from_dict(data)
    assert words in str(error.value)


def test_a_mask_left_over_is_refused() -> None:
    with pytest.raises(InputError, match="states 0 to 2, and the levels are 0 to 1: walk to the end"):
        Levels(2).to_data(torch.tensor([[0, 2]]))
