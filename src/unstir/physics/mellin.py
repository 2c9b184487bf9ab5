"""The positive stable law W, E exp(−kW) = exp(−k^β) with 0 < β < 1, through its moments.

W has no density in closed form, but E W^z = Γ(1 − z/β) / Γ(1 − z), z < β. So Mellin's inversion gives, with
z = r + β − d and λ = log x,

    E[W^{−r} e^{−x/W}] = e^{−(r+β)λ} (1/2πi) ∫ Γ(r+β−d) Γ(d/β) / Γ(1−β+d) e^{dλ} dd
    density of log W   = e^{−βλ}     (1/2πi) ∫            Γ(d/β) / Γ(1−β+d) e^{dλ} dd    at log W = λ

up the imaginary direction between the poles. The integrand's logarithm φ is convex on the real axis; through
its least point d₀ runs the parabola d = d₀ + iτ + φ'''τ²/(6φ'') of steepest descent, along which nothing
cancels: the trapezoid rule is as accurate in either tail, and at r = 1500, as in the middle. It holds to 1e-6
for β from 0.1 to 0.995; nearer to 1, where W turns into the constant 1, the nodes no longer reach far enough.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NODES = 140  # of the trapezoid rule
_STEP = 0.2  # in widths of the saddle, near it
_REACH = 4.0  # widths from which on the nodes spread exponentially
_LOWEST = -45.0  # log of what is left out


def log_laplace(beta: float, order: float, log_x: Array) -> tuple[Array, Array]:
    """log E[W^{−order} exp(−x/W)] and its derivative in log x, for −order < `beta`."""
    return _integral(beta, order, log_x, True)


def log_density_of_log(beta: float, log_w: Array) -> tuple[Array, Array]:
    """The log density of log W and its derivative."""
    return _integral(beta, 0.0, log_w, False)


def log_moment(beta: float, order: float) -> float:
    """log E W^{−order}, for −order < `beta`."""
    from scipy.special import gammaln

    return float(gammaln(1 + order / beta) - gammaln(1 + order))


def log_scale(beta: float, r: float) -> float:
    """log x₀ such that E[W^{−r} e^{−x/W}] falls from x = 0 as (1 + x/x₀)^{−r−β} does."""
    return float(np.log(r + beta)) + log_moment(beta, r) - log_moment(beta, r + 1)


def _integral(beta: float, r: float, log_x: Array, laplace: bool) -> tuple[Array, Array]:
    from scipy.special import loggamma

    d, second, third = _saddle(beta, r, log_x, laplace)
    end = r + beta
    # Steps are no longer than the way to the nearest pole allows.
    width = np.minimum(second**-0.5, np.minimum(d, end - d) if laplace else d)
    u = _STEP * np.arange(_NODES)
    tau, rate = width[:, None] * (_REACH * np.sinh(u / _REACH)), np.cosh(u / _REACH)
    # A hyperbola: the parabola at the saddle, straight lines far out. These lean as far as x lies outside the
    # range where the Γ functions balance.
    bend = (third / (6 * second))[:, None]
    lean = np.full_like(bend, 0.5)
    if laplace:
        low, high = log_scale(beta, r), np.log(max(r, 1.0))
        lean = np.clip(np.maximum(log_x - high, low - log_x)[:, None] / 16, 0.15, 0.5)
    root = np.sqrt(1 + (bend * tau / lean) ** 2)
    shift = 1j * tau + bend * tau**2 / root
    turn = rate * (1 - 1j * bend * tau * (1 + 1 / root**2) / root)
    at, gap = d[:, None] + shift, (end - d)[:, None] - shift
    phi = loggamma(at / beta) - loggamma(1 - beta + at) + at * log_x[:, None]
    if laplace:
        phi += loggamma(gap)
    top = phi[:, 0].real.copy()
    phi -= top[:, None]
    # Far out, where the lines have passed all that counts, they may climb other hills.
    phi[np.minimum.accumulate(phi.real, 1) < _LOWEST] = -np.inf
    value = np.exp(phi) * turn
    value[:, 0] *= 0.5
    total = value.real.sum(1)
    mean = (value * at).real.sum(1) / total
    log_value = top - end * log_x + np.log(total * width * (_STEP / np.pi))
    return log_value, mean - end


def _saddle(beta: float, r: float, log_x: Array, laplace: bool) -> tuple[Array, Array, Array]:
    """The least point of φ on the real axis, with φ'' and φ''' there."""
    from scipy.special import digamma, polygamma

    end = r + beta

    def slope(d: Array, gap: Array) -> Array:
        value: Array = digamma(d / beta) / beta - digamma(1 - beta + d) + log_x
        return value - digamma(gap) if laplace else value

    # φ' rises with d; bisect in q, where d = end/(1 + e^{−q}), or d = e^q when nothing bounds it.
    def place(q: Array) -> tuple[Array, Array]:
        if laplace:
            return end / (1 + np.exp(-q)), end / (1 + np.exp(q))
        return np.exp(q), np.exp(q)

    low, high = np.full_like(log_x, -80.0), np.full_like(log_x, 80.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        rising = slope(*place(middle)) > 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    d, gap = place(0.5 * (low + high))
    second = polygamma(1, d / beta) / beta**2 - polygamma(1, 1 - beta + d)
    third = polygamma(2, d / beta) / beta**3 - polygamma(2, 1 - beta + d)
    if laplace:
        second = second + polygamma(1, gap)
        third = third - polygamma(2, gap)
    return d, second, third
