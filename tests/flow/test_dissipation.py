"""The stochastic sampler of inverse heat dissipation, and kept priors end to end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unstir import fit, load
from unstir.fields import ExactField
from unstir.flow import Dissipation, Streams, sample, trajectory
from unstir.physics import heat

Refused = Callable[..., str]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_step_is_the_sharpened_mean_and_delta_times_the_noise() -> None:
    data = torch.randn(30, 1, 4, 4, generator=seeded(), dtype=torch.float64)
    process = heat(0.1).prepared(data)
    field = ExactField(process, data)
    x = process.prior(2000, (1, 4, 4), seeded(1), torch.float64)
    x = x[:1].expand(2000, 1, 4, 4)
    walk = trajectory(
        process,
        field,
        x,
        solver=Dissipation(1.5),
        times=[1.0, 0.6],
        streams=Streams(0, 0, 2000),
        denoise=False,
    )
    *_, last = walk
    signal = process.signal(torch.tensor(0.6, dtype=torch.float64), (1, 4, 4))
    basis = process.basis
    mean = basis.state(signal * basis.coordinates(field.at(1.0)(x[:1], None)))
    error = last.state - mean
    assert float(error.std()) == pytest.approx(0.15, rel=0.02)
    assert float(error.mean(0).abs().max()) < 0.15 * 4 / 2000**0.5


def test_exact_points_are_found_again_with_their_shares() -> None:
    points = torch.randn(4, 1, 4, 4, generator=seeded(3), dtype=torch.float64)
    process = heat(0.05).prepared(points.repeat(10, 1, 1, 1))
    field = ExactField(process, points)
    x = sample(process, field, 400, solver=Dissipation(1.0), steps=60, dtype=torch.float64)
    distance, which = torch.cdist(x.flatten(1), points.flatten(1)).min(1)
    assert float((distance < 0.05).double().mean()) > 0.97
    assert torch.bincount(which, minlength=4).min() > 60


def test_bad_parameters_are_one_line(refused: Refused) -> None:
    assert "delta=-1" in refused(Dissipation, -1.0)


def test_a_run_keeps_the_prior_and_needs_no_data_to_sample(tmp_path: Path, refused: Refused) -> None:
    images = (torch.rand(60, 6, 8, generator=seeded()) * 255).to(torch.uint8)
    run = fit("heat", images.numpy(), steps=2, out=tmp_path / "run", network_options={"width": 8})
    again = load(tmp_path / "run")
    assert torch.equal(again.sample(3, steps=4), run.sample(3, steps=4))
    assert again.sample(3, solver="dissipation", steps=4).shape == (3, 1, 6, 8)
    # Started from images instead of the kept prior.
    started = again.sample(2, steps=4, start=torch.from_numpy(images[:2, None].numpy()))
    assert started.shape == (2, 1, 6, 8)
    assert "give one item a sample" in refused(again.sample, 3, start=images[:2, None])
    assert "not known" in refused(again.sample, 3, solver="churn")
    kept = tmp_path / "run" / "kept.safetensors"
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    assert "checksum differs" in refused(load, tmp_path / "run")
    kept.unlink()
    assert "cannot be read" in refused(load, tmp_path / "run")


def test_a_process_with_its_own_prior_starts_from_nothing_else(tmp_path: Path, refused: Refused) -> None:
    points = torch.randn(60, 2, generator=seeded())
    run = fit("edm", points, steps=2, out=tmp_path / "run", network_options={"width": 8, "depth": 1})
    assert "starts from its own prior" in refused(run.sample, 2, start=points[:2])
