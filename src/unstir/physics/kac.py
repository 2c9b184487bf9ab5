"""Kac flow: diffusion at a finite speed (Duong 2025, Telegrapher's generative model via Kac flows).

Each coordinate is its own telegraph particle (`telegraph.py`), and the data fade as the particles run:

    x_t = f y + K_g,    f = 1 − t, g = t,    0 ≤ t ≤ 1

so that the prior K_1 needs no data. The network learns the velocity itself, the posterior mean of

    target = ḟ y + ġ v(g, x − f y)

of which the particle's part is never above c. Every coordinate stays within c g of f y: p_t has sharp fronts.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir import spec
from unstir.errors import InputError
from unstir.moving import sent
from unstir.physics.process import FlowProcess, check_state, per_item
from unstir.physics.telegraph import (
    draw_telegraph,
    telegraph_log_density,
    telegraph_variance,
    telegraph_velocity,
)

_DATA_STD = 0.5  # of the data for which a and c are the paper's
_PAIRS = 2**21  # coordinates of pairs at a time in log_kernel
_NODES = 96  # of a Gauss-Legendre rule over ±10 deviations


@dataclass(frozen=True)
class Kac(FlowProcess):
    """The telegraph process about fading data.

    Attributes:
        name: with parameters, as `physics.parse` reads it back.
        a: rate of turning.
        c: speed, for data of standard deviation ½.
        scale: a factor on the speed; `fitted(std)` sets it for data of another standard deviation.
        width: the standard deviation that `log_kernel` gives each atom, which has no density of its own.
    """

    name: str = "kac"
    a: float = 9.0
    c: float = 3.0
    scale: float = 1.0
    width: float = 0.01

    @property
    def t_min(self) -> float:
        """The time of the data."""
        return 1e-3

    @property
    def t_max(self) -> float:
        """The time of the prior."""
        return 1.0

    @property
    def speed(self) -> float:
        """The particles' speed, for these data."""
        return self.c * self.scale

    def fitted(self, std: float) -> Kac:
        """The same process with its speed scaled to data of standard deviation `std`.

        Raises:
            ValueError: `std` is not a positive finite number.
        """
        if not 0 < std < math.inf:
            raise ValueError(f"std={std}: the data's standard deviation must be positive and finite")
        return dataclasses.replace(self, scale=std / _DATA_STD)

    def f(self, t: Tensor) -> Tensor:
        """What is left of the data at times of any shape."""
        return 1 - t

    def g(self, t: Tensor) -> Tensor:
        """The particles' own time."""
        return t

    def df(self, t: Tensor) -> Tensor:
        """ḟ."""
        return -torch.ones_like(t)

    def dg(self, t: Tensor) -> Tensor:
        """ġ."""
        return torch.ones_like(t)

    def regression(self, t: Tensor, std: float = _DATA_STD) -> tuple[Tensor, Tensor, Tensor]:
        """The best straight line from a coordinate of x to its target, for data of deviation `std`.

        With V the particle's variance, that of x is f²s² + V, and E[K K̇] = ½V̇. The particle's own velocity
        is taken as that line does, which holds both early, on the fronts, and late, in diffusion.

        Returns:
            Slope, deviation of what the line leaves, deviation of x: each as `t`, above 0.
        """
        t = t.double().clamp_min(1e-6)
        f, df, g = self.f(t), self.df(t), self.g(t)
        V = telegraph_variance(g, self.a, self.speed)
        # ½V̇ = c² (1 − e^{−2ag})/(2a) ġ
        half = self.speed**2 * -torch.expm1(-2 * self.a * g) / (2 * self.a) * self.dg(t)
        size = f**2 * std**2 + V
        left = std * (f * half - df * V) / (V * size).sqrt()
        return (df * f * std**2 + half) / size, left, size.sqrt()

    def level(self, t: Tensor, std: float = _DATA_STD) -> Tensor:
        """What a network is told of the time, about ±1.3: ¼ ln of noise over signal."""
        t = t.double().clamp_min(1e-6)
        V = telegraph_variance(self.g(t), self.a, self.speed)
        return 0.25 * (0.5 * V.log() - (self.f(t).clamp_min(1e-2) * std).log())

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x_t = f y + K_g given y = `data`; times may lie with the generator."""
        check_state("data", data, t)
        like = data.double()
        g = per_item(self.g(t.double()), like).expand_as(data)
        k = sent(draw_telegraph(g, self.a, self.speed, generator), data.device)
        return (per_item(sent(self.f(t.double()), data.device), like) * like + k).to(data.dtype)

    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Draw from the telegraph law at t_max."""
        g = self.g(torch.tensor(self.t_max, dtype=torch.float64)).expand(n, *shape)
        return draw_telegraph(g, self.a, self.speed, generator).to(dtype)

    def log_prior(self, x: Tensor) -> Tensor:
        """log density of the prior at `x` in nats, its atoms as in `log_kernel`, float64 `(batch,)`."""
        end = torch.full((len(x),), self.t_max, dtype=torch.float64, device=x.device)
        return self.log_kernel(x, torch.zeros_like(x[:1]), end)[:, 0]

    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        """log p_t(x given data) for every pair, float64 `(batch, points)`.

        The continuous part is exact. Each atom is drawn as a normal law of standard deviation `width`, which
        also keeps states between the fronts and beyond them comparable; the whole is normalised.
        """
        check_state("x", x, t)
        if data.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"data: items have shape {tuple(data.shape[1:])}, those of x {tuple(x.shape[1:])}; "
                "give the same"
            )
        u, v = x.flatten(1).double()[:, None], data.flatten(1).double()
        f, g = self.f(t.double())[:, None, None], self.g(t.double())[:, None, None]
        block = max(_PAIRS // max(u.numel(), 1), 1)
        parts = [self._log_law(u - f * part, g).sum(2) for part in torch.split(v, block)]
        return torch.cat(parts, 1)

    def _log_law(self, k: Tensor, g: Tensor) -> Tensor:
        # Of the two atoms at ±cg the nearer, and the ratio of the farther to it.
        near = (k.abs() - self.speed * g) / self.width
        far = (k.abs() + self.speed * g) / self.width
        atoms = torch.logaddexp(-0.5 * near**2, -0.5 * far**2) - 0.5 * math.log(2 * math.pi)
        atoms = atoms - math.log(2 * self.width) - self.a * g
        return torch.logaddexp(telegraph_log_density(k, g, self.a, self.speed), atoms)

    def target(self, data: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The conditional velocity ḟ y + ġ v(g, x − f y).

        A coordinate within rounding of a front is on it, and moves at ±c.
        """
        check_state("x", x, t)
        y, state = data.double(), x.double()
        f, g = per_item(self.f(t.double()), y), per_item(self.g(t.double()), y)
        k = state - f * y
        slack = 4 * torch.finfo(x.dtype).eps * (state.abs() + self.speed * g)
        v = telegraph_velocity(k, g, self.a, self.speed)
        v = torch.where(k.abs() >= self.speed * g - slack, self.speed * k.sign(), v)
        rates = per_item(self.df(t.double()), y), per_item(self.dg(t.double()), y)
        return (rates[0] * y + rates[1] * v).to(x.dtype)

    def velocity(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """dx/dt is what the network predicts."""
        return prediction


def kac(a: float = 9.0, c: float = 3.0) -> Kac:
    """Telegraph flow: diffusion at a finite speed c, with turns at the rate a (Duong 2025)."""
    if not 0 < a < math.inf:
        raise InputError(f"a={a:g}: the rate of turning must be positive and finite, such as a=9")
    if not 0 < c < math.inf:
        raise InputError(f"c={c:g}: the speed must be positive and finite, such as c=3")
    return Kac(spec.name_of("kac", kac, a=a, c=c), a, c)


def mixture_density(
    process: Kac, weights: Tensor, means: Tensor, stds: Tensor, x: Tensor, t: float
) -> Tensor:
    """p_t(x) from 1-D data of a Gaussian mixture, float64 `(batch,)`.

    Args:
        process: any Kac process; its `width` plays no part.
        weights: shares `(components,)`, which sum to one.
        means: centres `(components,)`.
        stds: standard deviations `(components,)`, positive.
        x: positions `(batch,)`.
        t: a time below t_max, where the law has atoms again.
    """
    log_terms, _ = _mixture_terms(process, weights, means, stds, x, t)
    return torch.logsumexp(log_terms, 1).exp()


def mixture_velocity(
    process: Kac, weights: Tensor, means: Tensor, stds: Tensor, x: Tensor, t: float
) -> Tensor:
    """The exact dx/dt of the flow from a 1-D Gaussian mixture, float64 `(batch,)`; see `mixture_density`."""
    log_terms, velocities = _mixture_terms(process, weights, means, stds, x, t)
    return (torch.softmax(log_terms, 1) * velocities).sum(1)


def _mixture_terms(
    process: Kac, weights: Tensor, means: Tensor, stds: Tensor, x: Tensor, t: float
) -> tuple[Tensor, Tensor]:
    """log mass and velocity of every piece of p_t at `x`, `(batch, pieces)`.

    For each component both atoms, blurred by f s, and Gauss-Legendre nodes k of the continuous part where
    its product with N(x − k; f m, f²s²) lies.
    """
    from scipy.special import roots_legendre

    time = torch.tensor(t, dtype=torch.float64)
    f, g, df, dg = (h(time) for h in (process.f, process.g, process.df, process.dg))
    a, c = process.a, process.speed
    front = c * g
    share, m, s = (h.double()[None, :, None] for h in (weights, means, stds))
    offset, blur = x.double()[:, None, None] - f * m, f * s
    total = telegraph_variance(g, a, c) + blur**2
    middle = offset * (1 - blur**2 / total)
    reach = 10 * blur * torch.sqrt(1 - blur**2 / total)
    low, high = torch.minimum(torch.maximum(torch.stack([middle - reach, middle + reach]), -front), front)
    nodes, node_weights = (torch.from_numpy(h) for h in roots_legendre(_NODES))
    k = 0.5 * (low + high) + 0.5 * (high - low) * nodes
    log_mass = telegraph_log_density(k, g, a, c) + (0.5 * (high - low) * node_weights).log()
    k = torch.cat([k, (-front).expand_as(low), front.expand_as(low)], 2)
    log_mass = torch.cat([log_mass, (-a * g - math.log(2)).expand(*low.shape[:2], 2)], 2)
    xi = (offset - k) / blur
    log_terms = share.log() + log_mass - 0.5 * xi**2 - (blur * math.sqrt(2 * math.pi)).log()
    # At a node y = m + s ξ, given x and K = k.
    velocities = df * (m + s * xi) + dg * telegraph_velocity(k, g, a, c)
    return log_terms.flatten(1), velocities.flatten(1)
