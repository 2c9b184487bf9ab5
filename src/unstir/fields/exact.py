"""The exact field of a finite data set: D(x, t) = Σ_i softmax_i(log p_t(x | y_i)) y_i.

Streamed over blocks of data with an online softmax (Milakov & Gimelshein 2018), so that memory does not
grow with the data. It needs no training, and it only ever gives the data back: sampled to the end it
lands on them with the right shares.
"""

from __future__ import annotations

import itertools
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
        labels: their classes, int64 `(points,)` from 0. Asked with a label the field is that of this class
            alone, and without one that of all the data; where there are none a label makes no difference.

    Raises:
        InputError: no data, values that are not finite, weights or labels of another length or sign; a label
            that no point has.
    """

    def __init__(
        self,
        process: LinearProcess,
        data: Tensor,
        weights: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> None:
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
        kept = weights > 0
        if labels is not None:
            if labels.shape != (len(data),) or labels.dtype != torch.int64 or bool((labels < 0).any()):
                raise InputError(
                    f"labels: give a class number from 0, int64, for each of the {len(data)} points"
                )
            order = torch.argsort(labels[kept], stable=True)
            data, weights, labels = data[kept][order], weights[kept][order], labels[kept][order]
            counts = torch.bincount(labels).tolist()
            self._ranges = [
                slice(e - c, e) for e, c in zip(itertools.accumulate(counts), counts, strict=True)
            ]
        else:
            data, weights = data[kept], weights[kept]
            self._ranges = []
        self._data = process.basis.coordinates(data).flatten(1)
        self._log_weights = (weights.double() / weights.double().sum()).log()
        self._largest = float((self._data.double() ** 2).sum(1).max())

    @classmethod
    def of_classes(cls, process: LinearProcess, data: Tensor, labels: Tensor | None) -> ExactField:
        """The field of points of equal shares in classes."""
        return cls(process, data, labels=labels)

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x_t = x], `(batch, *shape)`, for times `(batch,)`."""
        self._check(x)
        A = expanded(self.process.signal(t.double(), self.shape), self.shape)
        return self._by_class(x, A, self.process.B(t.double())[:, None], label)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        time = torch.tensor([t], dtype=torch.float64, device=self._data.device)
        A = expanded(self.process.signal(time, self.shape), self.shape)
        B = self.process.B(time)[:, None]
        return lambda x, label: self._by_class(x, A, B, label)

    def _by_class(self, x: Tensor, A: Tensor, B: Tensor, label: Tensor | None) -> Tensor:
        """Each state with the points of its class."""
        if label is None or not self._ranges:
            return self._posterior_mean(x, A, B, slice(0, len(self._data)))
        out = torch.empty_like(x)
        for number in sorted(set(label.tolist())):
            if not 0 <= number < len(self._ranges) or self._ranges[number].start == self._ranges[number].stop:
                raise InputError(f"label={number}: no point of the field's data is of this class")
            at = label == number
            own = [values[at] if len(values) == len(x) else values for values in (A, B)]
            out[at] = self._posterior_mean(x[at], own[0], own[1], self._ranges[number])
        return out

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

    def _posterior_mean(self, x: Tensor, A: Tensor, B: Tensor, among: slice) -> Tensor:
        basis, noise = self.process.basis, self.process.noise
        u = basis.coordinates(x).flatten(1)
        dtype = self._dtype(u, A, B)
        scaled, factor = (u.double() / B).to(dtype), (A / B).to(dtype)
        top = torch.full((len(u), 1), -math.inf, dtype=dtype, device=u.device)
        total = torch.zeros_like(top)
        mean = torch.zeros(u.shape, dtype=dtype, device=u.device)
        for start in range(among.start, among.stop, _BLOCK):
            stop = min(start + _BLOCK, among.stop)
            block = self._data[start:stop].to(dtype)
            squared = squared_distances(scaled, block, factor)
            logits = noise.log_density(squared, u.shape[1])
            logits = logits + self._log_weights[start:stop].to(dtype)
            new_top = torch.maximum(top, logits.detach().amax(1, keepdim=True))
            weight = torch.exp(logits - new_top)
            keep = torch.exp(top - new_top)
            total = total * keep + weight.sum(1, keepdim=True)
            mean = mean * keep + weight @ block
            top = new_top
        return basis.state((mean / total).to(x.dtype).reshape(x.shape))
