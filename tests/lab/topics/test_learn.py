"""What chapters ask for: an assumed law's moments, tails in closed form, equations with their verdicts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from unstir import physics
from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.requests import parse
from unstir.lab.topics.assume import drawn, known
from unstir.lab.topics.tails import beyond


def _ask(**given: Any) -> Answer:  # noqa: ANN401
    (answer,) = parse(json.dumps({"id": 1, "slot": "learn", **given})).answer(Context())
    return answer


@pytest.mark.parametrize("axes", [0, 7, 64])
def test_the_assumed_law_has_the_moments_that_it_knows(axes: int) -> None:
    law, x = known(), drawn(axes, 20_000, 0)
    assert torch.allclose(x.mean(0), law.mean, atol=5 * 255 / 3 / 20_000**0.5)
    variance = law.train.var(0, correction=0)
    assert torch.allclose(x.var(0), variance, rtol=0.08, atol=1.0)
    # Pixels vary together along the axes known, and not otherwise.
    U = law.axes[:, :axes]
    together = (U * law.variances[:axes]) @ U.T
    apart = ~torch.eye(64, dtype=torch.bool)
    miss = (x.T.cov() - together)[apart].abs()
    scale = (variance[:, None] * variance).sqrt()[apart]
    assert float((miss / (scale + 1)).max()) < 6 / 20_000**0.5


def test_no_covariance_makes_digits() -> None:
    apart, five, all_of_them = (float(_ask(kind="assume", axes=n).scalars["distance"]) for n in (0, 5, 64))
    assert apart > five > all_of_them > 1.4


def test_tails_are_those_of_the_closed_form() -> None:
    r = torch.tensor([0.5, 1.0, 4.0, 30.0], dtype=torch.float64)
    for D in (1.0, 8.0, 128.0):
        found = beyond(physics.poisson(D=D).noise, r)
        assert torch.allclose(found, (1 + r**2 / D) ** (-D / 2), rtol=1e-5, atol=1e-9)
    assert torch.allclose(beyond(physics.edm().noise, r), torch.exp(-(r**2) / 2), rtol=1e-12)
    answer = _ask(kind="tails", process="poisson:D=1")
    assert answer.scalars["share"] == pytest.approx(17**-0.5)
    with pytest.raises(InputError, match="no one law of noise"):
        _ask(kind="tails", process="kac")


def test_tails_are_those_of_draws() -> None:
    noise = physics.yukawa(kappa=0.5).noise
    r = noise.draw(20_000, (2,), torch.Generator().manual_seed(0)).norm(dim=1)
    for far in (1.0, 3.0):
        share = float((r > far).double().mean())
        exact = float(beyond(noise, torch.tensor(far)))
        assert share == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5)


def test_equations_with_their_verdicts() -> None:
    heat = _ask(kind="equation", process="pde:row=heat")
    k, gap = (torch.as_tensor(heat.arrays[name]) for name in ("k", "gap"))
    assert heat.scalars["generates"] is True
    assert torch.allclose(gap, -(k**2), atol=1e-9)
    wave = _ask(kind="equation", process="pde:row=wave")
    assert (wave.scalars["generates"], wave.scalars["fails"]) == (False, "C2")
    weak, strong = (_ask(kind="equation", process=f"pde:row=helmholtz,k0={k0}").scalars for k0 in (0.1, 0.3))
    assert weak["generates"] is True
    assert (strong["generates"], strong["fails"]) == (False, "C1")
    assert strong["negative"] < -0.01
    with pytest.raises(InputError, match="process"):
        _ask(kind="equation", process="edm")
