"""Runs on signals, and networks by name and size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import unstir
from unstir.data import load
from unstir.errors import InputError
from unstir.fields import UNet1d
from unstir.measure.baseline_gaussian import GaussianBaseline
from unstir.train import make_config

LENGTH = 12


def covariance() -> Tensor:
    """Of a smooth Gaussian process: exp(−(i − j)²/18)."""
    place = torch.arange(LENGTH).double()
    return torch.exp(-((place[:, None] - place) ** 2) / 18) + 1e-3 * torch.eye(LENGTH)


def signals(n: int, seed: int = 0) -> Tensor:
    """Draws of it in two channels: the second independent, 10 times as large, around 100."""
    draws = torch.randn(n, 2, LENGTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = draws @ torch.linalg.cholesky(covariance()).T
    return (x * torch.tensor([1.0, 10.0])[:, None] + torch.tensor([0.0, 100.0])[:, None]).float()


def error(samples: Tensor) -> float:
    """How far the covariance of both channels' samples is from the truth, as a share."""
    x = (
        (samples.double() - torch.tensor([0.0, 100.0])[:, None]) / torch.tensor([1.0, 10.0])[:, None]
    ).flatten(1)
    truth = torch.block_diag(covariance(), covariance())
    return float((x.T @ x / len(x) - truth).norm() / truth.norm())


def test_samples_approach_a_gaussian_process(tmp_path: Path) -> None:
    data = signals(2000)
    assert error(data) < 0.07
    run = unstir.fit("edm", data, steps=200, batch=64, network="auto:small", threads=1, out=tmp_path / "run")
    assert isinstance(run.field.network, UNet1d)
    samples = run.sample(600, steps=8)
    assert error(samples) < 0.25
    # Untrained, or one channel for the other, it would not pass.
    assert error(samples.flip(1)) > 1
    begun = unstir.fit("edm", data, steps=1, network="unet1d:small", threads=1, out=tmp_path / "begun")
    assert error(begun.sample(600, steps=8)) > 0.5


@pytest.mark.parametrize("process", ["heat", "langevin", "kac", "pfgm", "capacitor"])
def test_every_family_takes_signals(tmp_path: Path, process: str) -> None:
    run = unstir.fit(process, signals(60), steps=2, batch=16, network="unet1d:small", out=tmp_path / "run")
    samples = run.sample(2, steps=3)
    assert samples.shape == (2, 2, LENGTH)
    assert bool(samples.isfinite().all())


@pytest.mark.parametrize("process", ["coins", "bridge"])
def test_those_that_do_not_say_so(tmp_path: Path, process: str, refused: Callable[..., str]) -> None:
    message = refused(unstir.fit, process, signals(60), steps=2, out=tmp_path / "run")
    assert "signals" in message or "images" in message


def test_a_file_of_signals_is_trained_resumed_and_compared(tmp_path: Path) -> None:
    np.save(tmp_path / "waves.npy", signals(100).numpy())
    run = unstir.fit("edm", tmp_path / "waves.npy", steps=3, batch=16, out=tmp_path / "run")
    assert (run.info.kind, run.info.shape, run.config.network) == ("signal", (2, LENGTH), "unet1d")
    again = unstir.load(run.path)
    assert torch.equal(again.sample(2, steps=3), run.sample(2, steps=3))
    resumed = unstir.fit("edm", tmp_path / "waves.npy", steps=3, batch=16, out=tmp_path / "run", resume=True)
    assert resumed.step == 3
    evaluation = run.evaluate(30, steps=3)
    assert evaluation.to_dict()["n"] == 20  # as many as are held out


def test_a_gaussian_is_fitted_to_signals() -> None:
    from unstir.measure.baseline import fit_law

    law = fit_law(GaussianBaseline, load(signals(2000)))
    samples = law.sample(2000)
    assert samples.shape == (2000, 2, LENGTH)
    assert error(samples) < 0.12


def test_a_size_after_a_colon_is_the_option() -> None:
    given = {"data": "digits", "steps": 1}
    config = make_config({**given, "network": "dit:small", "network_options": {"depth": 2}})
    assert (config.network, config.network_options) == ("dit", {"depth": 2, "size": "small"})
    assert make_config({**given, "network": "unet"}).network_options == {}
    same = make_config({**given, "network": "mlp:large", "network_options": {"size": "large"}})
    assert same.network_options == {"size": "large"}
    for values, words in (
        ({"network": "dit:small", "network_options": {"size": "large"}}, "give one"),
        ({"network": "resnet:small"}, "network='resnet'"),
        ({"network": "dit:small", "network_options": 3}, "network_options=3"),
    ):
        with pytest.raises(InputError, match=words):
            make_config({**given, **values})


def test_an_unknown_size_is_refused_before_training(tmp_path: Path, refused: Callable[..., str]) -> None:
    message = refused(unstir.fit, "edm", "digits", steps=1, network="unet:huge", out=tmp_path / "run")
    assert "size='huge' is not known; give small, base, large" in message
    assert not (tmp_path / "run").exists()
