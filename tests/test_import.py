"""`import unstir` and `unstir --help` stay light: no heavy library is imported before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What takes long to import; torch is what a process, a field or a run needs, and nothing else does.
HEAVY = (
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "diffusers",
    "matplotlib",
    "plotly",
    "pyarrow",
    "fastapi",
    "ot",
)


def loaded(code: str) -> set[str]:
    """The heavy modules that a fresh interpreter holds after `code`."""
    tail = f"; import sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + tail], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


HELP = """
import sys
from unstir.cli import main
sys.argv = ["unstir", "--help"]
try:
    main()
except SystemExit:
    pass
pass"""


@pytest.mark.parametrize("code", ["import unstir", "import unstir.cli", HELP], ids=["import", "cli", "help"])
def test_import_is_light(code: str) -> None:
    assert loaded(code) == set()


def test_heavy_is_seen() -> None:
    assert "numpy" in loaded("import numpy")
