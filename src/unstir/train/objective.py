"""The objective: denoise at noise levels drawn where it matters.

ln(B/A) ~ N(noise_mean, noise_std²), held within the process's own range (Karras 2022, table 1), so that one
recipe serves every schedule; the field's own weight 1/c_out² makes each level count alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.fields import NeuralField
from unstir.physics import LinearProcess


def draw_times(process: LinearProcess, n: int, mean: float, std: float, generator: torch.Generator) -> Tensor:
    """Times `(n,)`, float32, stratified over the batch: item i has its own n-th of the law's mass."""
    uniform = (torch.arange(n) + torch.rand(n, generator=generator, dtype=torch.float64)) / n
    normal = torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))
    return process.time_at(process.scale * torch.exp(mean + std * normal)).float()


def denoising_loss(
    field: NeuralField,
    data: Tensor,
    generator: torch.Generator,
    *,
    mean: float,
    std: float,
    label: Tensor | None = None,
) -> Tensor:
    """The batch's mean loss, a scalar; random numbers are drawn on the generator's device."""
    t = draw_times(field.process, len(data), mean, std, generator).to(data.device)
    x = field.process.perturb(data, t, generator)
    return field.error(data, x, t, label).mean()
