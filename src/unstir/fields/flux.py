"""The learned field of PFGM: regressed, bounded, on the field of a large batch (Xu 2022).

    v = √N Ê/(‖Ê‖ + γ)      loss = ‖v_θ − v‖²      (equation 6 with its sign, towards the data)

The network's head is a denoiser D, of which v_θ is the function given by Ê = (D − x, −z): all charges lie at
z = 0, so that E_z needs no head of its own, and sampling no repair of a small E_z. Where the data have
labels, the field of a class is that of the batch's charges of this class alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir.fields.exact import ExactField
from unstir.fields.learned import by_class
from unstir.fields.neural import NeuralField
from unstir.physics import LinearProcess, Pfgm

_LARGE = 32  # items that make the field, for each at which it is learned: 4096 for 128


class FluxField(NeuralField):
    """E[y | x, z] by a network, trained on the normalised Poisson field."""

    process: Pfgm

    @classmethod
    def takes_augment(cls, process: LinearProcess, *, told: bool) -> bool:
        """The batch's charges make one field: nobody can be told which of them were transformed."""
        return not told

    def items(self, batch: int) -> int:
        """The large batch whose charges make the field."""
        return _LARGE * batch

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """The mean squared error of v over all N + 1 components; the first items are those scattered."""
        process = self.process
        some = data[: math.ceil(len(data) / _LARGE)] if len(data) >= _LARGE else data
        x, z = process.scatter(some, generator)
        t = process.time_of(z)
        denoised = torch.empty_like(x)
        with torch.no_grad(), torch.autocast(data.device.type, enabled=False):
            for places, charges in by_class(label, len(some), self.classes):
                denoised[places] = ExactField(process, data[charges])(x[places], t[places])
            wanted = self._direction(denoised, x, z)
        label = None if label is None else label[: len(some)]
        found = self._direction(self(x, t, label).float(), x, z)
        return (found - wanted).square().mean()

    def _direction(self, denoised: Tensor, x: Tensor, z: Tensor) -> Tensor:
        """v from D, `(batch, N + 1)`."""
        pull = torch.cat([(denoised - x).flatten(1), -z[:, None].to(x.dtype)], 1)
        length = pull.norm(dim=1, keepdim=True)
        size = math.sqrt(pull.shape[1] - 1)
        direction: Tensor = size * pull / (length + self.process.gamma * self.process.scale)
        return direction
