"""A kill of each of the three, as `benchmarks/kills.py` does two hundred."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from tests.calling import run_script

MEMORY = Path("/dev/shm")  # noqa: S108  # no test pulls the plug, and a disk is slow to say that it has all


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_of_each() -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "kills.py"
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        done = run_script(script, "--kills", 3, "--folder", folder)
        assert done.stdout.endswith("3 kills: every file whole or absent, and the same bits in the end\n")
        assert not list(Path(folder).iterdir())
