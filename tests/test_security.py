"""SECURITY.md points at tests that there are, from every promise."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_names_its_tests() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    promised = text.split("## What is promised")[1].split("## What is not promised")[0]
    promises = promised.split("\n**")[1:]
    assert len(promises) >= 9
    for promise in promises:
        named = re.findall(r"`(tests/\S+\.py)`", promise)
        assert named, promise
        assert all((ROOT / name).is_file() for name in named), named
    for script in re.findall(r"python (benchmarks/\w+\.py)", text):
        assert (ROOT / script).is_file(), script
