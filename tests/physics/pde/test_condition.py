from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unstir.physics.pde import ROWS, Box, Custom, DampedWave, Fractional, Helmholtz, Verdict, can_generate
from unstir.physics.pde.condition import equilibrium_time

LINE, PLANE = Box(1, 8.0, 128), Box(2, 8.0, 64)


@pytest.mark.parametrize("box", [LINE, PLANE], ids=["1-D", "2-D"])
@pytest.mark.parametrize("name", ROWS)
def test_the_table(name: str, box: Box) -> None:
    verdict = can_generate(ROWS[name](), box)
    if name in ("wave", "schroedinger"):
        assert not verdict
        assert verdict.failed == "C2"
        assert verdict.k == pytest.approx((box.lowest, box.highest))  # at every k
    else:
        assert verdict
        assert verdict.generates
        assert verdict == Verdict()


def test_helmholtz_needs_a_small_k0() -> None:
    # Below 2π/L every mode of the box fades, but the mass is cos(k0 t), and must last until they have.
    for k0 in (0.05, 0.21 * LINE.lowest):
        assert can_generate(Helmholtz(k0), LINE)
    verdict = can_generate(Helmholtz(0.24 * LINE.lowest), LINE)
    assert verdict.failed == "C1"
    assert verdict.time is not None
    assert verdict.time > 0.9 * math.pi / 2 / (0.24 * LINE.lowest)
    verdict = can_generate(Helmholtz(1.5), LINE)
    assert verdict.failed == "C2"
    assert verdict.k == pytest.approx((LINE.lowest, 1.5), abs=1e-6)


def test_the_damped_wave_needs_a_large_epsilon_in_the_plane() -> None:
    blur = 2 * PLANE.spacing
    assert can_generate(DampedWave(0.4 / blur), PLANE)
    verdict = can_generate(DampedWave(0.25 / blur), PLANE)
    assert verdict.failed == "C1"
    assert verdict.time is not None
    assert verdict.place is not None
    # behind the front, which runs at speed 1
    assert verdict.place < verdict.time
    # On a line it is a walker's law, positive whatever ε.
    assert can_generate(DampedWave(0.1), LINE)


def test_steps_of_a_levy_walk_end_at_order_2() -> None:
    assert can_generate(Fractional(2.0), LINE)
    assert can_generate(Fractional(2.1), LINE).failed == "C1"


@pytest.mark.parametrize(
    ("omega", "expected"),
    [
        (lambda k: 1j * (2 * k**2 - k**4), (LINE.lowest, math.sqrt(2))),  # grows up to √2
        (lambda k: -1j * k**2 * (k - 3) * (k - 4), (3.0, 4.0)),
        (lambda k: -1j * torch.tanh(k) * (k < 5), (5.0, LINE.highest)),
    ],
    ids=["band from 0", "band", "tail"],
)
def test_a_users_omega_that_fails_c2_is_told_where(
    omega: Callable[[Tensor], Tensor], expected: tuple[float, float]
) -> None:
    verdict = can_generate(Custom(omega), LINE)
    assert verdict.failed == "C2"
    assert verdict.k == pytest.approx(expected, abs=1e-3)
    assert "k = " in verdict.reason


def test_the_greatest_is_looked_for_between_the_samples() -> None:
    # Touches 0 at one k alone, which is no sample.
    verdict = can_generate(Custom(lambda k: -1j * (k - math.pi) ** 2 * k), LINE)
    assert verdict.failed == "C2"
    assert verdict.k == pytest.approx((math.pi, math.pi), abs=1e-2)


def test_a_users_omega_that_fails_c1_is_told_when_and_where() -> None:
    verdict = can_generate(Custom(lambda k: -1j * k**4), LINE)
    assert verdict.failed == "C1"
    # The kernel of −∇⁴ dips to about a fifth of its height.
    time, place = verdict.time, verdict.place
    assert time is not None
    assert place is not None
    k = torch.linspace(0, 12, 4001, dtype=torch.float64)
    dip = torch.trapezoid(torch.cos(k * place) * torch.exp(-(k**4) * time), k)
    assert float(dip) < 0


def test_good_ones_of_a_user() -> None:
    for omega in (lambda k: -1j * (k**2 + k**1.5), lambda k: -1j * torch.log1p(k**2), lambda k: -2j - 1j * k):
        for box in (LINE, PLANE):
            assert can_generate(Custom(omega), box)


def test_the_time_of_equilibrium() -> None:
    # e^{−(2π/L)² T} = 10⁻³
    assert equilibrium_time(ROWS["heat"](), LINE) == pytest.approx(math.log(1000) / LINE.lowest**2)
