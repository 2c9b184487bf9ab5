"""Loudness: how loud the noise of a state is, where the law of noise mixes variances.

    x = A y + B √W n      p(W | x) ∝ p(W) Π_k N(z_k; A_k μ_k, A_k² λ_k + B² W)

with z the state in the principal axes of the data, or in cosine modes where those are what heat damps, and λ
the data's variances there. What the data hardly use tells W: in 784 dimensions within 5 %. Where the
noise is lower than the least of the data's variances nothing tells it, and its own law p(W) decides.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.physics import LinearProcess
from unstir.physics.basis import CosineModes
from unstir.physics.linear import expanded

_LARGEST = 1024  # numbers in an item whose principal axes are worked out
_MOST = 5000  # items that they are fitted to


class Loudness:
    """E[log W | x] for items like `data` `(points, *shape)`."""

    def __init__(self, process: LinearProcess, data: Tensor) -> None:
        self.process, self.shape = process, data.shape[1:]
        self.axes: Tensor | None = None
        if not process.noise.mixed:
            return
        some = data[torch.linspace(0, len(data) - 1, min(len(data), _MOST)).long().to(data.device)].double()
        if process.damping is None and data[0].numel() <= _LARGEST:
            centred = some.flatten(1) - some.flatten(1).mean(0)
            self.axes = torch.linalg.eigh(centred.T @ centred).eigenvectors
        modes = self._coordinates(some)
        self._mean, self._variance = modes.mean(0), modes.var(0, correction=0)
        nodes, log_weights = process.noise.mixing_nodes(data[0].numel())
        self._nodes, self._log_weights = nodes.to(data.device), log_weights.to(data.device)

    def log_mixing(self, x: Tensor, time: Tensor) -> Tensor:
        """E[log W | x], float64 `(batch,)`, of states `(batch, *shape)` at one time."""
        if not self.process.noise.mixed:
            return torch.zeros(len(x), dtype=torch.float64, device=x.device)
        A = expanded(self.process.signal(time[None].double(), self.shape), self.shape)[0].to(x.device)
        z = self._coordinates(x.double()) - A * self._mean
        total = A**2 * self._variance + float(self.process.B(time)) ** 2 * self._nodes[:, None]
        logits = self._log_weights - 0.5 * (total.log().sum(1) + z.square() @ (1 / total).T)
        return torch.softmax(logits, 1) @ self._nodes.log()

    def _coordinates(self, x: Tensor) -> Tensor:
        if self.axes is not None:
            return x.flatten(1) @ self.axes
        return CosineModes().coordinates(x).flatten(1)
