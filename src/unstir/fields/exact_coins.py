"""The exact field of coins for a finite data set: p(x_0 = k | x_t) = Σ_i softmax_i(log q(x_t|y_i)) δ(k, y_i).

It needs no training. Drawing each coin on its own, as samplers do, may lead to a state that no data give:
there the nearest data count, those that fewest coins contradict.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from unstir.errors import InputError
from unstir.fields.field import Slice
from unstir.physics.coins import CoinProcess


class ExactCoins:
    """The posterior of the empirical law of `data`.

    Args:
        process: coins.
        data: points, int64 `(points, *shape)`.
        weights: their shares `(points,)`, normalised here; equal by default.

    Raises:
        InputError: no data, other states than the process has, or weights of another length or sign.
    """

    def __init__(self, process: CoinProcess, data: Tensor, weights: Tensor | None = None) -> None:
        if data.ndim < 2 or len(data) == 0 or data.dtype != torch.int64:
            raise InputError(
                f"data: has shape {tuple(data.shape)} and dtype {data.dtype}; give int64 (points, *shape)"
            )
        if not 0 <= int(data.min()) <= int(data.max()) < process.states:
            raise InputError(
                f"data: holds states {int(data.min())} to {int(data.max())}; give 0 to {process.states - 1}"
            )
        weights = torch.ones(len(data)) if weights is None else weights
        right = weights.shape == (len(data),) and bool((weights >= 0).all())
        if not right or not 0 < float(weights.sum()) < math.inf:
            raise InputError(f"weights: give one non-negative share for each of the {len(data)} points")
        self.process = process
        self.shape = data.shape[1:]
        self._data = data[weights > 0]
        weights = weights[weights > 0].double()
        self._log_weights = (weights / weights.sum()).log().to(data.device)
        self._shown = functional.one_hot(self._data, process.states).double()

    def log_weights(self, x: Tensor, t: Tensor) -> Tensor:
        """log p(x_0 = y_i | x_t) of whole points, float64 `(batch, points)`."""
        return functional.log_softmax(self.process.log_kernel(x, self._data, t) + self._log_weights, 1)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """p(x_0 = k | x_t) of each coin, float64 `(batch, *shape, states)`, for times `(batch,)`."""
        weights = self.log_weights(x, t).exp()
        prediction = (weights @ self._shown.flatten(1)).reshape(*x.shape, self.process.states)
        # Where the nearest data contradict what a coin shows for certain, the coin is right.
        evidence = self.process.evidence(x, t, torch.float64)
        possible = torch.where(evidence > 0, prediction, 0)
        total = possible.sum(-1, keepdim=True)
        shown = evidence.sum(-1, keepdim=True)
        certain = torch.where(shown > 0, evidence / shown, prediction)
        return torch.where(total > 0, possible / total, certain)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float64, device=x.device))
