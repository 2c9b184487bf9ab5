"""From a prior that knows nothing back to a mixture; refusals; names; the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unstir import spec
from unstir.physics.pde import PDE, ROWS, pde

Refused = Callable[..., str]
PAGE = Path(__file__).parents[3] / "docs" / "physics" / "pde.md"
GENERATE = ["heat", "fractional", "poisson", "screened", "helmholtz", "damped_wave"]
N = 1000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(dimension: int, n: int = 200) -> torch.Tensor:
    """Three parts in ten about (0.8, −0.6), the rest about (−1, 0.5), of width 0.15."""
    centre = torch.tensor([[-1.0, 0.5], [0.8, -0.6]])[:, :dimension]
    label = (torch.arange(n) < 0.3 * n).long()
    return centre[label] + 0.15 * torch.randn(n, dimension, generator=seeded(7))


def check_recovered(found: torch.Tensor, data: torch.Tensor, blur: float) -> None:
    """Shares, means and widths of both parts."""
    assert found.shape == (N, data.shape[1])
    right, wanted = found[:, 0] > -0.1, data[:, 0] > -0.1
    assert float(right.double().mean()) == pytest.approx(float(wanted.double().mean()), abs=0.05)
    for part, expected in ((found[right], data[wanted]), (found[~right], data[~wanted])):
        torch.testing.assert_close(
            part.median(0).values, expected.median(0).values.double(), rtol=0, atol=0.05
        )
        middle = torch.tensor([0.25, 0.75], dtype=torch.float64)
        width = part.quantile(middle, 0).diff(dim=0)[0] / 1.349
        expected_width = (expected.double().var(0) + blur**2).sqrt()
        torch.testing.assert_close(width, expected_width, rtol=0.2, atol=0)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("row", GENERATE)
def test_each_row_that_generates_does_on_a_grid(row: str, dimension: int) -> None:
    process = pde(row, dimension=dimension, box=6.0, cells=64)
    data = mixture(dimension)
    check_recovered(process.sample(data, N, seeded(), steps=32), data, 2 * process.box.spacing)


@pytest.mark.parametrize(("row", "dimension"), [("heat", 1), ("poisson", 2), ("screened", 2)])
def test_those_with_a_closed_form_do_with_particles(row: str, dimension: int) -> None:
    data = mixture(dimension, 20)
    found = pde(row, dimension=dimension).sample(data, 500, seeded(), steps=32, on="particles")
    distance, nearest = torch.cdist(found, data.double()).min(1)
    # The data themselves come back, each with its share; from afar they are taken for one point.
    assert float(distance.quantile(0.95)) < 0.04
    assert float((found[:, 0] > -0.1).double().mean()) == pytest.approx(0.3, abs=0.07)
    assert len(nearest.unique()) == len(data)


def test_an_omega_of_ones_own_generates() -> None:
    process = pde(dispersion=lambda k: -1j * (k + 0.3 * k**2), dimension=2, box=6.0, cells=64)
    data = mixture(2)
    check_recovered(process.sample(data, N, seeded(), steps=32), data, 2 * process.box.spacing)


@pytest.mark.parametrize("row", ["screened", "helmholtz"])
def test_branching_generates_too(row: str) -> None:
    # Copies of the same particle: their shares are known less well.
    given = {"screened": {"m": 0.05}, "helmholtz": {"k0": 0.05}}[row]
    process = pde(row, dimension=2, box=6.0, cells=48, births="branch", **given)
    data = mixture(2)
    found = process.sample(data, N, seeded(), steps=32)
    assert float((found[:, 0] > -0.1).double().mean()) == pytest.approx(0.3, abs=0.06)
    assert len(found.unique(dim=0)) < N


def test_the_prior_knows_nothing_of_the_data() -> None:
    # Two data sets, one prior: the first clouds agree to the last digit.
    process = pde("heat", dimension=1)
    first = [next(process.backward(mixture(1) + shift, 50, seeded())).position for shift in (0.0, 1.0)]
    assert torch.equal(*first)


def test_the_same_seed_gives_the_same_points() -> None:
    process = pde("screened", dimension=1)
    a, b, c = (process.sample(mixture(1), 50, seeded(seed), steps=16) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("row", ["wave", "schroedinger"])
def test_what_cannot_generate_refuses_and_says_why(row: str, refused: Refused) -> None:
    process = pde(row, dimension=1)
    assert not process.verdict
    for message in (refused(process.check), refused(process.sample, mixture(1), 5, seeded())):
        assert f"pde:row={row}" in message
        assert "C2 fails" in message
        assert "k = 0.7854 to" in message
    # Forward they go like any other.
    *_, last = process.forward(mixture(1), 20, seeded(), steps=8)
    assert last.time == pytest.approx(process.t_max)


def test_refusals_by_c1_and_by_equilibrium(refused: Refused) -> None:
    message = refused(pde(dispersion=lambda k: -1j * k**4).check)
    assert "C1 fails" in message
    assert "t = " in message
    assert "C1 fails" in refused(pde("damped_wave", epsilon=0.5).check)
    message = refused(pde("heat", t_max=1.0).check)
    assert "t_max=1" in message
    assert "give t_max=11.2" in message


def test_bad_arguments_are_refused(refused: Refused) -> None:
    def omega(k: torch.Tensor) -> torch.Tensor:
        return -1j * k

    assert "rows are heat" in refused(pde, "boil")
    assert "no parameter m" in refused(pde, "heat", m=2.0)
    assert "one of them" in refused(pde, "poisson", omega)
    assert "from Python" in refused(pde, dispersion="-k")
    assert "dimension=3" in refused(pde, dimension=3)
    assert "cells=7" in refused(pde, cells=7)
    assert "box=-1" in refused(pde, box=-1.0)
    assert "m=-1" in refused(pde, "screened", m=-1.0)
    assert "births='stork'" in refused(pde, births="stork")
    assert "not finite" in refused(pde, dispersion=lambda k: 1 / k)
    assert "one omega each" in refused(pde, dispersion=lambda k: k[:1] * 1j)
    process = pde("helmholtz", dimension=1)
    assert "no closed form" in refused(process.sample, mixture(1), 5, seeded(), on="particles")
    assert "on='moon'" in refused(process.sample, mixture(1), 5, seeded(), on="moon")
    assert "(n, 1)" in refused(process.sample, mixture(2), 5, seeded())
    strong = pde("screened", dimension=1, births="branch")
    assert "births=source" in refused(strong.sample, mixture(1), 5, seeded())


@pytest.mark.parametrize(
    "text",
    [
        "pde:row=heat",
        "pde:row=screened,m=1",
        "pde:row=helmholtz,dimension=1,k0=0.05,births=branch",
        "pde:row=wave",
    ],
)
def test_its_name_reads_back(text: str) -> None:
    process: PDE = spec.parse("process", text, {"pde": pde})
    assert process.name == text
    assert spec.parse("process", process.name, {"pde": pde}) == process


def test_a_users_omega_names_itself() -> None:
    def ripple(k: torch.Tensor) -> torch.Tensor:
        return -1j * k

    assert pde(dispersion=ripple, dimension=1).name == "pde:dispersion=ripple,dimension=1"


def test_the_page_has_the_verdicts_of_the_code() -> None:
    lines = re.findall(r"^\| `(\w+)` \|.*\| (yes|C1|C2) \| (yes|C1|C2) \|", PAGE.read_text("utf-8"), re.M)
    assert [name for name, *_ in lines] == list(ROWS)
    for name, *verdicts in lines:
        assert verdicts == [pde(name, dimension=d).verdict.failed or "yes" for d in (1, 2)]
