"""Critically damped Langevin diffusion: a particle on a spring in a bath, noise on its velocity alone.

    dx = β v/M dt        dv = −β x dt − β Γ v/M dt + √(2 Γ β) dw        Γ² = 4 M  (Dockhorn 2022, equation 5)

from x_0 = y, v_0 ~ N(0, γM) to the equilibrium N(0, I) × N(0, M I), which has forgotten y. A state u is
(x, v), stacked on the first axis. With τ = βt, ω = 1/√M, F = [[0, 1/M], [−1, −Γ/M]], and v_0 marginalised,

    Φ(τ) = exp(Fτ) = e^{−ωτ} [[1 + ωτ, τ/M], [−τ, 1 − ωτ]]        S(τ) = diag(1, M) − Φ diag(1, M) Φᵀ
    u_t | y = a y + L ε        L Lᵀ = Σ = S(τ) + γM φφᵀ        Φ = [a | φ]

S is what the bath has given, and L lower triangular, so that the score in v, the only one that the flow
needs, is −ε_v/L_vv (hybrid score matching). The field learns E[ε_v | u].

All that a state tells of y is one number a coordinate, its projection on b = L⁻¹a:

    z = b·L⁻¹u / b·b = y + σ n        σ(t) = 1/‖b‖        n ~ N(0, 1)

so that σ says how noisy a state is, as in every other process, and times to train at are drawn by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from unstir import spec
from unstir.errors import InputError
from unstir.moving import sent
from unstir.physics.linear import squared_distances
from unstir.physics.process import FlowProcess, check_state, per_item, stratified

# L has a limit as τ → 0; float64 has reached it here.
_SMALLEST_TIME = 1e-12
# When the solvers' last step begins, as a share of the clock: at σ = 0.003 for the usual parameters.
_LAST = 3e-3
# Times are evenly spaced in t^{1/ρ}.
_RHO = 3.0
# What may be left of the data at t_max.
_FORGOTTEN = 0.01


class Transition(NamedTuple):
    """A Gaussian law of states after some time: u → Φ u + L ε, each `(*times, 2, 2)`, float64."""

    mean: Tensor
    root: Tensor


@dataclass(frozen=True)
class LangevinProcess(FlowProcess):
    """Critically damped Langevin diffusion of data of standard deviation about ½ or 1.

    Attributes:
        name: with parameters, as `physics.parse` reads it back.
        beta: β, the speed of the clock.
        mass: M, the variance of velocities at rest.
        gamma: γ, the share of it that velocities start with.
    """

    name: str = "langevin"
    beta: float = 4.0
    mass: float = 0.25
    gamma: float = 0.04
    t_min: float = 0.0
    t_max: float = 1.0

    @property
    def friction(self) -> float:
        """Γ = 2√M: the fastest way to rest that does not swing."""
        return 2 * math.sqrt(self.mass)

    def transition(self, t: Tensor, variance: float = 0.0) -> Transition:
        """What a time `t` does to a state, whatever the state; backward-running parts of solvers use it too.

        Args:
            t: durations of any shape.
            variance: of a velocity that is drawn at the start, beside the state.
        """
        tau = (self.beta * t.double()).clamp_min(_SMALLEST_TIME)
        M, omega = self.mass, 1 / math.sqrt(self.mass)
        decay, wt = torch.exp(-omega * tau), omega * tau
        mean = decay[..., None, None] * _matrix(1 + wt, tau / M, -tau, 1 - wt)
        # S without cancellation: 1 − e^{−z}(1 + z + z²/2) is an incomplete gamma function, z = 2ωτ.
        gone, faded = torch.special.gammainc(torch.full_like(tau, 3), 2 * wt), decay.square()
        xx, xv = gone, 2 * faded * omega * tau.square()
        vv = M * (gone + 4 * faded * wt)
        across, along = mean[..., 0, 1], mean[..., 1, 1]
        determinant = xx * vv - xv.square()
        # A rank-one update, that of the velocity drawn.
        determinant = determinant + variance * (
            across.square() * vv + along.square() * xx - 2 * across * along * xv
        )
        xx, xv = xx + variance * across.square(), xv + variance * across * along
        first = xx.sqrt()
        return Transition(mean, _matrix(first, torch.zeros_like(xx), xv / first, (determinant / xx).sqrt()))

    def kernel(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(a, L) of u_t = a y + L ε at times of any shape: float64 `(*t.shape, 2)` and `(*t.shape, 2, 2)`."""
        mean, root = self.transition(t, self.gamma * self.mass)
        return mean[..., 0], root

    def whitening(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(L⁻¹, b = L⁻¹a) at times of any shape."""
        a, root = self.kernel(t)
        xx, vx, vv = root[..., 0, 0], root[..., 1, 0], root[..., 1, 1]
        inverse = _matrix(1 / xx, torch.zeros_like(xx), -vx / (xx * vv), 1 / vv)
        return inverse, (inverse @ a[..., None])[..., 0]

    def sigma(self, t: Tensor) -> Tensor:
        """σ(t), the noise in all that a state tells of the data; float64."""
        return self.whitening(t)[1].square().sum(-1).rsqrt()

    def project(self, state: Tensor, t: Tensor) -> Tensor:
        """z = y + σ n, `(batch, *shape)`: what states at times `(batch,)`, or at one, tell of the data."""
        inverse, b = self.whitening(t)
        row = (b[:, None] @ inverse) / b.square().sum(-1)[:, None, None]
        return apply(row, state)

    def noise_given(self, state: Tensor, t: Tensor, data: Tensor) -> Tensor:
        """ε_v of states at times `(batch,)` if the data were these, `(batch, *shape)`; linear in both."""
        inverse, b = self.whitening(t)
        return apply(inverse[:, 1:], state) - per_item(b[:, 1], data) * data

    def denoised(self, state: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """E[y | u] from E[ε_v | u], `(batch, *shape)`: `noise_given` solved for the data."""
        inverse, b = self.whitening(t)
        return (apply(inverse[:, 1:], state) - prediction) / per_item(b[:, 1], prediction)

    def time_at(self, sigma: Tensor) -> Tensor:
        """The time at which σ has these values, float64, held within the clock."""
        clock, level = self._levels
        at = torch.searchsorted(level, sigma.double().log().cpu().contiguous()).clamp(1, len(level) - 1)
        low, high = level[at - 1], level[at]
        share = ((sigma.double().log().cpu() - low) / (high - low)).clamp(0, 1)
        return torch.lerp(clock[at - 1], clock[at], share).exp().to(sigma.device)

    def times(self, n: int) -> Tensor:
        """`n` times, 2 or more, falling from t_max to t_min, float64; the last but one is 0.003 t_max."""
        root = torch.linspace(1, _LAST ** (1 / _RHO), n - 1, dtype=torch.float64)
        return torch.cat([self.t_max * root**_RHO, torch.zeros(1, dtype=torch.float64)])

    def training_times(self, n: int, mean: float, std: float, generator: torch.Generator) -> Tensor:
        """Times to train a field at, `(n,)`, float64: ln σ ~ N(mean, std²), stratified over the batch."""
        uniform = stratified(n, generator)
        return self.time_at(torch.exp(mean + std * torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))))

    def state_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Position and velocity: the first axis twice."""
        return (2 * shape[0], *shape[1:])

    def observed(self, state: Tensor) -> Tensor:
        """The position."""
        return state.chunk(2, 1)[0]

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Draw u_t = a y + L ε given y = `data`: `(batch, *state_shape)`."""
        check_state("data", data, t)
        a, root = self.kernel(t)
        shape = (len(data), *self.state_shape(data.shape[1:]))
        noise = torch.randn(shape, generator=generator, device=generator.device, dtype=data.dtype)
        return apply(a[..., None], data) + apply(root, sent(noise, data.device))

    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """The equilibrium: x ~ N(0, I), v ~ N(0, M I)."""
        shape = (n, *self.state_shape(shape))
        noise = torch.randn(shape, generator=generator, device=generator.device, dtype=dtype)
        x, v = noise.chunk(2, 1)
        return torch.cat([x, math.sqrt(self.mass) * v], 1)

    def log_prior(self, state: Tensor) -> Tensor:
        """log density of the prior at states in nats, float64 `(batch,)`."""
        x, v = (half.flatten(1).double() for half in state.chunk(2, 1))
        squared = x.square().sum(1) + v.square().sum(1) / self.mass
        return -0.5 * squared - x.shape[1] * (math.log(2 * math.pi) + 0.5 * math.log(self.mass))

    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        """log p_t(u given y) for every pair, float64 `(batch, points)`, for states `x` = u."""
        check_state("x", x, t)
        if x.shape[1:] != self.state_shape(data.shape[1:]):
            raise ValueError(
                f"data: items have shape {tuple(data.shape[1:])}, those of x {tuple(x.shape[1:])}; "
                "a state has the data's first axis twice"
            )
        inverse, b = self.whitening(t)
        w, y = apply(inverse, x.double()).flatten(1), data.double().flatten(1)
        size = y.shape[1]
        squared = squared_distances(w, y.repeat(1, 2), b.repeat_interleave(size, 1))
        volume = inverse[:, 0, 0].log() + inverse[:, 1, 1].log() - math.log(2 * math.pi)
        return size * volume[:, None] - 0.5 * squared

    def target(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """ε_v, the v half of the noise in states `x`, `(batch, *shape)`: hybrid score matching."""
        return self.noise_given(x, t, data)

    def score(self, t: Tensor, prediction: Tensor) -> Tensor:
        """∇_v log p_t = −E[ε_v | u]/L_vv, `(batch, *shape)`."""
        return -prediction / per_item(self.kernel(t)[1][:, 1, 1], prediction)

    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """du/dt of states `x`, from E[ε_v | u]: (β v/M, −βx − βΓ(v/M + ∇_v log p_t))."""
        check_state("x", x, t)
        position, v = x.chunk(2, 1)
        drag = v / self.mass + self.score(t, prediction)
        return self.beta * torch.cat([v / self.mass, -position - self.friction * drag], 1)

    def flow(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(K, g) of the same by D = E[y | u], du/dt = K u + g D: `(*t.shape, 2, 2)` and `(*t.shape, 2)`."""
        drift = self.beta * torch.tensor(
            [[0, 1 / self.mass], [-1, -self.friction / self.mass]], dtype=torch.float64, device=t.device
        )
        inverse, b = self.whitening(t)
        pull = self.beta * self.friction * inverse[..., 1, 1, None]
        lower = torch.stack([torch.zeros_like(inverse[..., 1, :]), pull * inverse[..., 1, :]], -2)
        push = torch.stack([torch.zeros_like(b[..., 1]), pull[..., 0] * b[..., 1]], -1)
        return drift + lower, -push

    @cached_property
    def _levels(self) -> tuple[Tensor, Tensor]:
        """ln t and ln σ(t) along the clock; σ rises by a few per cent from each to the next."""
        clock = torch.linspace(math.log(1e-6), 0, 2000, dtype=torch.float64) + math.log(self.t_max)
        return clock, self.sigma(clock.exp()).log()


def langevin(beta: float = 4.0, mass: float = 0.25, gamma: float = 0.04) -> LangevinProcess:
    """A damped particle whose velocity alone is pushed by noise: Langevin diffusion (Dockhorn 2022)."""
    if not 0 < mass < math.inf:
        raise InputError(f"mass={mass:g}: must be positive and finite, such as 0.25")
    if not 0 < gamma <= 1:
        raise InputError(f"gamma={gamma:g}: the share of the velocity at the start is over 0 and at most 1")
    least = _least_beta(mass)
    if not least <= beta <= 100:
        raise InputError(
            f"beta={beta:g}: with mass={mass:g} the data are forgotten from beta={least:.3g} on; "
            "give that to 100"
        )
    name = spec.name_of("langevin", langevin, beta=beta, mass=mass, gamma=gamma)
    return LangevinProcess(name, beta, mass, gamma)


def apply(matrix: Tensor, state: Tensor) -> Tensor:
    """A matrix on the halves of each state: `(batch, k, h)` on `(batch, h·C, …)` gives `(batch, k·C, …)`.

    One matrix, `(1, k, h)`, serves for all states.
    """
    halves = state.reshape(len(state), matrix.shape[2], -1, *state.shape[2:])
    return torch.einsum("bkh,bh...->bk...", matrix.to(state).expand(len(state), -1, -1), halves).flatten(1, 2)


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.stack([torch.stack([a, b], -1), torch.stack([c, d], -1)], -2)


def _least_beta(mass: float) -> float:
    """β at which (1 + ωβ) e^{−ωβ}, what is left of the data in the position, is a hundredth."""
    from scipy.special import lambertw

    return math.sqrt(mass) * (-1 - float(lambertw(-_FORGOTTEN / math.e, -1).real))
