"""Answers of `field` beside closed forms and the library's own calls."""

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from unstir import physics
from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.requests import parse

SWISSROLL = {"preset": "swissroll"}
POINT = {"points": [[0.5, -0.25]]}


@pytest.fixture(scope="module")
def context() -> Context:
    return Context()


def ask(context: Context, **given: Any) -> list[Answer]:  # noqa: ANN401
    return list(parse(json.dumps({"id": 1, "slot": "field", "kind": "field", **given})).answer(context))


def array(answer: Answer, name: str) -> Tensor:
    return torch.as_tensor(answer.arrays[name]).double()


def test_the_field_of_one_electron_points_away_from_it(context: Context) -> None:
    (answer,) = ask(context, data=POINT, process="poisson:D=1", time=0.7, half=2.0, arrows=9)
    x, v = array(answer, "arrows").split(2, 1)
    # dx/dσ = (x − y)/σ whatever the law of noise.
    torch.testing.assert_close(v, (x - torch.tensor([[0.5, -0.25]])) / 0.7, atol=1e-5, rtol=1e-5)


def test_its_density_is_the_cauchy_law(context: Context) -> None:
    (answer,) = ask(context, data=POINT, process="poisson:D=1", time=0.7, half=2.0, cells=20)
    axis = (torch.arange(20, dtype=torch.float64) + 0.5) * 0.2 - 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    squared = (x - 0.5) ** 2 + (y + 0.25) ** 2
    wanted = torch.log(0.7 / (2 * math.pi) * (squared + 0.49) ** -1.5)
    torch.testing.assert_close(array(answer, "density"), wanted, atol=1e-6, rtol=1e-6)
    potential = -0.5 * (squared + 0.49).log()  # 1/r in three dimensions
    torch.testing.assert_close(array(answer, "potential"), potential, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("process", ["edm", "langevin", "kac", "yukawa:kappa=1", "levy:alpha=1.5"])
def test_a_density_holds_all_the_mass(context: Context, process: str) -> None:
    """Also of Kac flow, whose law on the grid is put together from two axes."""
    t = {"langevin": 0.1, "kac": 0.7}.get(process, 0.3)
    *_, answer = ask(context, data=SWISSROLL, process=process, time=t, half=6.0, cells=96)
    mass = float(array(answer, "density").exp().sum()) * (12 / 96) ** 2
    lost = {"yukawa:kappa=1": 0.02, "levy:alpha=1.5": 0.04}.get(process, 2e-3)
    assert 1 - lost < mass < 1.002


def test_the_mean_velocity_of_langevin_carries_its_density(context: Context) -> None:
    """∂p/∂t + ∇·(p v) = 0 in the plane of positions, by differences."""
    t, dt, cells, half = 0.15, 1e-4, 32, 1.5
    rows = {"data": SWISSROLL, "process": "langevin", "half": half}
    step = 2 * half / cells
    before, after = (
        array(ask(context, **rows, time=t + s * dt, cells=cells)[-1], "density").exp() for s in (-1, 1)
    )
    (now,) = ask(context, **rows, time=t, cells=cells, arrows=cells)
    flow = array(now, "arrows")[:, 2:].reshape(cells, cells, 2) * array(now, "density").exp()[..., None]
    divergence = (flow[1:-1, 2:, 0] - flow[1:-1, :-2, 0] + flow[2:, 1:-1, 1] - flow[:-2, 1:-1, 1]) / (
        2 * step
    )
    rate = ((after - before) / (2 * dt))[1:-1, 1:-1]
    assert float((rate + divergence).norm() / rate.norm()) < 0.05
    assert float((rate - divergence).norm() / rate.norm()) > 1  # the other sign would not do


def test_lines_end_on_the_data(context: Context) -> None:
    for process in ("edm", "kac", "capacitor"):
        (answer,) = ask(context, data=POINT, process=process, lines=12)
        ends = array(answer, "lines")[:, -1]
        near = float((ends - torch.tensor([0.5, -0.25])).norm(dim=1).quantile(0.7))
        assert near < 0.05, process


def test_a_coarse_density_comes_first(context: Context) -> None:
    coarse, fine = ask(context, data=SWISSROLL, process="edm", time=0.3, half=1.5, cells=100)
    assert array(coarse, "density").shape == (48, 48)
    assert array(fine, "density").shape == (100, 100)
    assert (coarse.done, fine.done) == (False, True)


def test_arrows_are_the_process_s_own_velocity(context: Context) -> None:
    (answer,) = ask(context, data=SWISSROLL, process="vp", time=0.4, half=1.0, arrows=6)
    x, v = array(answer, "arrows").split(2, 1)
    from unstir.lab.points import DataSpec

    items = context.scene(DataSpec(preset="swissroll"), "vp").items
    process, t = physics.vp(), torch.full((36,), 0.4, dtype=torch.float64)
    weights = torch.softmax(process.log_kernel(x, items.double(), t), 1)
    torch.testing.assert_close(v, process.velocity(x, t, weights @ items.double()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"cells": 8}, "time"),
        ({"time": 0.1, "arrows": 4, "of": "neural:a"}, "training"),
        ({"time": 0.1, "arrows": 4, "data": {"images": "digits"}}, "points"),
    ],
)
def test_what_cannot_be_shown_is_refused(context: Context, given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        ask(context, **{"data": SWISSROLL, "process": "edm", **given})
