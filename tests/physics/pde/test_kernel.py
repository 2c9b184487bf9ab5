"""The closed forms in free space, against characteristic functions and against balance."""

from __future__ import annotations

import math

import pytest
import torch

from unstir.physics.pde import Heat, Helmholtz, Kernel, KernelCurrent, Poisson, Row, Screened, kernel_of

ROWS = [Heat(), Poisson(), Screened(1.3)]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
dimensions = pytest.mark.parametrize("dimension", [1, 2])
T, N = 0.9, 40_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def kernel(row: Row) -> Kernel:
    found = kernel_of(row)
    assert found is not None
    return found


def current(row: Row, dimension: int) -> KernelCurrent:
    data = torch.tensor([[-1.0, 0.2], [0.5, 0.9], [0.8, -0.7]], dtype=torch.float64)[:, :dimension]
    return KernelCurrent.of_points(kernel(row), data, torch.tensor([0.5, 0.2, 0.3]))


@rows
@dimensions
def test_mass_balances_at_every_point(row: Row, dimension: int) -> None:
    # ∂p/∂t + ∇·(pv) = R by differences, in free space
    flow, h = current(row, dimension), 1e-4
    x = torch.tensor([[0.1, 0.3], [-1.2, 0.9], [3.0, -0.5]], dtype=torch.float64)[:, :dimension]
    slope = (flow.density(x, T + h) - flow.density(x, T - h)) / (2 * h)
    divergence = torch.zeros_like(slope)
    for i in range(dimension):
        step = torch.zeros(dimension, dtype=torch.float64)
        step[i] = h
        for sign in (1, -1):
            y = x + sign * step
            divergence += sign * flow.density(y, T) * flow.field(y, T)[0][:, i] / (2 * h)
    born = flow.density(x, T) * flow.field(x, T)[1]
    torch.testing.assert_close(slope + divergence, born, rtol=0, atol=1e-7)
    if row.name == "screened":
        assert float(born.max()) < -1e-4
    else:
        assert not bool(born.any())


@rows
@dimensions
def test_survivors_have_the_characteristic_function_of_the_row(row: Row, dimension: int) -> None:
    # E e^{ik(x−y)} among the living is P(k, t) / P(0, t)
    data = torch.zeros(1, dimension)
    x = KernelCurrent.of_points(kernel(row), data).draw(N, T, seeded())
    for k in (0.4, 1.5):
        wave = torch.tensor([0.0, k], dtype=torch.float64)
        expected = torch.exp(row.omega(wave).imag * T)
        for i in range(dimension):
            assert float((k * x[:, i]).cos().mean()) == pytest.approx(
                float(expected[1] / expected[0]), abs=4 / math.sqrt(2 * N)
            )


@dimensions
def test_the_dying_have_the_law_of_the_potential(dimension: int) -> None:
    # φ̂(k)/φ̂(0) = e^{−(κ−m)t} m/κ, and m e^{−mt} die in a unit of time
    m = 1.3
    flow = KernelCurrent.of_points(kernel(Screened(m)), torch.zeros(1, dimension))
    x = flow.draw_born(N, T, -1, seeded())
    for k in (0.4, 1.5):
        kappa = math.hypot(k, m)
        expected = math.exp(-(kappa - m) * T) * m / kappa
        assert float((k * x[:, 0]).cos().mean()) == pytest.approx(expected, abs=4 / math.sqrt(2 * N))
    h = 1e-5
    assert flow.creation(T, -1) == pytest.approx((flow.mass(T - h) - flow.mass(T + h)) / (2 * h), rel=1e-8)
    assert flow.creation(T, 1) == 0


@rows
def test_data_are_drawn_with_their_weights(row: Row) -> None:
    flow = current(row, 1)
    x = flow.draw(20_000, 1e-4, seeded())
    near = (x - flow.data[:, 0]).abs().argmin(1)
    shares = torch.bincount(near, minlength=3) / len(x)
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.2, 0.3]), rtol=0, atol=0.015)


def test_the_others_have_no_closed_form_here() -> None:
    assert kernel_of(Helmholtz()) is None
