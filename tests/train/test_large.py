"""Data too large for memory train as data in memory do."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import unstir


@pytest.mark.parametrize("kind", ["images", "table"])
def test_a_large_file_trains_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    generator = np.random.default_rng(0)
    shape = (300, 8, 8) if kind == "images" else (300, 3)
    values = generator.integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "x.npy", values if kind == "images" else values.astype(np.float32))
    weights = []
    for large in (False, True):
        for module in ("items", "mapped", "load"):
            monkeypatch.setattr(
                sys.modules[f"unstir.data.{module}"], "is_large", lambda _, large=large: large
            )
        run = unstir.fit(
            "edm", tmp_path / "x.npy", steps=3, batch=16, out=tmp_path / f"run-{large}", sketch=0,
            network_options={"width": 16}, precision="float32",
        )  # fmt: skip
        assert run.info.count == 300
        assert run.info.heldout == 60
        weights.append(run.field.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
