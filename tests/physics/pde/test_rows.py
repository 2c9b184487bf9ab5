"""The multipliers of each row against its kernel in space, by quadrature."""

from __future__ import annotations

import itertools
import math

import pytest
import scipy.integrate
import scipy.special
import torch

from unstir.physics.pde import (
    ROWS,
    Custom,
    DampedWave,
    Fractional,
    Heat,
    Helmholtz,
    LinearRow,
    Poisson,
    Screened,
)

T, X = 0.7, [0.0, 0.4, 1.5]
LINEAR = [
    Heat(),
    Fractional(1.3),
    Poisson(),
    Screened(1.4),
    Helmholtz(0.6),
    DampedWave(2.5),
    Custom(lambda k: -1j * k**2),
]


def at(row: LinearRow, k: float, t: float) -> float:
    return float(row.density(torch.tensor(k, dtype=torch.float64), t))


def in_space(row: LinearRow, x: float, dimension: int, breaks: tuple[float, ...] = ()) -> float:
    """The Green's function at distance x: the inverse Fourier or Hankel transform of its multiplier."""

    def line(k: float) -> float:
        return math.cos(k * x) * at(row, k, T) / math.pi

    def plane(k: float) -> float:
        return k * scipy.special.j0(k * x) * at(row, k, T) / (2 * math.pi)

    ends = [0.0, *breaks, 10.0, 60.0]
    integrand = line if dimension == 1 else plane
    return sum(
        scipy.integrate.quad(integrand, a, b, epsabs=1e-11, limit=200)[0] for a, b in itertools.pairwise(ends)
    )


def yukawa(rho: float, m: float, dimension: int) -> float:
    """p at height T, of a charge screened by m: C t (m/ρ)^ν K_ν(mρ), ν = (N+1)/2."""
    nu = (dimension + 1) / 2
    return 2 / (2 * math.pi) ** nu * T * (m / rho) ** nu * scipy.special.kv(nu, m * rho)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("x", X)
def test_heat_poisson_and_screened_have_their_kernels(x: float, dimension: int) -> None:
    rho = math.hypot(x, T)
    half = (dimension + 1) / 2
    gauss = math.exp(-(x**2) / (4 * T)) / (4 * math.pi * T) ** (dimension / 2)
    cauchy = math.gamma(half) / math.pi**half * T / rho ** (dimension + 1)
    assert in_space(Heat(), x, dimension) == pytest.approx(gauss, abs=1e-9)
    assert in_space(Poisson(), x, dimension) == pytest.approx(cauchy, abs=1e-9)
    assert in_space(Fractional(1.0), x, dimension) == pytest.approx(cauchy, abs=1e-9)
    assert in_space(Screened(1.4), x, dimension) == pytest.approx(yukawa(rho, 1.4, dimension), abs=1e-9)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("x", X)
def test_helmholtz_is_the_bessel_function_y(x: float, dimension: int) -> None:
    k0, rho, nu = 0.6, math.hypot(x, T), (dimension - 1) / 2
    expected = -0.5 * (k0 / (2 * math.pi * rho)) ** nu * k0 * scipy.special.yv(nu + 1, k0 * rho) * T / rho
    assert in_space(Helmholtz(k0), x, dimension, (k0,)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("row", LINEAR, ids=lambda row: row.name)
def test_at_time_0_there_are_the_data(row: LinearRow) -> None:
    k = torch.linspace(0, 30, 301, dtype=torch.float64)
    torch.testing.assert_close(row.density(k, 0.0), torch.ones_like(k))


@pytest.mark.parametrize("row", LINEAR, ids=lambda row: row.name)
def test_each_mode_balances(row: LinearRow) -> None:
    # ∂_t P = −k² F + S: what flows out and what is born
    k = torch.linspace(0.05, 20, 200, dtype=torch.float64)
    h = 1e-5
    slope = (row.density(k, T + h) - row.density(k, T - h)) / (2 * h)
    torch.testing.assert_close(slope, -(k**2) * row.potential(k, T) + row.source(k, T), rtol=0, atol=1e-7)


@pytest.mark.parametrize("row", LINEAR, ids=lambda row: row.name)
def test_modes_fade_as_the_dispersion_relation_says(row: LinearRow) -> None:
    # At late times the slowest branch is what is left: |P| falls as exp(Im ω t).
    k = torch.tensor([0.8, 1.7], dtype=torch.float64)
    early, late = row.density(k, 4.0), row.density(k, 5.0)
    torch.testing.assert_close((late / early).log(), row.omega(k).imag, rtol=1e-3, atol=1e-3)


def test_the_telegraph_row_is_kacs_walk() -> None:
    # E cos(k X_t) of a walker of speed 1 that turns at rate ε: P'' + 2εP' + k²P = 0, P(0) = 1, P'(0) = 0.
    row, k = DampedWave(1.2), 1.2  # where γ = 0 the formula needs its limit
    for wave in (0.3, k, 4.0):
        found = scipy.integrate.solve_ivp(
            lambda _t, y, w=wave: [y[1], -2 * 1.2 * y[1] - w**2 * y[0]],
            (0, T),
            [1, 0],
            rtol=1e-10,
            atol=1e-12,
        )
        assert at(row, wave, T) == pytest.approx(found.y[0, -1], abs=1e-8)


def test_the_table_is_closed() -> None:
    assert list(ROWS) == [
        "heat", "fractional", "poisson", "screened", "helmholtz", "damped_wave", "wave", "schroedinger",
    ]  # fmt: skip
