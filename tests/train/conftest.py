"""What the training tests share: a tiny configuration, a full disk, and what a folder holds."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch

from unstir.data import Dataset
from unstir.train import TrainConfig, make_config

Config = Callable[..., TrainConfig]
FullDisk = Callable[[int], AbstractContextManager[None]]
Listing = Callable[[Path], list[str]]


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


@pytest.fixture
def full_disk() -> FullDisk:
    """No file can grow above so many bytes: the system refuses the write, as a full disk does."""

    @contextlib.contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def listing() -> Listing:
    """All files and folders below one, hidden ones too."""

    def everything(folder: Path) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))

    return everything
