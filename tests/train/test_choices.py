from __future__ import annotations

import pytest
import torch

from unstir import physics
from unstir.data import Dataset
from unstir.train import TrainConfig
from unstir.train.choices import components


@pytest.mark.parametrize(
    ("side", "items", "process", "wanted"),
    [
        (8, 400, "edm", 7),  # one in 50 of 320
        (8, 8000, "edm", 64),
        (8, 8000, "heat", 32),
        (8, 8000, "kac", 0),
        (128, 8000, "edm", 16),  # by its size
        (8, 2, "edm", 1),
    ],
)
def test_a_sketch_has_as_many_components_as_the_data_bear(
    side: int, items: int, process: str, wanted: int
) -> None:
    data = Dataset("x", "image", torch.zeros(1, 1, side, side, dtype=torch.uint8))
    asked = TrainConfig(data="x", steps=1)
    train = round(0.8 * items)
    assert components(asked, data, train, physics.parse(process)) == wanted
