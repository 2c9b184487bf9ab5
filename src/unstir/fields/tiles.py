"""Sums over all pairs, Σ_j k(‖x_i − y_j‖²) q_j, by tiles that stay in the cache: the direct method.

In float32 a tile is 256 sources by 512 targets, or as many pairs of fewer sources. Two buffers of that size
fill a megabyte, so each pass over one costs about a tenth of a nanosecond a pair: d differences, their
squares, one or two passes for the kernel, and one matrix product with the charges, which is fastest with
their columns as its rows. Memory does not grow with either number.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.fields.kernels import Kernel

_BYTES = 1 << 19  # of a buffer
_TARGETS = 512


def direct(
    x: Tensor, y: Tensor, columns: Tensor, kernel: Kernel, touching: tuple[float, Tensor] | None = None
) -> Tensor:
    """Σ_j k(‖x_i − y_j‖²) c_j, `(columns, targets)`, up to the kernel's e^{log_scale}.

    Args:
        x: targets `(d, targets)`, in units of ℓ; their dtype is that of the work.
        y: sources `(d, sources)`, in units of ℓ.
        columns: c, `(columns, sources)`.
        kernel: k; of a singular one, pairs at the same place count nothing.
        touching: a ρ²/ℓ², and bools `(targets,)` that become true where a source is nearer than that.
    """
    d, count = x.shape
    pairs = _BYTES // x.dtype.itemsize
    long = _even(y.shape[1], max(pairs // _TARGETS, pairs // max(count, 1)))
    wide = _even(count, pairs // long)
    # Strided numbers would cost as much again as all that is done with them.
    xs = x.contiguous()
    ys = y.to(x.dtype).contiguous()[:, :, None]
    columns = columns.to(x.dtype)
    out = x.new_zeros(len(columns), count)
    first, second = x.new_empty(2, long * wide)
    for j in range(0, y.shape[1], long):
        sources, charges = ys[:, j : j + long], columns[:, j : j + long]
        for i in range(0, count, wide):
            targets, total = xs[:, i : i + wide], out[:, i : i + wide]
            u, v = (_table(buffer, sources.shape[1], targets.shape[1]) for buffer in (first, second))
            torch.sub(sources[0], targets[0], out=u)
            u.mul_(u)
            for axis in range(1, d):
                torch.sub(sources[axis], targets[axis], out=v)
                u.addcmul_(v, v)
            least = None
            if touching is not None:
                close, marks = touching
                least = float(u.amin())
                if least < close:
                    marks[i : i + wide] |= u.amin(0) < close
            total.addmm_(charges, kernel.weigh_(u, least))
    return out


def _even(count: int, most: int) -> int:
    """The size of equal parts of no more than that."""
    return max(1, -(-count // -(-count // most))) if count else 1


def _table(buffer: Tensor, rows: int, columns: int) -> Tensor:
    """A table whose longer side runs through neighbours in memory: short runs are slow."""
    room = buffer[: rows * columns]
    return room.view(rows, columns) if columns >= rows else room.view(columns, rows).mT
