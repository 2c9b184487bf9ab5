"""Fields of a bridge: E[x₀ | x_t, x₁], learned, or in closed form for Gaussian pairs.

Mode by mode, with W x₁ the Wiener guess of x₀, r² the variance it leaves, and q = Σ² t/(1 − t) that with
which y = (x_t − t x₁)/(1 − t) shows x₀, the best linear estimate and its error are

    D₀ = (q W x₁ + r² y)/(q + r²)      c² = r² q/(q + r²)      D = D₀ + c F(x₁/⟨x₁²⟩^½, (D₀ − W x₁)/r)

so that the network starts from Wiener's filter, sees two white images, and answers with one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unstir.fields.field import Slice
from unstir.fields.learned import LearnedField
from unstir.moving import sent
from unstir.physics import Bridge, CosineModes
from unstir.physics.bridge import clock
from unstir.physics.process import per_item, stratified

_LEAST = 1e-6


class BridgeField(LearnedField[Bridge]):
    """The clean image by a network that sees where the bridge is and where it began."""

    @classmethod
    def sizes(cls, process: Bridge, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Given both images as channels, it answers with one."""
        return process.state_shape(shape), tuple(shape)

    @classmethod
    def takes_augment(cls, process: Bridge, *, told: bool) -> bool:
        """What is restored is given, and has not been transformed."""
        return False

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[x₀ | x_t, x₁] for states `(batch, 2 channels, height, width)`."""
        guess, out, given, level = self._known(x, t)
        basis = CosineModes()
        return basis.state(guess + out * basis.coordinates(self._answer(given, level, label)))

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """Mean squared error of F, over the paper's time."""
        u = stratified(len(data), generator, torch.float32)
        t = sent(clock(u.double()).float(), data.device)
        x = self.process.perturb(data, t, generator)
        guess, out, given, level = self._known(x, t)
        basis = CosineModes()
        wanted = (basis.coordinates(data) - guess) / out
        return (basis.coordinates(self._answer(given, level, label).float()) - wanted).square().mean()

    def _known(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """D₀ and c as modes, the network's input, and its level."""
        process, basis = self.process, CosineModes()
        at, start = basis.coordinates(x).chunk(2, 1)
        factor, left, size = (sent(value, x.device, x.dtype) for value in process.wiener(start.shape[1:]))
        s = per_item(t, x).clamp(_LEAST, 1 - _LEAST)
        shown = (at - s * start) / (1 - s)
        unsure = process.sigma**2 * s / (1 - s)
        gain = left / (left + unsure)
        wiener = factor * start
        new = gain * (shown - wiener)
        given = torch.cat([basis.state(start / size.sqrt()), basis.state(new / left.sqrt())], 1)
        level = 0.25 * torch.logit(t.double().clamp(2.5e-3, 1 - 2.5e-3)).to(x.dtype)
        return wiener + new, (gain * unsure).sqrt(), given, level

    def _answer(self, given: Tensor, level: Tensor, label: Tensor | None) -> Tensor:
        answer: Tensor = self.network(given, level, label)
        return answer.to(given.dtype)


class GaussianPairs:
    """The exact field where clean and degraded are jointly Gaussian.

    Args:
        process: a bridge; its task and its noise are not used.
        mean: of x₀ and x₁, `(2 N,)`.
        covariance: of both together, `(2 N, 2 N)`.
    """

    def __init__(self, process: Bridge, mean: Tensor, covariance: Tensor) -> None:
        self.process = process
        N = len(mean) // 2
        self._mean, self._start = mean[:N].double(), mean[N:].double()
        S00, S01, S11 = (c.double() for c in (covariance[:N, :N], covariance[:N, N:], covariance[N:, N:]))
        self._factor = torch.linalg.solve(S11, S01.T).T
        # x₀ given x₁: what is left, in its own axes
        self._left, self._axes = torch.linalg.eigh(S00 - self._factor @ S01.T)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[x₀ | x_t, x₁]."""
        half = x.shape[1] // 2
        at, start = x[:, :half].flatten(1).double(), x[:, half:].flatten(1).double()
        guess = self._mean + (start - self._start) @ self._factor.T
        s = t.double()[:, None].clamp(1e-12, 1)
        # (1 − t) x₀ = x_t − t x₁ with variance Σ² t (1 − t)
        new = (at - s * start - (1 - s) * guess) @ self._axes
        gain = self._left / ((1 - s) * self._left + self.process.sigma**2 * s)
        clean: Tensor = guess + (gain * new) @ self._axes.T
        return clean.to(x.dtype).reshape(x[:, :half].shape)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float64, device=x.device), label)
