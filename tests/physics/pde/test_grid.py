"""The grid against closed forms, blurred and periodic as it is."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch

from unstir.physics.pde import (
    Box,
    DampedWave,
    GridCurrent,
    Heat,
    KernelCurrent,
    Poisson,
    Row,
    Schroedinger,
    Screened,
    Wave,
    kernel_of,
)

Refused = Callable[..., str]

L = 8.0
LINE, PLANE = Box(1, L, 128), Box(2, L, 64)
boxes = pytest.mark.parametrize("box", [LINE, PLANE], ids=["1-D", "2-D"])
T, M = 0.8, 1.3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wrapped(x: float, variance: np.ndarray) -> np.ndarray:
    """Normal densities on the circle of length L, by images where narrow and by waves where wide."""
    narrow = np.minimum(variance, L**2 / 8)[:, None]
    images = np.exp(-((x + L * np.arange(-6, 7)) ** 2) / (2 * narrow)).sum(1)
    k = 2 * math.pi / L * np.arange(1, 7)
    waves = (1 + 2 * (np.exp(-(k**2) * variance[:, None] / 2) * np.cos(k * x)).sum(1)) / L
    return np.where(variance < L**2 / 8, images / np.sqrt(2 * math.pi * narrow[:, 0]), waves)


def closed_form(row: Row, x: list[float], blur: float) -> float:
    """p_T of one point at 0: a mixture over the variance of wrapped normals, widened by the blur."""

    def normal(variance: np.ndarray) -> np.ndarray:
        return np.prod([wrapped(c, variance + blur**2) for c in x], axis=0)

    if isinstance(row, Heat):
        return float(normal(np.array([2 * T]))[0])
    # The variance is a passage time: t²/n² for Poisson, inverse-Gaussian for the screened row.
    if isinstance(row, Poisson):
        law, mass = scipy.stats.invgamma(0.5, scale=T**2 / 2), 1.0
    else:
        law, mass = scipy.stats.invgauss(1 / (M * T), scale=T**2), math.exp(-M * T)
    u = np.linspace(-8, 30, 2000)
    v = np.exp(u)
    return mass * float(scipy.integrate.simpson(law.pdf(v) * v * normal(v), x=u))


@boxes
@pytest.mark.parametrize("row", [Heat(), Poisson(), Screened(M)], ids=lambda row: row.name)
def test_the_density_of_one_point(row: Row, box: Box) -> None:
    current = GridCurrent.of_points(row, box, torch.full((1, box.dimension), 0.3))
    for distance in (0.0, 0.5, 2.0, 4.0):
        place = [0.3 + distance, 0.5][: box.dimension]
        found = float(current.density(torch.tensor([place], dtype=torch.float64), T))
        expected = closed_form(row, [c - 0.3 for c in place], 2 * box.spacing)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-7)


def telegraph(x: float, t: float, epsilon: float, blur: float) -> float:
    """Kac's walk: two fronts and the law between them, blurred (on the whole line)."""

    def normal(y: float) -> float:
        return math.exp(-((x - y) ** 2) / (2 * blur**2)) / (blur * math.sqrt(2 * math.pi))

    def between(y: float) -> float:
        z = math.sqrt(max(t**2 - y**2, 1e-14))
        i0, i1 = scipy.special.iv(0, epsilon * z), scipy.special.iv(1, epsilon * z)
        return 0.5 * epsilon * (i0 + t * i1 / z) * normal(y)

    points = [p for p in (x - 4 * blur, x, x + 4 * blur) if -t < p < t]
    inside, _ = scipy.integrate.quad(between, -t, t, points=points or None)
    return math.exp(-epsilon * t) * (0.5 * normal(t) + 0.5 * normal(-t) + inside)


@pytest.mark.parametrize("epsilon", [0.5, 3.0])
def test_the_damped_wave_is_the_telegraph_law(epsilon: float) -> None:
    t = 2.0  # before the fronts meet their images
    current = GridCurrent.of_points(DampedWave(epsilon), LINE, torch.zeros(1, 1))
    x = torch.tensor([[0.0], [0.7], [1.5], [2.0], [2.1]], dtype=torch.float64)
    expected = [telegraph(float(v), t, epsilon, 2 * LINE.spacing) for v in x]
    torch.testing.assert_close(
        current.density(x, t), torch.tensor(expected, dtype=torch.float64), rtol=1e-4, atol=1e-6
    )
    # Nobody outruns the front.
    assert float(current.field(x, t)[0].abs().max()) <= 1 + 1e-4


def test_the_ideal_wave_is_two_halves_that_part_at_speed_1() -> None:
    current = GridCurrent.of_points(Wave(), LINE, torch.zeros(1, 1))
    x = torch.tensor([[1.5], [1.4], [-1.6]], dtype=torch.float64)
    half = scipy.stats.norm(1.5, 2 * LINE.spacing).pdf(x.abs().numpy())[:, 0] / 2
    torch.testing.assert_close(current.density(x, 1.5), torch.from_numpy(half), rtol=1e-3, atol=0)
    torch.testing.assert_close(current.field(x, 1.5)[0], x.sign(), rtol=1e-4, atol=0)


@boxes
def test_schroedingers_packet_spreads_as_it_should(box: Box) -> None:
    # |φ|² stays Gaussian with variance s² + (t/s)², and v = x (t/s²) / variance.
    s, t = 0.5, 0.2
    points = box.points()
    density = torch.exp(-points.square().sum(-1) / (2 * s**2))
    current = GridCurrent.of_density(Schroedinger(), box, density)
    variance = s**2 + (t / s) ** 2
    x = torch.tensor([[0.2, -0.1], [0.9, 0.3]], dtype=torch.float64)[:, : box.dimension]
    expected = torch.exp(-x.square().sum(1) / (2 * variance)) / (2 * math.pi * variance) ** (
        box.dimension / 2
    )
    torch.testing.assert_close(current.density(x, t), expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(current.field(x, t)[0], x * (t / s**2) / variance, rtol=1e-3, atol=1e-4)


@boxes
@pytest.mark.parametrize("row", [Heat(), Poisson(), Screened(M)], ids=lambda row: row.name)
def test_velocity_and_deaths_agree_with_the_closed_form_in_free_space(row: Row, box: Box) -> None:
    # In a box so large that no image is felt; the blur is made of points of its own, by Gauss-Hermite.
    large = {1: Box(1, 256.0, 1024), 2: Box(2, 32.0, 128)}[box.dimension]
    data = torch.tensor([[-1.0, 0.2], [0.5, 0.9], [0.8, -0.7]], dtype=torch.float64)[:, : box.dimension]
    weights = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    node, mass = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(7))
    offsets = torch.cartesian_prod(*[node] * box.dimension).reshape(-1, box.dimension)
    masses = torch.cartesian_prod(*[mass] * box.dimension).reshape(-1, box.dimension).prod(1)
    blob = (data[:, None] + 2 * large.spacing * offsets).reshape(-1, box.dimension)
    kernel = kernel_of(row)
    assert kernel is not None
    exact = KernelCurrent.of_points(kernel, blob, (weights[:, None] * masses).flatten())
    grid = GridCurrent.of_points(row, large, data, weights)
    x = torch.tensor([[0.1, 0.3], [-1.2, 0.9], [2.0, -0.5]], dtype=torch.float64)[:, : box.dimension]
    for found, expected in zip(grid.field(x, 2.0), exact.field(x, 2.0), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.01, atol=5e-3)
    torch.testing.assert_close(grid.density(x, 2.0), exact.density(x, 2.0), rtol=0.01, atol=0)


@boxes
def test_points_are_drawn_from_the_density(box: Box) -> None:
    data = torch.tensor([[-1.0, 0.5], [1.0, -0.5]])[:, : box.dimension]
    current = GridCurrent.of_points(Heat(), box, data, torch.tensor([1.0, 3.0]))
    x = current.draw(20_000, 0.02, seeded())[:, 0].numpy()
    sd = math.sqrt(0.04 + (2 * box.spacing) ** 2 + box.spacing**2 / 6)  # and the triangular step

    def cdf(v: np.ndarray) -> np.ndarray:
        return 0.25 * scipy.stats.norm.cdf(v, -1, sd) + 0.75 * scipy.stats.norm.cdf(v, 1, sd)

    assert scipy.stats.kstest(x, cdf).pvalue > 1e-3


@boxes
def test_splines_between_the_points_are_of_fourth_order(box: Box) -> None:
    x = 8 * torch.rand(50, box.dimension, generator=seeded(), dtype=torch.float64) - 4
    errors = []
    for cells in (32, 64):
        coarse = Box(box.dimension, L, cells)
        k = 2 * math.pi / L * 3
        values = torch.cos(k * coarse.points()).prod(-1)
        found = coarse.interpolate(coarse.transform(values)[None], x)[:, 0]
        errors.append(float((found - torch.cos(k * x).prod(-1)).abs().max()))
    assert errors[1] < errors[0] / 12
    assert errors[1] < 1e-4


def test_what_does_not_fit_is_refused(refused: Refused) -> None:
    make = GridCurrent.of_points
    assert "outside the box" in refused(make, Heat(), LINE, torch.tensor([[5.0]]))
    assert "(n, 2)" in refused(make, Heat(), PLANE, torch.zeros(3, 1))
    assert "not finite" in refused(make, Heat(), LINE, torch.tensor([[math.nan]]))
    assert "weights" in refused(make, Heat(), LINE, torch.zeros(2, 1), torch.tensor([1.0, -1.0]))
    assert "density" in refused(GridCurrent.of_density, Heat(), LINE, torch.zeros(7))
