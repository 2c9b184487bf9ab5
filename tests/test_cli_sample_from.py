"""`unstir sample --from` and `unstir train --partner`: one data set carried to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.calling import printed

from unstir.errors import InputError

SMALL = '{"width": 8, "depth": 1}'


def points(path: Path, middle: float, n: int = 60) -> Path:
    values = np.random.default_rng(0).normal(size=(n, 2)) + middle
    np.save(path, values.astype(np.float32))
    return path


def test_a_capacitor_carries_one_data_set_to_the_other(tmp_path: Path) -> None:
    ours, theirs = points(tmp_path / "ours.npy", 0.0), points(tmp_path / "theirs.npy", 3.0, 40)
    run, out = tmp_path / "run", tmp_path / "new.npz"
    train = ("train", "--data", ours, "--partner", theirs, "--process", "capacitor", "--steps", 2)
    printed(*train, "--network-options", SMALL, "--out", run)
    (tmp_path / "theirs.npy").unlink()  # the run keeps the far plate
    printed("sample", run, "-n", 5, "--out", out)
    assert np.load(out)["samples"].shape == (5, 2)
    printed("sample", run, "--from", ours, "--solver", "lines:direction=forward", "--out", out)
    assert np.load(out)["samples"].shape == (60, 2)
    with pytest.raises(InputError, match="goes from given items"):
        printed("sample", run, "--solver", "lines:direction=forward", "--out", out)
    with pytest.raises(InputError, match="has 60 items"):
        printed("sample", run, "--from", ours, "-n", 61, "--out", out)
    with pytest.raises(InputError, match=r"\(1, 8, 8\), the run"):
        printed("sample", run, "--from", "digits", "--out", out)


def test_a_partner_for_one_data_set_alone_is_refused(tmp_path: Path) -> None:
    ours = points(tmp_path / "ours.npy", 0.0)
    with pytest.raises(InputError, match="takes one data set; use capacitor for two"):
        printed(
            "train",
            "--data",
            ours,
            "--partner",
            ours,
            "--process",
            "edm",
            "--steps",
            2,
            "--out",
            tmp_path / "r",
        )
    assert not (tmp_path / "r").exists()
