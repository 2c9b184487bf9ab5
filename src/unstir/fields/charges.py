"""Fields of many charges in one, two or three dimensions: sums over all of them, fast and to a stated error.

For targets x, charges q at y and a radial kernel k of `kernels.py`, ρ = ‖x − y‖,

    total(x) = Σ_j q_j k(ρ_j)          pull(x) = Σ_j q_j k(ρ_j) (x − y_j)

With k = (ρ² + z²)^{−(N+1)/2}, z · total and pull are the components of PFGM's field at the height z (Xu 2022,
equation 3); for any law of noise pull/total = x − E[y | x]. Cubes of points are paired by `pairing.py`; those
apart are summed by `farfield.py`, those close by `nearfield.py`.

The bound. Let ε be the tolerance. What is computed are both sums with one and the same k̃ in the place of k,

    |k̃ − k| ≤ a k            where cubes are interpolated: known before any charge is summed (`chebyshev.py`)
    |k̃ − k| ≤ p_j            where they are neglected, with Σ_j |q_j| p_j ≤ 0.15 ε Σ_j |q_j| k(ρ_j)

a = 0.8 ε, or 0.95 ε where there is no softening and nothing neglected; 0.05 ε is left to rounding. So at each
target, wherever the points are and whatever the signs,

    |error of total| ≤ ε Σ |q_j| k(ρ_j)
    |error of pull|  ≤ ε Σ |q_j| k(ρ_j) (ρ_j + R + 0.05 ℓ)
    |error of D|     ≤ ε/(1−ε) E[‖y − D‖ + R + 0.05 (ρ + ℓ)]    D = x − pull/total, q > 0

with E over the charges by their shares in total, R = 0.15 max ρ for what is neglected, ℓ the kernel's unit.
Without softening there is neither: R = ℓ = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.boxes import Cloud
from unstir.fields.chebyshev import nodes_for
from unstir.fields.exact import ExactField
from unstir.fields.farfield import FarField
from unstir.fields.field import Slice
from unstir.fields.kernels import Kernel, kernel_of
from unstir.fields.nearfield import NearField
from unstir.fields.pairing import stages
from unstir.fields.tiles import direct
from unstir.physics import LinearProcess

_FINEST = 1e-10
_DIRECT = {1: 1e6, 2: 4e6, 3: 3e7}  # pairs up to which all are summed one by one
_FAINT = 1e-9  # of the noise: a signal of which nothing is left to divide by
_ROUNDING = 0.05  # share of the tolerance
_SINGLE = 1e-4  # from which on float32 serves


@dataclass(frozen=True)
class Sums:
    """What charges do at each target, over e^{log_scale} of the kernel.

    Attributes:
        total: Σ q k, `(targets,)`, float64.
        pull: Σ q k (x − y), `(targets, d)`, float64.
    """

    total: Tensor
    pull: Tensor


def kernel_sums(
    x: Tensor, y: Tensor, kernel: Kernel, charges: Tensor | None = None, tolerance: float = 1e-3
) -> Sums:
    """Both sums at all targets, to `tolerance` as stated above.

    Args:
        x: targets `(targets, d)`.
        y: places of the charges `(sources, d)`. In more than 3 dimensions all pairs are summed one by one.
        kernel: k; of a singular one a charge at the target itself counts nothing.
        charges: q, of either sign, `(sources,)`; 1 each by default.
        tolerance: ε, from 1e-10 to 0.1.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or a tolerance out of range.
    """
    charges = (
        torch.ones(len(y), dtype=torch.float64, device=y.device) if charges is None else charges.double()
    )
    _check(x, y, charges, tolerance)
    x, y = x.double(), y.double()
    largest = float(charges.abs().max())
    if largest == 0:
        return Sums(x.new_zeros(len(x)), torch.zeros_like(x))
    held = charges != 0
    y, charges = y[held], charges[held] / largest
    d = x.shape[1]
    if d > 3 or len(x) * len(y) <= _DIRECT[d]:
        sums = direct_sums(x, y, charges, kernel)
    else:
        sums = _fast(x, y, charges, kernel, tolerance)
    return Sums(sums.total * largest, sums.pull * largest)


def direct_sums(x: Tensor, y: Tensor, charges: Tensor, kernel: Kernel) -> Sums:
    """Both sums over all pairs one by one, in the dtype of x."""
    centre = y.mean(0)
    x, y = ((value - centre) / kernel.unit for value in (x, y))
    found = direct(x.T, y.T, torch.cat([charges[None], charges * y.T]), kernel).T.double()
    return Sums(found[:, 0], kernel.unit * (x * found[:, :1] - found[:, 1:]))


def _fast(x: Tensor, y: Tensor, charges: Tensor, kernel: Kernel, tolerance: float) -> Sums:
    d = x.shape[1]
    low, high = torch.minimum(x.amin(0), y.amin(0)), torch.maximum(x.amax(0), y.amax(0))
    side = float((high - low).max()) * (1 + 1e-9) or 1.0
    targets, sources = Cloud(x, low, side), Cloud(y, low, side)
    charges = charges[sources.order]
    neglected = 0.15 * tolerance
    goal = (0.95 if kernel.singular else 0.8) * tolerance
    nodes = nodes_for(min(kernel.order, d + 1.0), d, goal)
    work = stages(targets, sources, charges.abs(), kernel, nodes, (goal, neglected))
    total, pull = x.new_zeros(len(x)), torch.zeros_like(x)
    # A mean over charges that all lie close together, far away, would be lost in float32.
    extent = float((y.amax(0) - y.amin(0)).max())
    single = tolerance >= _SINGLE and tolerance * extent >= 0.1 * _SINGLE * side
    dtype = torch.float32 if single else torch.float64
    FarField(targets, sources, charges, nodes, dtype).add_to(total, pull, work)
    near = NearField(targets, sources, charges, kernel, _ROUNDING * tolerance, dtype)
    for stage in work:
        near.add_to(total, pull, stage.level, stage.near)
    back = torch.empty_like(targets.order)
    back[targets.order] = torch.arange(len(x), device=x.device)
    return Sums(total[back], pull[back])


class ChargesField:
    """The denoiser of the empirical law of `data` in one to three dimensions: `ExactField`, by fast sums.

    Targets so far out that all weights are below 1e-30 of that of a charge on the spot are answered by
    `ExactField`, in logarithms.

    Args:
        process: a linear process in the pixel basis, without damping.
        data: points `(points, N)`, N from 1 to 3.
        weights: their shares `(points,)`; equal by default.
        tolerance: ε of the bound on D.

    Raises:
        InputError: data of another shape, weights or a tolerance that do not fit, or a process that damps.
    """

    def __init__(
        self, process: LinearProcess, data: Tensor, weights: Tensor | None = None, tolerance: float = 1e-3
    ) -> None:
        if data.ndim != 2 or not 1 <= data.shape[1] <= 3:
            raise InputError(f"data: has shape {tuple(data.shape)}; give (points, N) with N from 1 to 3")
        if process.damping is not None:
            raise InputError(f"process={process.name}: damps each mode on its own; use ExactField")
        self.process, self.tolerance = process, tolerance
        self.exact = ExactField(process, data, weights)
        self._data = data.double()
        self._extent = float((data.amax(0) - data.amin(0)).max())
        shares = torch.ones(len(data), device=data.device) if weights is None else weights
        self._weights = shares.double() / shares.double().max()
        _check(self._data[:1], self._data, self._weights, tolerance)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x_t = x], `(batch, N)`, for times `(batch,)`: one sum for each time that occurs."""
        out = torch.empty_like(x)
        for time in torch.unique(t):
            chosen = t == time
            out[chosen] = self.at(float(time))(x[chosen], None)
        return out

    def at(self, t: float) -> Slice:
        """The field at one time."""
        time = torch.tensor(t, dtype=torch.float64)
        A, B = float(self.process.A(time)), float(self.process.B(time))
        if A * self._extent < _FAINT * B:
            return self.exact.at(t)
        return lambda x, label: self._posterior_mean(x, t, A, B)

    def _posterior_mean(self, x: Tensor, t: float, A: float, B: float) -> Tensor:
        self.exact._check(x)
        kernel = kernel_of(self.process.noise, B, x.shape[1])
        coordinates = self.process.basis.coordinates(x).double()
        y = A * self._data
        sums = kernel_sums(coordinates, y, kernel, self._weights, self.tolerance)
        found = (coordinates - sums.pull / sums.total[:, None]) / A
        lost = ~(sums.total > 1e-30)
        out = self.process.basis.state(found.to(x.dtype))
        if bool(lost.any()):
            out[lost] = self.exact.at(t)(x[lost], None)
        return out


def _check(x: Tensor, y: Tensor, charges: Tensor, tolerance: float) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not len(y) or not x.shape[1]:
        raise InputError(
            f"x, y: have shapes {tuple(x.shape)} and {tuple(y.shape)}; give (targets, d) and (sources, d)"
        )
    if charges.shape != (len(y),):
        raise InputError(f"charges: have shape {tuple(charges.shape)}; give one for each of {len(y)} sources")
    for name, values in (("x", x), ("y", y), ("charges", charges)):
        if not bool(values.isfinite().all()):
            raise InputError(f"{name}: {int((~values.isfinite()).sum())} values are NaN or infinite")
    if not _FINEST <= tolerance <= 0.1:
        raise InputError(f"tolerance={tolerance:g}: give one from {_FINEST:g} to 0.1")
