"""kill -9, at fifteen moments: the run goes on each time and ends with the bits of one left in peace."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from tests.calling import run_script

from unstir.train import load_checkpoint


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_that_is_killed_again_and_again(tmp_path: Path) -> None:
    run_script(Path(__file__).with_name("victim.py"), tmp_path, timeout=120)
    straight, killed = (load_checkpoint(tmp_path / name) for name in ("straight", "killed"))
    assert straight.step == killed.step == 40
    assert killed.passed_over == ()
    for name, group in straight.tensors.items():
        assert group.keys() == killed.tensors[name].keys()
        for key, value in group.items():
            assert torch.equal(value, killed.tensors[name][key]), (name, key)
    # Nothing half-written is left, and no more than two checkpoints.
    left = [path.name for path in (tmp_path / "killed").rglob("*")]
    assert not [name for name in left if name.endswith((".tmp", ".damaged"))]
    assert sorted(name for name in left if name.startswith("step-")) == ["step-000039", "step-000040"]
    lines = (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 41))
