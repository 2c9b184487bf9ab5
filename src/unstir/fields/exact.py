"""The exact field of a finite data set: D(x, t) = Σ_i softmax_i(log p_t(x | y_i)) y_i.

Streamed over blocks of data with an online softmax (Milakov & Gimelshein 2018), so that memory does not
grow with the data. It needs no training, and it only ever gives the data back: sampled to the end it
lands on them with the right shares.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.field import Slice
from unstir.physics import LinearProcess
from unstir.physics.linear import expanded, squared_distances

_BLOCK = 8192
# Squared distances are taken from one matrix product; float32 serves while its rounding moves
# no logit by much more than this.
_LOGIT_ERROR = 1e-3


class ExactField:
    """The denoiser of the empirical law of `data`.

    Args:
        process: any linear process.
        data: points `(points, *shape)` of any floating dtype.
        weights: their shares `(points,)`, normalised here; equal by default.

    Raises:
        InputError: no data, values that are not finite, or weights of another length or sign.
    """

    def __init__(self, process: LinearProcess, data: Tensor, weights: Tensor | None = None) -> None:
        if data.ndim < 2 or len(data) == 0 or not data.is_floating_point():
            raise InputError(
                f"data: has shape {tuple(data.shape)} and dtype {data.dtype}; give floats (points, *shape)"
            )
        if not bool(data.isfinite().all()):
            raise InputError(f"data: {int((~data.isfinite()).sum())} values are NaN or infinite; remove them")
        if weights is None:
            weights = torch.ones(len(data), device=data.device)
        if (
            weights.shape != (len(data),)
            or not bool((weights >= 0).all())
            or not 0 < float(weights.sum()) < math.inf
        ):
            raise InputError(f"weights: give one non-negative share for each of the {len(data)} points")
        self.process = process
        self.shape = data.shape[1:]
        # A block of nothing but points of no weight would leave 0/0.
        data, weights = data[weights > 0], weights[weights > 0]
        self._data = process.basis.coordinates(data).flatten(1)
        self._log_weights = (weights.double() / weights.double().sum()).log()
        self._largest = float((self._data.double() ** 2).sum(1).max())

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x_t = x], `(batch, *shape)`, for times `(batch,)`."""
        self._check(x)
        A = expanded(self.process.signal(t.double(), self.shape), self.shape)
        return self._posterior_mean(x, A, self.process.B(t.double())[:, None])

    def at(self, t: float) -> Slice:
        """The field at one time."""
        time = torch.tensor([t], dtype=torch.float64, device=self._data.device)
        A = expanded(self.process.signal(time, self.shape), self.shape)
        B = self.process.B(time)[:, None]
        return lambda x, label: self._posterior_mean(x, A, B)

    def _check(self, x: Tensor) -> None:
        if x.shape[1:] != self.shape:
            raise InputError(
                f"x: items have shape {tuple(x.shape[1:])}, the field's data {tuple(self.shape)}"
            )

    def _dtype(self, u: Tensor, A: Tensor, B: Tensor) -> torch.dtype:
        """Float32 where it is enough, float64 elsewhere."""
        if u.dtype == torch.float64:
            return torch.float64
        size = (u**2).sum(1, keepdim=True).double() + A.amax(1, keepdim=True) ** 2 * self._largest
        error = float((size / B**2).max()) * torch.finfo(torch.float32).eps
        return torch.float32 if error < _LOGIT_ERROR else torch.float64

    def _posterior_mean(self, x: Tensor, A: Tensor, B: Tensor) -> Tensor:
        basis, noise = self.process.basis, self.process.noise
        u = basis.coordinates(x).flatten(1)
        dtype = self._dtype(u, A, B)
        scaled, factor = (u.double() / B).to(dtype), (A / B).to(dtype)
        top = torch.full((len(u), 1), -math.inf, dtype=dtype, device=u.device)
        total = torch.zeros_like(top)
        mean = torch.zeros(u.shape, dtype=dtype, device=u.device)
        for start in range(0, len(self._data), _BLOCK):
            block = self._data[start : start + _BLOCK].to(dtype)
            squared = squared_distances(scaled, block, factor)
            logits = noise.log_density(squared, u.shape[1])
            logits = logits + self._log_weights[start : start + _BLOCK].to(dtype)
            new_top = torch.maximum(top, logits.detach().amax(1, keepdim=True))
            weight = torch.exp(logits - new_top)
            keep = torch.exp(top - new_top)
            total = total * keep + weight.sum(1, keepdim=True)
            mean = mean * keep + weight @ block
            top = new_top
        return basis.state((mean / total).to(x.dtype).reshape(x.shape))
