"""The learned velocity of Kac flow, about the straight line that fits it best.

    v = slope · x + rest · F(x/size, level)

with the line of `Kac.regression`, so that F's input and target have variance 1 at every time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.fields.learned import LearnedField
from unstir.moving import sent
from unstir.physics import Kac
from unstir.physics.process import per_item, stratified


class KacField(LearnedField[Kac]):
    """E[dx/dt | x_t = x] by a network."""

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The velocity, `(batch, *shape)`, for times `(batch,)`."""
        slope, rest, size = self.process.regression(t)
        answer = self._answer(x, t, size, label)
        return per_item(slope, x) * x + per_item(rest, x) * answer

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """The mean squared error of F over times t = u², u uniform: half lie in the first quarter."""
        uniform = stratified(len(data), generator)
        t = self.process.t_min + uniform**2 * (self.process.t_max - self.process.t_min)
        x = self.process.perturb(data, t, generator)
        t = sent(t, data.device)
        slope, rest, size = self.process.regression(t)
        wanted = (self.process.target(data, x, t) - per_item(slope, x) * x) / per_item(rest, x)
        return (self._answer(x, t, size, label).float() - wanted).square().mean()

    def _answer(self, x: Tensor, t: Tensor, size: Tensor, label: Tensor | None) -> Tensor:
        level = self.process.level(t).to(x.dtype)
        out: Tensor = self.network(x / per_item(size, x), level, label)
        return out.to(x.dtype)
