"""What the training tests share: a tiny configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

from unstir.data import Dataset
from unstir.train import TrainConfig, make_config

Config = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync can take seconds where others write, and no test pulls the plug."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture
def config() -> Config:
    """A configuration for a network of a few hundred numbers and 30 steps."""

    def make(**values: Any) -> TrainConfig:  # noqa: ANN401
        options = {"width": 16, "depth": 1}
        base = {"data": "array", "process": "edm", "batch": 16, "network": "mlp", "network_options": options}
        return make_config(base | ({} if "minutes" in values else {"steps": 30}) | values)

    return make


@pytest.fixture(scope="session")
def points() -> Dataset:
    """Fifty points on a circle, and two columns that are not of one scale."""
    angle = torch.linspace(0, 6.2, 50)
    return Dataset(
        "circle", "table", torch.stack([angle.cos(), 100 + 3 * angle.sin()], 1), columns=("a", "b")
    )
