"""Sums over all pairs, Σ_j k(‖x_i − y_j‖²) q_j, by tiles that stay in the cache: the direct method.

A tile is 1024 sources by 128 targets. In float32 two buffers of that size fill a megabyte, so each pass over
one costs about a tenth of a nanosecond a pair: d differences, their squares, one or two passes for the
kernel, and one matrix product with the charges. Memory does not grow with either number.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.fields.kernels import Kernel

_SOURCES, _TARGETS = 1024, 128


def direct(x: Tensor, y: Tensor, columns: Tensor, kernel: Kernel) -> Tensor:
    """Σ_j k(‖x_i − y_j‖²/ℓ²) c_j, `(targets, columns)`, up to the kernel's e^{log_scale}.

    Args:
        x: targets `(targets, d)`; their dtype is that of the work.
        y: sources `(sources, d)`.
        columns: c, `(sources, columns)`.
        kernel: k; of a singular one, pairs at the same place count nothing.
    """
    d = x.shape[1]
    xt = (x / kernel.unit).T.contiguous()
    yt = (y.to(x) / kernel.unit).T.contiguous()
    ct = columns.to(x).T.contiguous()
    out = x.new_zeros(ct.shape[0], len(x))
    first, second = x.new_empty(2, min(_SOURCES, len(y)) * min(_TARGETS, len(x)))
    for j in range(0, len(y), _SOURCES):
        sources, charges = yt[:, j : j + _SOURCES, None], ct[:, j : j + _SOURCES]
        for i in range(0, len(x), _TARGETS):
            targets, total = xt[:, i : i + _TARGETS], out[:, i : i + _TARGETS]
            shape = sources.shape[1], targets.shape[1]
            u, v = (buffer[: shape[0] * shape[1]].view(shape) for buffer in (first, second))
            torch.sub(sources[0], targets[0], out=u)
            u.mul_(u)
            for axis in range(1, d):
                torch.sub(sources[axis], targets[axis], out=v)
                u.addcmul_(v, v)
            total.addmm_(charges, kernel.weigh_(u))
    return out.T
