"""Heat on a rod: the heat equation by other means, what is kept, and what cannot come back."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from unstir import physics
from unstir.errors import InputError
from unstir.lab.context import Context
from unstir.lab.requests import parse
from unstir.lab.topics.rod import POURED, Cooling, Poured, cooling
from unstir.physics import DampedProcess


def _cooled(rod: torch.Tensor, process: str = "heat:blur=1", error: float = 0.0) -> Cooling:
    found = physics.parse(process)
    assert isinstance(found, DampedProcess)
    return cooling(found, rod, 40, error, 0)


def _profile() -> torch.Tensor:
    rod = torch.full((64,), -0.6, dtype=torch.float64)
    rod[8:30] = 1.0
    return rod


def test_a_cosine_stays_one_and_fades_at_its_own_rate() -> None:
    cosine = torch.cos(math.pi * 3 * (torch.arange(64).double() + 0.5) / 64)
    found = _cooled(cosine)
    left = torch.exp(-0.5 * (3 * math.pi * found.width) ** 2)
    assert torch.allclose(found.temperature, left[:, None] * cosine, atol=1e-12)
    assert torch.allclose(found.left[:, 3], left, atol=1e-12)


def test_the_heat_equation_is_obeyed() -> None:
    """By the flow of heat from each place to the next, in small steps, on a rod of smooth temperature."""
    place = (torch.arange(64).double() + 0.5) / 64
    rod = torch.exp(-((place - 0.4) ** 2) / 0.02)
    found = _cooled(rod)
    end = int((found.width > 0.1).nonzero()[0])
    time, u = 0.5 * float(found.width[end]) ** 2 * 64**2, rod.clone()
    steps = math.ceil(time / 0.2)
    for _ in range(steps):
        flow = torch.cat([torch.zeros(1), u.diff(), torch.zeros(1)])
        u = u + time / steps * flow.diff()
    assert torch.allclose(found.temperature[end], u, atol=2e-3)
    assert not torch.allclose(found.temperature[end - 1], u, atol=2e-3)


@pytest.mark.parametrize("process", ["heat:blur=1", "blurring", "heat_poisson:D=8"])
def test_heat_is_kept_and_evens_out(process: str) -> None:
    found = _cooled(_profile(), process)
    mean = found.temperature.mean(1)
    assert torch.allclose(mean, mean[:1].expand_as(mean), atol=1e-9)
    assert bool((found.temperature.var(1).diff() < 0).all())
    assert torch.allclose(found.temperature[0], _profile(), atol=1e-12)


def test_without_error_the_past_comes_back_and_with_it_only_the_coarse_of_it() -> None:
    assert float(_cooled(_profile()).lost.max()) < 1e-12
    found = _cooled(_profile(), error=1e-3)
    assert float(found.lost[0]) == pytest.approx(1e-3, rel=0.3)
    assert bool((found.lost.diff() >= 0).all())
    assert bool(found.back.isfinite().all())
    assert float(found.lost[len(found.lost) // 2]) > 1e3


def test_request() -> None:
    text = '{"id": 1, "slot": "rod", "kind": "rod", "profile": [1, 1, 1, 1, 0, 0, 0, 0], "frames": 5}'
    (answer,) = parse(text).answer(Context())
    assert answer.arrays["temperature"].shape == (5, 8)
    assert answer.scalars["mean"] == 0.5
    assert bool(torch.as_tensor(answer.arrays["back"]).isfinite().all())
    named = text.replace("[1, 1, 1, 1, 0, 0, 0, 0]", '"wave"')
    (wave,) = parse(named).answer(Context())
    assert torch.as_tensor(wave.arrays["modes"]).abs().argmax() == 3
    assert set(get_args(Poured)) == set(POURED)
    bad = text.replace('"frames"', '"process": "edm", "frames"')
    with pytest.raises(InputError, match="process edm: has no heat in it"):
        list(parse(bad).answer(Context()))
    with pytest.raises(InputError, match="profile"):
        parse(text.replace("[1, ", "[1e9, "))
