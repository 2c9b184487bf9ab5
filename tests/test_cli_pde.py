"""`unstir pde`: verdicts as the library gives them, points where it can, one line where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.calling import printed

from unstir.errors import InputError


def test_the_table_says_which_generate() -> None:
    found = {(r["row"], r["dimension"]): r for r in json.loads(printed("pde", "--json"))}
    assert found["heat", 1]["generates"]
    assert found["screened", 2]["generates"]
    assert (found["wave", 1]["fails"], found["schroedinger", 2]["fails"]) == ("C2", "C2")
    assert "k = 0.7854" in found["wave", 1]["reason"]
    assert "φ_tt − ∇²φ = 0" in printed("pde")
    assert json.loads(printed("pde", "helmholtz:k0=0.5", "--json"))[0]["fails"] == "C1"


def test_points_are_generated_and_those_that_cannot_be_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "points.npy"
    np.save(data, np.repeat([[1.0, 5.0], [3.0, 9.0]], 50, axis=0).astype(np.float32))
    out = tmp_path / "new.npz"
    printed("pde", "poisson:cells=64", "--data", data, "--out", out, "-n", 300)
    points = np.load(out)["samples"]
    first = np.linalg.norm(points - [1.0, 5.0], axis=1) < np.linalg.norm(points - [3.0, 9.0], axis=1)
    assert first.mean() == pytest.approx(0.5, abs=0.1)
    assert np.abs(points[first].mean(0) - [1.0, 5.0]).max() < 0.3
    with pytest.raises(InputError, match="C2 fails: Im omega"):
        printed("pde", "wave", "--data", data, "--out", out)
    with pytest.raises(InputError, match="the rows are heat"):
        printed("pde", "warmth")
    with pytest.raises(InputError, match="give ROW, --data and --out"):
        printed("pde", "heat", "--data", data)
    with pytest.raises(InputError, match="tables of one or two columns"):
        printed("pde", "heat", "--data", "digits", "--out", out)
