"""Mean and covariance of the data, as a process keeps them: what Wiener's filter takes.

spectrum    the variance of each mode of the process's basis, `shape`
centre      its mean, `shape`
axes        a square root of how the modes vary together, `(axes, *shape)`: the main axes, each as long as
            the data's deviation along it
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from unstir.byparts import by_columns

_AXES = 128  # that are kept
_FEW, _WORK = 1024, 5e9  # items that tell them at least, and the multiplications that this may cost

TOGETHER = ("centre", "axes")
"""What runs from before it was kept lack."""


def moments_of(u: Tensor) -> dict[str, Tensor]:
    """Spectrum, centre and axes of items `(n, *shape)` in modes, float32."""
    shape, flat = u.shape[1:], u.flatten(1)
    count = max(_FEW, int(_WORK / flat.shape[1] ** 2))
    some = flat[torch.linspace(0, len(flat) - 1, min(count, len(flat))).long()].double().cpu()
    centre = by_columns(lambda part: part.mean(0, dtype=torch.float64), flat).cpu()
    some = (some - centre) / len(some) ** 0.5
    if len(some) < some.shape[1]:
        _, vectors = torch.linalg.eigh(some @ some.T)
        axes = vectors.T @ some
    else:
        values, vectors = torch.linalg.eigh(some.T @ some)
        axes = values.clamp_min(0).sqrt()[:, None] * vectors.T
    return {
        "spectrum": spectrum_of(u),
        "centre": centre.float().reshape(shape),
        "axes": axes[-_AXES:].float().reshape(-1, *shape).contiguous(),
    }


def spectrum_of(u: Tensor) -> Tensor:
    """The variance of each mode, float32, never below 1e-4 of the largest."""
    variance = by_columns(lambda part: part.double().var(0, correction=0), u.flatten(1)).reshape(u.shape[1:])
    if u.ndim == 4:  # the channels of an image share one
        variance = variance.mean(0, keepdim=True)
    variance = variance.expand(u.shape[1:])
    return variance.clamp_min(1e-4 * float(variance.max())).float().cpu().contiguous()


def together(kept: Mapping[str, Tensor]) -> bool:
    """Whether centre and axes that a run kept fit its spectrum, or it has neither."""
    if not set(TOGETHER) & set(kept):
        return True
    if not {"spectrum", *TOGETHER} <= set(kept):
        return False
    shape = kept["spectrum"].shape
    return kept["centre"].shape == shape and kept["axes"].shape[1:] == shape and len(kept["axes"]) > 0
