"""Answers of `path` beside the library's own calls."""

import json
from typing import Any

import pytest
import torch

from unstir import fields, flow, physics
from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.requests import parse

SWISSROLL = {"preset": "swissroll"}


@pytest.fixture(scope="module")
def context() -> Context:
    return Context()


def ask(context: Context, **given: Any) -> list[Answer]:  # noqa: ANN401
    return list(parse(json.dumps({"id": 1, "slot": "main", "kind": "path", **given})).answer(context))


def test_backward_is_the_library_s_own_trajectory(context: Context) -> None:
    *_, last = ask(context, data=SWISSROLL, process="edm", direction="backward", n=64, frames=12, seed=5)
    items = torch.as_tensor(last.arrays["items"])
    process = physics.edm()
    times = torch.as_tensor(last.arrays["times"]).flip(0)
    x = flow.Streams(5, 0, 64).draw(lambda g: process.prior(1, (2,), g))
    assert last.scalars["process"] == "edm"
    assert times[0] == pytest.approx(process.t_min)
    walked = flow.sample(
        process, fields.ExactField(process, items), 64, seed=5, solver="multistep",
        times=[float(t) for t in torch.as_tensor(last.arrays["times"]).double()],
    )  # fmt: skip
    torch.testing.assert_close(torch.as_tensor(last.arrays["states"])[0], x)
    torch.testing.assert_close(torch.as_tensor(last.arrays["states"])[-1], walked, atol=2e-3, rtol=0)


def test_samples_of_the_exact_field_are_the_data(context: Context) -> None:
    *_, last = ask(context, data=SWISSROLL, process="poisson:D=1", direction="backward", n=50)
    ends, items = torch.as_tensor(last.arrays["states"])[-1], torch.as_tensor(last.arrays["items"])
    assert float(torch.cdist(ends, items).amin(1).quantile(0.9)) < 0.02


def test_coarse_particles_are_the_first_of_the_fine_ones(context: Context) -> None:
    coarse, fine = ask(context, data=SWISSROLL, process="yukawa:kappa=1", n=900, frames=8)
    assert not coarse.done
    assert fine.done
    a, b = (torch.as_tensor(answer.arrays["states"]) for answer in (coarse, fine))
    assert a.shape == (8, 400, 2)
    assert b.shape == (8, 900, 2)
    torch.testing.assert_close(a, b[:, :400], equal_nan=True)


def test_one_point_stays_where_it_was_put(context: Context) -> None:
    point = [0.25, -0.75]
    *_, last = ask(context, data={"points": [point]}, process="poisson:D=1", direction="backward", n=20)
    ends = torch.as_tensor(last.arrays["states"])[-1]
    torch.testing.assert_close(ends, torch.tensor([point]).expand(20, 2), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"data": SWISSROLL, "process": "heat"}, "images"),
        ({"data": {"images": "digits"}, "process": "pde:row=heat"}, "points"),
        ({"data": SWISSROLL, "process": "poisson:D=1e9"}, "beyond"),
        ({"data": SWISSROLL, "process": "edn"}, "edm"),
        ({"data": {"preset": "etc"}, "process": "edm"}, "swissroll"),
        ({"data": SWISSROLL, "process": "edm", "field": "neural:main"}, "training"),
    ],
)
def test_what_does_not_go_together_is_refused(context: Context, given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        ask(context, n=500, direction="backward", **given)
