"""Damping: e^{−λτ} against the heat equation itself, rates against differences, floors kept."""

from __future__ import annotations

import math

import pytest
import scipy.fft
import torch
from scipy.linalg import expm

from unstir.physics import CosineModes, Damping, LogBlur, SineBlur
from unstir.physics.basis import eigenvalues

DAMPINGS: list[Damping] = [SineBlur(0.625), SineBlur(0.3, 0.0), LogBlur(0.5), LogBlur(0.25, 0.2)]


@pytest.mark.parametrize("shape", [(5,), (1, 6, 4), (3, 5, 8)])
def test_modes_are_the_orthonormal_dct_and_come_back(shape: tuple[int, ...]) -> None:
    x = torch.randn(7, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    basis = CosineModes()
    axes = (-2, -1) if len(shape) == 3 else (-1,)
    expected = scipy.fft.dctn(x.numpy(), type=2, axes=axes, norm="ortho")
    torch.testing.assert_close(basis.coordinates(x), torch.from_numpy(expected), rtol=0, atol=1e-12)
    torch.testing.assert_close(basis.state(basis.coordinates(x)), x, rtol=0, atol=1e-12)
    torch.testing.assert_close(basis.coordinates(x).flatten(1).norm(dim=1), x.flatten(1).norm(dim=1))


@pytest.mark.parametrize("damping", DAMPINGS)
def test_the_rate_is_the_slope_of_the_factor(damping: Damping) -> None:
    s, h = torch.linspace(0.05, 0.95, 9, dtype=torch.float64), 1e-5
    slope = (damping.factor(s + h, (1, 6, 9)) - damping.factor(s - h, (1, 6, 9))) / (2 * h)
    torch.testing.assert_close(damping.rate(s, (1, 6, 9)), slope, rtol=1e-6, atol=1e-8)


def test_one_factor_is_heat_on_a_rod_with_insulated_ends() -> None:
    """A blur of σ_B is heat let flow for σ_B²/2, here on a rod by the matrix exponential."""
    n, damping = 64, LogBlur(0.1)
    laplace = (
        torch.diag(torch.full((n,), -2.0))
        + torch.diag(torch.ones(n - 1), 1)
        + torch.diag(torch.ones(n - 1), -1)
    )
    laplace[0, 0] = laplace[-1, -1] = -1
    x = torch.linspace(0, 1, n, dtype=torch.float64)
    temperature = torch.exp(-((x - 0.3) ** 2) / 0.02)[None]
    s = torch.tensor(0.8, dtype=torch.float64)
    width = float(damping.width(s, n))
    flowed = torch.from_numpy(expm(laplace.double().numpy() * width**2 / 2)) @ temperature[0]
    basis = CosineModes()
    blurred = basis.state(damping.factor(s, (n,)) * basis.coordinates(temperature))[0]
    torch.testing.assert_close(blurred, flowed, rtol=0, atol=2e-3)
    # And a blur a tenth wider is not that.
    wider = basis.state(damping.factor(torch.tensor(1.0), (n,)) * basis.coordinates(temperature))[0]
    assert float((wider - flowed).abs().max()) > 1e-2


def test_the_uniform_mode_is_never_damped_and_others_stop_at_the_floor() -> None:
    for damping in DAMPINGS:
        factor = damping.factor(torch.tensor([0.0, 0.5, 1.0]), (1, 8, 8))
        assert torch.equal(factor[:, 0, 0, 0], torch.ones(3, dtype=torch.float64))
        assert float(factor.min()) >= damping.floor
        assert bool((factor.diff(dim=0) <= 0).all())


def test_a_side_sets_the_largest_blur_and_each_axis_has_its_own_waves() -> None:
    assert float(SineBlur(0.625).width(torch.tensor(1.0), 32)) == pytest.approx(20)
    assert float(LogBlur(0.5).width(torch.tensor(1.0), 28)) == pytest.approx(14)
    assert float(LogBlur(0.5).width(torch.tensor(0.0), 28)) == pytest.approx(0.5)
    modes = eigenvalues((1, 4, 10))
    assert modes.shape == (1, 4, 10)
    assert float(modes[0, 3, 0]) == pytest.approx((math.pi * 3 / 4) ** 2)
    assert float(modes[0, 0, 7]) == pytest.approx((math.pi * 7 / 10) ** 2)
