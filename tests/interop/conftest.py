"""What the interop tests share: no waiting for the disk, no progress bars, and tiny runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from diffusers.utils import logging

import unstir
from unstir.run import Run

MakeRun = Callable[..., Run]


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        logging.disable_progress_bar()
        yield
        logging.enable_progress_bar()


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """A run of a few steps, each kind trained once."""
    made: dict[str, Run] = {}

    def make(process: str, data: str | Path = "digits", **options: Any) -> Run:  # noqa: ANN401
        key = f"{process} {data} {sorted(options.items())}"
        if key not in made:
            small = {"width": 8, "layers": 1, "middle": 1} if data == "digits" else {"width": 16, "depth": 1}
            usual = {"steps": 4, "batch": 16, "network_options": small, "threads": 1, "device": "cpu"}
            out = tmp_path_factory.mktemp("run") / "run"
            made[key] = unstir.fit(process, data, out=out, **(usual | options))
        return made[key]

    return make
