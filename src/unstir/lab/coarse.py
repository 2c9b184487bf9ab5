"""A coarse field in the plane: that of a few points under any law of noise, by a table of the law.

    D(x, t) = Σ_i softmax_i(ℓ(‖x − A y_i‖²/B²)) y_i        ℓ = log density of the noise, of its square alone

The table is over ln(1 + ‖·‖²) and is made once, whatever the time. For a small batch this takes a third of
the time of `ExactField`, which looks anew at each time how best to answer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.fields import ExactField
from unstir.fields.field import Field, Slice
from unstir.physics import LinearProcess

_NODES = 4096
_LAST = 46.0  # ln of the largest square


class TableField:
    """The denoiser of points in the plane.

    Args:
        process: linear, in the pixel basis, with noise of one law in all directions.
        data: `(points, 2)`.
    """

    def __init__(self, process: LinearProcess, data: Tensor) -> None:
        self.process = process
        self.shape = data.shape[1:]
        self._data = data.float()
        squares = torch.expm1(torch.linspace(0, _LAST, _NODES, dtype=torch.float64))
        self._law = process.noise.log_density(squares, self.shape.numel()).float()

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x_t = x], `(batch, 2)`, at times `(batch,)` of which each must be the same."""
        return self.at(float(t[0]))(x, label)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        time = torch.tensor(t, dtype=torch.float64)
        A, B = float(self.process.A(time)), float(self.process.B(time))

        def mean(x: Tensor, label: Tensor | None) -> Tensor:
            # Differences first: squares of far states would lose what lies between the points.
            squared = sum(
                ((x[:, i, None].float() - A * self._data[:, i]) / B).square() for i in range(x.shape[1])
            )
            place = torch.log1p(torch.as_tensor(squared)) * ((_NODES - 1) / _LAST)
            low = place.clamp_max(_NODES - 2).int()
            law = torch.lerp(self._law[low], self._law[low + 1], place - low)
            return (torch.softmax(law, 1) @ self._data).to(x.dtype)

        return mean


def of_law(process: LinearProcess, items: Tensor) -> Field:
    """The field of items that answers soonest."""
    if process.noise.mixed and items.ndim == 2:
        return TableField(process, items)
    return ExactField(process, items)
