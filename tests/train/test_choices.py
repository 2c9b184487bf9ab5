from __future__ import annotations

import pytest
import torch

from unstir import physics
from unstir.data import Dataset
from unstir.train import TrainConfig
from unstir.train.choices import sketched


@pytest.mark.parametrize(
    ("shape", "items", "process", "wanted"),
    [
        ((1, 8, 8), 400, "edm", (7, 32)),  # one in 50 of 320
        ((1, 8, 8), 8000, "edm", (64, 32)),
        ((1, 8, 8), 8000, "heat", (32, 16)),
        ((1, 8, 8), 8000, "kac", (0, None)),
        ((1, 55, 55), 20_000, "edm", (16, 128)),  # of 3,025 numbers: fewer, and more axes
        ((1, 55, 55), 2000, "edm", (33, 32)),  # which few items do not bear
        ((1, 128, 128), 20_000, "edm", (4, 128)),  # by its size
        ((1, 128, 128), 20_000, "heat", (30, 16)),
        ((1, 8, 8), 2, "edm", (1, 32)),
        ((3, 32, 32), 20_000, "edm", (32, 16)),  # colours: a floor for each mode
        ((3, 128, 128), 20_000, "edm", (10, 16)),
    ],
)
def test_a_sketch_is_as_large_as_the_data_bear(
    shape: tuple[int, int, int], items: int, process: str, wanted: tuple[int, int | None]
) -> None:
    data = Dataset("x", "image", torch.zeros(1, *shape, dtype=torch.uint8))
    asked = TrainConfig(data="x", steps=1)
    found = sketched(asked, data, round(0.8 * items), physics.parse(process))
    assert (found["sketch"], found.get("axes")) == wanted


def test_what_is_given_stays() -> None:
    data = Dataset("x", "image", torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    process = physics.parse("edm")
    given = TrainConfig(data="x", steps=1, sketch=5, axes=7)
    assert sketched(given, data, 10**5, process) == {"sketch": 5, "axes": 7, "floors": "modes"}
    few = TrainConfig(data="x", steps=1, axes=512, floors="one")
    assert sketched(few, data, 10**5, process) == {"sketch": 4, "axes": 512, "floors": "one"}
    student = TrainConfig(data="x", steps=1, sketch=5, teacher="runs/old", objective="consistency")
    assert sketched(student, data, 10**5, process) == {}
