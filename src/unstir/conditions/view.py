"""What a field tells of y at a state: its mean, and by the field's slope its covariance.

For x = A y + B √W n the kernel's slope is ∇ₓ log p(x | y) = −w(‖ε‖²) (x − A y)/B² with w = E[1/W | ‖ε‖²], and
so (Tweedie's formula, once more differentiated)

    ∂D/∂x = Cov(y, w (A y − x) | x)/B²     ⇒     Cov[y | x] = B²/w A⁻¹ (∂D/∂x)ᵀ

exactly where W is one number (Gaussian noise), and up to how much w still varies given x for the mixed laws:
about √(2/(N + D)) for Poisson flow. There w is taken at E‖ε‖² = ‖x − A D‖²/B² + tr(A ∂D/∂x)/w, with the trace
from one product with fixed random signs.

A mode whose signal is lost in noise has a slope near 0, from which nothing follows: with q = A s √w/B and s²
the variance of the mode, a slope counts by S = q/√(q² + τ²), and for the rest of it stands Wiener's filter of
all that the process knows of its data (`cloud.py`), whose covariance is C_w:

    C = C_w + S (C_slope − C_w) S

For normal data that is exact whatever τ is. A trained network's slope is worth nothing below q = 1/30, a
closed form's always.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from unstir.conditions.cloud import cloud_of
from unstir.conditions.conjugate import conjugate_gradients
from unstir.conditions.measurement import Measurement, across, pull
from unstir.fields import Slice
from unstir.flow.solver import Coefficient
from unstir.physics import LinearProcess
from unstir.physics.noise import Noise

_STEP = 1e-2  # of log ‖ε‖², for the slope of a law's log density
_ROUNDS = 6  # of w
_EXACT = 8  # numbers in an item up to which its trace is taken in full


class View:
    """A field at states x of one time, seen by a measurement.

    Args:
        field: bound to the time.
        process: its process.
        x: states, `(batch, *shape)`.
        t: the time, `(1,)` float64.
        label: class numbers `(batch,)`, or None.
        measurement: H and σ.
        observed: o, `(batch, *observed)`.
        lost: τ.

    Attributes:
        denoised: D, `(batch, *shape)`.
        residual: o − H(D), `(batch, *observed)`.
    """

    def __init__(
        self,
        field: Slice,
        process: LinearProcess,
        x: Tensor,
        t: Tensor,
        label: Tensor | None,
        measurement: Measurement,
        observed: Tensor,
        lost: float,
    ) -> None:
        self.process, self.measurement = process, measurement
        shape = x.shape[1:]
        with torch.enable_grad():
            self._x = x.detach().requires_grad_(True)
            self._out = field(self._x, label)
        self.denoised = self._out.detach()
        self._pull = pull(measurement, self.denoised)
        self.residual = observed - measurement(self.denoised)
        self._A, self._B, self._lost = process.signal(t, shape).to(x), float(process.B(t)), lost
        self._cloud = cloud_of(process, shape)
        self._variance = self._cloud.variance.to(x)

    @property
    def total(self) -> float:
        """V, the variance of all of y together, as far as the process knows it."""
        return float(self._variance.expand(self._x.shape[1:]).double().sum())

    @cached_property
    def _energy(self) -> tuple[Tensor, Tensor]:
        """E‖ε‖² and w, float64 `(batch,)`."""
        noise, N = self.process.noise, self._x[0].numel()
        coordinates = self.process.basis.coordinates
        seen = (coordinates(self._x.detach()) - self._A * coordinates(self.denoised)) / self._B
        squared = seen = seen.flatten(1).double().square().sum(1)
        trace = self._trace().clamp(0, N)
        w = torch.ones_like(seen)
        for _ in range(_ROUNDS):
            w = mean_precision(noise, squared, N)
            squared = seen + trace / w
        return squared, w

    @cached_property
    def precision(self) -> Tensor:
        """w, `(batch or 1, 1, …)`."""
        mixed = self.process.noise.mixed
        return across(self._energy[1] if mixed else torch.ones(1), self._x.detach())

    def mixing(self, low: Coefficient, high: float, uniform: Tensor, other: Tensor) -> Tensor:
        """A draw of W for the noise that takes x from B = `low` to `high`, `(batch or 1, 1, …)`.

        Args:
            low: B of the states, or one a mode where they are blurred besides.
            high: above it.
            uniform: draws in (0, 1), `(batch,)`.
            other: likewise.
        """
        noise, like = self.process.noise, self._x.detach()
        if not noise.mixed:
            return across(torch.ones(1), like)
        squared, N = self._energy[0].cpu(), like[0].numel()
        if isinstance(low, float) and low < high:
            return across(noise.mixing_added(low, high, squared, N, uniform, other), like)
        return across(noise.mixing_given(squared, N, uniform), like)

    def roughly_solve(self, residual: Tensor) -> Tensor:
        """(H C Hᵀ + σ²)⁻¹ r with C the Wiener filter's variances s²/(1 + q²) in place of the covariance.

        Without damping they are one number, and the measurement knows the answer; with it one a mode.
        """
        shape, variance = self._x.shape[1:], self.spread
        if self.process.damping is None:
            return self.measurement.solve(residual, variance.flatten(1)[:, 0], shape)
        basis, H = self.process.basis, self.measurement

        def system(u: Tensor) -> Tensor:
            return H(basis.state(variance * basis.coordinates(self.pull(u)))) + H.sigma**2 * u

        return conjugate_gradients(system, residual)

    @cached_property
    def spread(self) -> Tensor:
        """s²/(1 + q²), what a Wiener filter leaves unknown of each mode, `(batch or 1, *modes)`."""
        return self._variance / (1 + self._ratio)

    @cached_property
    def _ratio(self) -> Tensor:
        """q², `(batch or 1, *modes)`."""
        return self._A.square() * self._variance * self.precision / self._B**2

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
        """Factors after and before the slope, and what Wiener's filter leaves unknown."""
        q2 = self._ratio
        share = q2 + self._lost**2
        # B²/(A w) times the mode's share, half of that on either side, so that the product stays symmetric.
        side = (q2 / share).sqrt()
        after = (self._variance * self._A / share) / side.clamp_min(torch.finfo(side.dtype).tiny)
        return after, side, self._cloud.left(self._A.square() * self.precision / self._B**2)

    def covariance(self, v: Tensor) -> Tensor:
        """Cov[y | x] v, `(batch, *shape)`."""
        after, side, left = self._parts
        basis = self.process.basis
        modes = basis.coordinates(v)
        carried = basis.coordinates(self._slope(basis.state(side * modes)))
        return basis.state(after * carried + left(modes) - side * left(side * modes))

    def pull(self, u: Tensor) -> Tensor:
        """(∂H/∂y)ᵀ u at D."""
        return self._pull(u)

    def _slope(self, v: Tensor) -> Tensor:
        """(∂D/∂x)ᵀ v."""
        (found,) = torch.autograd.grad(self._out, self._x, v, retain_graph=True)
        return found

    def _trace(self) -> Tensor:
        """tr(A ∂D/∂x), float64 `(batch,)`."""
        basis = self.process.basis
        return self._traced(lambda v: basis.state(self._A * basis.coordinates(self._slope(v))))

    def _traced(self, matrix: Callable[[Tensor], Tensor]) -> Tensor:
        """A trace, float64 `(batch,)`: by fixed random signs, or in full where items are small."""
        shape, N = self._x.shape[1:], self._x[0].numel()
        if N <= _EXACT:
            probes = torch.eye(N, dtype=torch.float64)
        else:
            generator = torch.Generator().manual_seed(0)
            probes = torch.randint(0, 2, (1, N), generator=generator).double() * 2 - 1
        total = torch.zeros(len(self._x), dtype=torch.float64, device=self._x.device)
        for probe in probes.to(self._x):
            v = probe.reshape(1, *shape).expand_as(self._x)
            total += (matrix(v) * v).flatten(1).double().sum(1)
        return total


def mean_precision(noise: Noise, squared: Tensor, dimension: int) -> Tensor:
    """E[1/W | ‖ε‖²] = −2 d log p/d‖ε‖², from the law's own density; float64."""
    s = squared.double().clamp_min(1e-12)
    up, down = (noise.log_density(s * math.exp(h), dimension) for h in (_STEP, -_STEP))
    return ((down - up) / (_STEP * s)).clamp_min(1e-12)
