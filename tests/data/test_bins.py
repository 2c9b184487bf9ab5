from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unstir.data import Bins, Dataset, coder_from_dict, load
from unstir.errors import InputError


def test_each_number_takes_the_nearest_bin() -> None:
    values = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 9.0, 0.1])
    bins = Bins.fit(Dataset("t", "table", values), 11)
    state = bins.to_model(values)
    assert state.dtype == torch.int64
    assert (state.amin(0).tolist(), state.amax(0).tolist()) == ([0] * 3, [10] * 3)
    for column in range(3):
        v = values[:, column].double().numpy()
        middles = np.linspace(v.min(), v.max(), 11)
        nearest = np.abs(v[:, None] - middles).argmin(1)
        np.testing.assert_array_equal(state[:, column].numpy(), nearest)
        np.testing.assert_allclose(
            bins.to_data(state)[:, column].numpy(), middles[nearest], rtol=1e-6, atol=1e-6
        )
    assert torch.equal(bins.to_model(bins.seen(values)), state)
    assert coder_from_dict(bins.to_dict()) == bins


def test_a_constant_column_stays_what_it_is() -> None:
    values = torch.tensor([[1.0, 5.0], [2.0, 5.0]])
    bins = Bins.fit(Dataset("t", "table", values), 4)
    assert torch.equal(bins.seen(values), values)


def test_many_bins_lose_little() -> None:
    values = load("two-moons").values
    bins = Bins.fit(load("two-moons"), 256)
    assert float((bins.seen(values) - values).abs().max()) < 0.51 * 3.4 / 255


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "bins", "states": 2, "low": [0]}, "give kind, states, low and high"),
        ({"kind": "bins", "states": 2, "low": 0, "high": [1]}, "and lists of numbers"),
        ({"kind": "bins", "states": 2.0, "low": [0], "high": [1]}, "give a whole number"),
        ({"kind": "bins", "states": 1, "low": [0], "high": [1]}, "states=1"),
        ({"kind": "bins", "states": 2, "low": [2], "high": [1]}, "give finite low ≤ high"),
        ({"kind": "bins", "states": 2, "low": [0, 1], "high": [1]}, "one a column"),
        ({"kind": "bins", "states": 2, "low": [0], "high": [math.inf]}, "give finite"),
    ],
)
def test_damaged_values_are_refused(data: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as error:
        coder_from_dict(data)
    assert words in str(error.value)


def test_what_is_not_its_own_is_refused() -> None:
    bins = Bins(2, (0.0,), (1.0,))
    with pytest.raises(InputError, match="the bins are 0 to 1: walk to the end"):
        bins.to_data(torch.tensor([[2]]))
    with pytest.raises(InputError, match="the bins know 1 columns"):
        bins.to_model(torch.zeros(3, 2))
