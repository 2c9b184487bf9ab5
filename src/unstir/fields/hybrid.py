"""The learned field of Langevin diffusion: hybrid score matching, with the Gaussian part of the score known.

With z = y + σ n, what a state u tells of the data (`physics/langevin.py`), and s² the data's variance,

    E[ε_v | u] = p·u + q F(û, ¼ ln σ)
    p·u = ε_v(u, c z)     c = s²/(s² + σ²)     q = |b_v| s σ/√(s² + σ²)

p·u is the answer for Gaussian data, near equilibrium v's own score, and q says how much any others can add: F
has variance 1 at all times. û is u in axes where both halves are independent and of variance 1: the first is
z/√(s² + σ²), the second the noise beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unstir.fields.learned import LearnedField
from unstir.moving import sent
from unstir.physics import DATA_STD
from unstir.physics.langevin import LangevinProcess, apply
from unstir.physics.process import per_item


class HybridField(LearnedField[LangevinProcess]):
    """E[ε_v | u] by a network.

    Args:
        network: `network(x, noise, label)` from both halves of a state, `(batch, *state_shape)`, to one.
        process: whose states they are.
        shape: of one item, so that sampling need not be told.
        std: the data's standard deviation s.
    """

    def __init__(
        self,
        network: nn.Module,
        process: LangevinProcess,
        shape: Sequence[int] | None = None,
        std: float = DATA_STD,
    ) -> None:
        super().__init__(network, process, shape)
        self.std = std

    @classmethod
    def sizes(cls, process: LangevinProcess, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return process.state_shape(shape), tuple(shape)

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[ε_v | u] of states `x` at times `(batch,)`, `(batch, *shape)`."""
        axes, known, scale, noise = self._coefficients(t)
        answer: Tensor = self.network(apply(axes, x), noise.to(x.dtype), label)
        out: Tensor = apply(known, x) + per_item(scale, x) * answer.to(x.dtype)
        return out

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """The error of E[ε_v | u] with weight 1/q², so that F's is counted alike at all times."""
        t = sent(self.process.training_times(len(data), *self.levels, generator), data.device)
        state = self.process.perturb(data, t, generator)
        axes, known, scale, noise = self._coefficients(t)
        target = (self.process.target(data, state, t) - apply(known, state)) / per_item(scale, data)
        answer: Tensor = self.network(apply(axes, state), noise.to(data.dtype), label)
        return (answer.float() - target).square().mean()

    def _coefficients(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows of û `(batch, 2, 2)` and of p `(batch, 1, 2)`, then q and ¼ ln σ, `(batch,)`; float64."""
        inverse, b = self.process.whitening(t)
        sigma = b.square().sum(1).rsqrt()
        spread = torch.sqrt(self.std**2 + sigma.square())
        along = b * sigma[:, None]
        across = torch.stack([-along[:, 1], along[:, 0]], 1)
        # z's row: z = σ (along · L⁻¹u)
        mean = sigma[:, None, None] * along[:, None] @ inverse
        axes = torch.cat([mean / spread[:, None, None], across[:, None] @ inverse], 1)
        share = b[:, 1] * (self.std / spread).square()
        known = inverse[:, 1:] - share[:, None, None] * mean
        scale = -b[:, 1] * self.std * sigma / spread
        return axes, known, scale, 0.25 * sigma.log()
