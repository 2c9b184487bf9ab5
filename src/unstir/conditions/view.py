"""What a field tells of y at a state: its mean, and by the field's slope its covariance.

For x = A y + B √W n the kernel's slope is ∇ₓ log p(x | y) = −w(‖ε‖²) (x − A y)/B² with w = E[1/W | ‖ε‖²], and
so (Tweedie's formula, once more differentiated), with r = (x − A D)/B and M = E[w (y − D)(y − D)ᵀ | x],

    ∂D/∂x = Cov(y, w (A y − x) | x)/B² = (M A/B − Cov(w, y | x) rᵀ)/B

for any data. Where W is one number the last term is none, and M is w Cov[y | x]. Where W varies the slope
sees it along r alone: J = A ∂D/∂x and M' = A M A/B² agree on all that is at right angles to r,

    J Π = M' Π      Π = I − r rᵀ/‖r‖²      M' is symmetric

so that one number of M' is left open, rᵀ M' r; Wiener's filter gives it, where the process was prepared on
its data. Else J is taken for M', and for particles too, whose weights make up for it. Then Cov[y | x] is M/w,
up to how much w still varies given x: about √(2/(N + D)) for Poisson flow. There w is taken at
E‖ε‖² = ‖r‖² + tr(Π J)/w, with the trace from one product with fixed random signs. Items of few numbers have
the laws of y for every W (`mixed.py`).

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

from unstir.conditions.cloud import cloud_of, usual_variance
from unstir.conditions.conjugate import conjugate_gradients
from unstir.conditions.measurement import Measurement, across, pull
from unstir.conditions.mixed import FEW, Mixed
from unstir.fields import Slice
from unstir.flow.solver import Coefficient
from unstir.physics import LinearProcess
from unstir.physics.noise import Noise

_STEP = 1e-2  # of log ‖ε‖², for the slope of a law's log density
_ROUNDS = 6  # of w
_MIXED = 0.03  # τ where W varies, at least: an error of Wiener's one number grows as 1/q²
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
        laws: whether, where W varies, Wiener's filter is to tell it from y; else J is taken for M'.

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
        *,
        laws: bool = False,
    ) -> None:
        self.process, self.measurement = process, measurement
        shape = x.shape[1:]
        with torch.enable_grad():
            self._x = x.detach().requires_grad_(True)
            self._out = field(self._x, label)
        self.denoised = self._out.detach()
        self._pull = pull(measurement, self.denoised)
        self.residual = observed - measurement(self.denoised)
        self._A, self._B = process.signal(t, shape).to(x), float(process.B(t))
        self._told = laws and process.noise.mixed and process.centre is not None
        self._lost = max(lost, _MIXED) if self._told else lost
        self._cloud = cloud_of(process, shape)
        self._variance = usual_variance(process, shape).to(x)

    @property
    def total(self) -> float:
        """V, the variance of all of y together, as far as the process knows it."""
        return float(self._variance.expand(self._x.shape[1:]).double().sum())

    @cached_property
    def _energy(self) -> tuple[Tensor, Tensor]:
        """E‖ε‖² and w, float64 `(batch,)`."""
        noise, N = self.process.noise, self._x[0].numel()
        r, length, image = self._away
        squared = seen = length.flatten().double().square()
        along = _dot(r, image).flatten().double() if self._told else 0.0
        trace = (self._trace() - along).clamp(0, N)
        w = torch.ones_like(seen)
        for _ in range(_ROUNDS):
            w = mean_precision(noise, squared, N)
            squared = seen + trace / w
        return squared, w

    @cached_property
    def precision(self) -> Tensor:
        """w, `(batch or 1, 1, …)`."""
        if not self.process.noise.mixed:
            return across(torch.ones(1), self._x.detach())
        w = self._energy[1] if self.mixed is None else self.mixed.precision
        return across(w, self._x.detach())

    @cached_property
    def mixed(self) -> Mixed | None:
        """The laws of y for every W, where they are to be told and items have few numbers."""
        x = self._x.detach()
        if not self._told or x[0].numel() > FEW:
            return None
        return Mixed(self.process.noise, self._cloud, self.process.basis.coordinates(x), self._A[0], self._B)

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
    def _side(self) -> Tensor:
        """S, `(batch or 1, *modes)`."""
        return (self._ratio / (self._ratio + self._lost**2)).sqrt()

    @cached_property
    def _left(self) -> Callable[[Tensor], Tensor]:
        """C_w v of modes."""
        return self._cloud.left(self._A.square() * self.precision / self._B**2)

    def covariance(self, v: Tensor) -> Tensor:
        """Cov[y | x] v, `(batch, *shape)`."""
        basis, side = self.process.basis, self._side
        modes = basis.coordinates(v)
        left = self._left(modes) - side * self._left(side * modes)
        return basis.state(self._sloped(modes) + left)

    def _sloped(self, modes: Tensor) -> Tensor:
        """S M S/w v of modes: what the slope says."""
        # S B/(A √w), in which nothing is divided by an A that is lost
        scale = (self._variance / (self._ratio + self._lost**2)).sqrt()
        primed = scale * modes * (self.precision.sqrt() / self._B)
        slope = self._primed(self._A * primed)
        if self._told:
            r, across_r, own = self._along
            slope = slope - _dot(r, slope) * r + (_dot(across_r, primed) + own * _dot(r, primed)) * r
        return scale * slope * (self._B / self.precision.sqrt())

    def _primed(self, modes: Tensor) -> Tensor:
        """(∂D/∂x)ᵀ v from modes to modes."""
        basis = self.process.basis
        return basis.coordinates(self._slope(basis.state(modes)))

    @cached_property
    def _away(self) -> tuple[Tensor, Tensor, Tensor]:
        """r/‖r‖, ‖r‖ and Jᵀ r/‖r‖, `(batch, 1, …)`."""
        coordinates = self.process.basis.coordinates
        r = (coordinates(self._x.detach()) - self._A * coordinates(self.denoised)) / self._B
        length = _dot(r, r).sqrt()
        r = r / length.clamp_min(torch.finfo(r.dtype).tiny)
        return r, length, self._primed(self._A * r)

    @cached_property
    def _along(self) -> tuple[Tensor, Tensor, Tensor]:
        """r/‖r‖, what M' makes of it at right angles to it, and along it, `(batch, 1, …)`."""
        r, length, image = self._away
        seen = (self._A / self._B) * r
        if self.mixed is None:
            own = self.precision * _dot(seen, self._left(seen))
            # and by how much D moves with W
            own = own + self._varies * (length * own).square()
        else:
            flat = seen.flatten(1).double()
            own = across(torch.einsum("bi,bij,bj->b", flat, self.mixed.weighted, flat), r)
        return r, image - _dot(r, image) * r, own

    @property
    def _varies(self) -> Tensor:
        """Var[1/W | x]/w, from the law's own density at E‖ε‖², `(batch, 1, …)`."""
        squared, w = self._energy
        h = squared * _STEP
        noise, N = self.process.noise, self._x[0].numel()
        slope = (mean_precision(noise, squared + h, N) - mean_precision(noise, squared - h, N)) / (2 * h)
        return across((-2 * slope / w).clamp_min(0), self._x.detach())

    def shift(self, total: float) -> Tensor | None:
        """E[y | x, o] − D by the laws for every W, `(batch, *shape)`; None where there are none.

        Args:
            total: no step is longer than one of a covariance whose trace is this.
        """
        if self.mixed is None:
            return None
        basis, shape, N = self.process.basis, self._x.shape[1:], self._x[0].numel()
        unit = torch.eye(N, dtype=self._x.dtype, device=self._x.device).reshape(N, *shape)
        rows = self.measurement(basis.state(unit)).flatten(1).double().mT
        slope = [self._sloped(one.expand_as(self._x)).flatten(1).double() for one in unit]
        side = self._side.expand_as(self._x).flatten(1).double()
        known = side[:, :, None] * self.mixed.weighted * (side / self.mixed.precision[:, None])[:, None]
        more = torch.stack(slope, 2) - known
        residual = self.residual.flatten(1).double()
        found = self.mixed.shift(0.5 * (more + more.mT), rows, residual, self.measurement.sigma, total)
        return basis.state(found.reshape(self._x.shape).to(self._x))

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


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products, `(batch, 1, …)`."""
    return (a * b).flatten(1).sum(1).reshape(-1, *(1,) * (a.ndim - 1))


def mean_precision(noise: Noise, squared: Tensor, dimension: int) -> Tensor:
    """E[1/W | ‖ε‖²] = −2 d log p/d‖ε‖², from the law's own density; float64."""
    s = squared.double().clamp_min(1e-12)
    up, down = (noise.log_density(s * math.exp(h), dimension) for h in (_STEP, -_STEP))
    return ((down - up) / (_STEP * s)).clamp_min(1e-12)
