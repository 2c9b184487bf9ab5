"""Every family of processes through the one session: what it keeps, and resuming as if never stopped."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

from unstir.data import Dataset
from unstir.train.config import make_config
from unstir.train.session import Session, resume, start, training

FAMILIES = ["edm", "pfgm", "heat", "blurring", "kac", "langevin", "coins", "capacitor", "bridge"]


def pictures() -> Dataset:
    values = torch.randint(256, (60, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Dataset("pictures", "image", values)


def begin(process: str, path: Path) -> Session:
    options = {"width": 8, "depth": 1}
    config = {"data": "array", "process": process, "steps": 4, "batch": 16, "network": "mlp"}
    return start(make_config(config | {"network_options": options, "lr": 0.1}), path, pictures())


def weights(session: Session) -> dict[str, torch.Tensor]:
    return session.trainer.tensors()["ema"]


@pytest.mark.parametrize("process", FAMILIES)
def test_resuming_equals_never_having_stopped(process: str, tmp_path: Path) -> None:
    whole = begin(process, tmp_path / "whole")
    for _ in training(whole):
        pass
    cut = begin(process, tmp_path / "cut")
    for step in training(cut):
        if step.index == 2:
            signal.raise_signal(signal.SIGINT)
    assert cut.trainer.step == 2
    again = resume(tmp_path / "cut", pictures())
    assert not all(torch.equal(v, weights(again)[k]) for k, v in weights(whole).items())
    for _ in training(again):
        pass
    assert again.trainer.step == 4
    assert all(torch.equal(v, weights(again)[k]) for k, v in weights(whole).items())
