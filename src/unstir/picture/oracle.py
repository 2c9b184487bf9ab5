"""Exact fields of a finite data set, for each family of processes: nothing to train, and data given back.

For any process with a kernel and a target the field is Σ_i softmax_i(log p_t(x | y_i)) target(y_i, x, t). In
phase space the denoiser of plain noise says it, at z = y + σ n, all that a state tells. A bridge tells of its
clean image twice, by where it is and by the degraded image x₁ that it came from:

    w_i ∝ N(x_t; (1 − t) y_i + t x₁, Σ² t (1 − t)) · N(x₁; H y_i, s²)
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir import fields
from unstir.fields.exact_coins import ExactCoins
from unstir.fields.field import Field, Slice
from unstir.fields.plates import ExactPlates
from unstir.physics import Bridge, Capacitor, CoinProcess, Kac, LangevinProcess, LinearProcess, edm

_SURE = 1e-9  # as near to the bridge's end as its first time is taken
_PAIRED = 500  # items for each state
_NODES = 8193
_LEAST_NOISE = 1e-3  # of a task that adds none


class KacField:
    """The velocity of Kac flow over `data`, `(points, *shape)`.

    Coordinates run on their own: log kernel and target are sums over them of two functions of x − f y, which
    are tabulated at each time, at so many `nodes`.
    """

    def __init__(self, process: Kac, data: Tensor, nodes: int = _NODES) -> None:
        self.process = process
        self._nodes = nodes
        self.shape = data.shape[1:]
        self._data = data.flatten(1).double()

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[dx/dt | x_t = x], `(batch, *shape)`, at times `(batch,)` of which each must be the same."""
        return self.at(float(t[0]))(x, label)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        time = torch.tensor(t, dtype=torch.float64)
        f, df, count = float(self.process.f(time)), float(self.process.df(time)), self._nodes

        def mean(x: Tensor, label: Tensor | None) -> Tensor:
            k = x.flatten(1).double()[:, None] - f * self._data
            reach = float(k.abs().max()) + 1e-6
            nodes = torch.linspace(-reach, reach, count, dtype=torch.float64)[:, None]
            law = self.process.log_kernel(nodes, torch.zeros_like(nodes[:1]), time.expand(count))[:, 0]
            speed = self.process.target(torch.zeros_like(nodes), nodes, time.expand(count))[:, 0]
            place = (k + reach) * ((count - 1) / (2 * reach))
            low = place.long().clamp_max(count - 2)
            share = place - low
            logits = torch.lerp(law[low], law[low + 1], share).sum(2)
            target = df * self._data + torch.lerp(speed[low], speed[low + 1], share)
            weights = torch.softmax(logits, 1)
            return (weights[..., None] * target).sum(1).reshape(x.shape).to(x.dtype)

        return mean


class PhaseField:
    """E[ε_v | u] of Langevin diffusion over `data`, `(points, *shape)`."""

    def __init__(self, process: LangevinProcess, data: Tensor) -> None:
        self.process = process
        self.shape = data.shape[1:]
        self._denoiser = fields.ExactField(edm(), data)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The posterior mean, `(batch, *shape)`, of states `(batch, *state_shape)`."""
        denoised = self._denoiser(self.process.project(x, t), self.process.sigma(t))
        return self.process.noise_given(x, t, denoised)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float64), label)


class PairsField:
    """E[x₀ | x_t, x₁] of a bridge where x₀ is one of `data`, `(points, channels, height, width)`."""

    def __init__(self, process: Bridge, data: Tensor) -> None:
        self.process = process
        self.shape = data.shape[1:]
        self._data = data.flatten(1).double()
        self._degraded = process.degradation(data).flatten(1).double()

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The posterior mean, `(batch, channels, height, width)`, of states `(batch, 2 channels, …)`."""
        at, start = (half.flatten(1).double() for half in x.chunk(2, 1))
        s = t.double()[:, None].clamp(_SURE, 1 - _SURE)
        shown = torch.cdist((at - s * start) / (1 - s), self._data).square()
        told = torch.cdist(start, self._degraded).square()
        noise = max(self.process.noise, _LEAST_NOISE)
        logits = -0.5 * shown * (1 - s) / (self.process.sigma**2 * s) - 0.5 * told / noise**2
        mean: Tensor = torch.softmax(logits, 1) @ self._data
        return mean.to(x.dtype).reshape(len(x), *self.shape)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float64), label)


def of_linear(process: LinearProcess, items: Tensor) -> Field:
    """A denoiser."""
    return fields.ExactField(process, items)


def of_kac(process: Kac, items: Tensor) -> Field:
    """By a table of the kernel, over some of the items."""
    return KacField(process, items[:_PAIRED])


def of_phase(process: LangevinProcess, items: Tensor) -> Field:
    """By the denoiser of plain noise."""
    return PhaseField(process, items)


def of_plates(process: Capacitor, items: Tensor) -> Field:
    """The charges' own."""
    return ExactPlates(process, items)


def of_coins(process: CoinProcess, items: Tensor) -> Field:
    """The posterior of each coin."""
    return ExactCoins(process, items)


def of_bridge(process: Bridge, items: Tensor) -> Field:
    """The posterior of the clean image."""
    return PairsField(process, items)
