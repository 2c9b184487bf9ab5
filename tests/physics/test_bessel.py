from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import torch
from torch import Tensor

from unstir.physics.bessel import log_bessel_k


def log_k(order: float, z: Tensor) -> Tensor:
    """log ∫₀^∞ exp(−z cosh t) cosh(νt) dt (DLMF 10.32.9), where scipy's K over- or underflows.

    Even and smooth, so the trapezoid rule converges exponentially.
    """
    values = []
    for at in z.tolist():
        peak, width = np.arcsinh(order / at), (order**2 + at**2) ** -0.25
        t = np.linspace(0, peak + min(12 * width, 8) + 4 / (1 + at), 40_001)
        exponent = -at * np.cosh(t) + order * t + np.log1p(np.exp(-2 * order * t)) - np.log(2)
        top = exponent.max()
        values.append(top + np.log(scipy.integrate.trapezoid(np.exp(exponent - top), t)))
    return torch.tensor(np.array(values))


@pytest.mark.parametrize("order", [0, 0.5, 1, 1.5, 2, 3.5, 7, 15.5, 16, 16.5, 32.5, 100])
def test_it_agrees_with_scipy(order: float) -> None:
    z = torch.logspace(-1.5, 4, 60, dtype=torch.float64)
    expected = np.log(scipy.special.kve(order, z.numpy())) - z.numpy()
    finite = np.isfinite(expected)
    assert finite.sum() > 40
    np.testing.assert_allclose(
        log_bessel_k(order, z).numpy()[finite], expected[finite], rtol=1e-12, atol=3e-10
    )


@pytest.mark.parametrize("order", [0, 1, 15.5, 16, 33, 512.5, 1536.5])
def test_it_keeps_its_digits_where_k_itself_overflows(order: float) -> None:
    z = torch.tensor([1e-3, 0.1, 3.0, 200.0, 1536.0, 1e5], dtype=torch.float64)
    torch.testing.assert_close(log_bessel_k(order, z), log_k(order, z), rtol=1e-12, atol=3e-10)


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 7.5, 15, 16, 40.5, 1536.5])
def test_its_gradient_is_the_recurrences(order: float) -> None:
    # K_ν'/K_ν = −½ (K_{ν−1} + K_{ν+1}) / K_ν (DLMF 10.29.1)
    z = torch.tensor([0.05, 1.0, 30.0, 2000.0], dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(log_bessel_k(order, z).sum(), z)
    with torch.no_grad():
        below, at, above = (log_k(abs(order + k), z) for k in (-1, 0, 1))
    torch.testing.assert_close(found, -0.5 * ((below - at).exp() + (above - at).exp()), rtol=1e-9, atol=0)


@pytest.mark.parametrize("order", [-1, 0.3, 2.25])
def test_other_orders_are_refused(order: float) -> None:
    with pytest.raises(ValueError, match="non-negative multiple of 1/2"):
        log_bessel_k(order, torch.ones(1))
