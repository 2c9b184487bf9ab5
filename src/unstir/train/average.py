"""Averaged weights, by the power function (Karras 2024, EDM2): weights ∝ t^γ over the steps t that counted.

    θ̂ ← θ̂ + w (θ − θ̂)      w = 1 − (n/(n + 1))^{γ+1}      n = 0, 1, … the steps averaged so far

so that the average's width is a fixed share σ_rel of the run so far, with γ by equation 123 there,

    σ_rel² = (γ + 1) / ((γ + 2)² (γ + 3))

Buffers, as a sketch of the data, are not averaged: the averaged field has those of the trained one, the same
tensors, and no step copies them.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from unstir.fields import LearnedField
from unstir.train.gate import precise
from unstir.train.sharding import local


class Average(nn.Module):
    """A field of averaged weights.

    Args:
        field: that is trained, on its device; taken over as it is.
        width: σ_rel.

    Attributes:
        module: the averaged field.
        n_averaged: how many steps counted, an int64 scalar on the device.
    """

    module: LearnedField[Any]
    n_averaged: Tensor

    def __init__(self, field: LearnedField[Any], width: float) -> None:
        super().__init__()
        self.module = copy.deepcopy(field, {id(buffer): buffer for buffer in field.buffers()})
        device = next(field.parameters()).device
        self.register_buffer("n_averaged", torch.zeros((), dtype=torch.int64, device=device))
        self.gamma = exponent(width)

    @torch.no_grad()
    def update(self, field: LearnedField[Any], made: Tensor) -> None:
        """Take in the weights of `field` where the step counted: `made`, a scalar boolean on the device."""
        n = self.n_averaged.to(precise(self.n_averaged.device))
        weight = -torch.expm1((self.gamma + 1) * torch.log1p(-1 / (n + 1))) * made
        self.n_averaged += made
        averaged, current = (local(list(each.parameters())) for each in (self.module, field))
        weights = {dtype: weight.to(dtype) for dtype in {value.dtype for value in averaged}}
        torch._foreach_lerp_(averaged, current, [weights[value.dtype] for value in averaged])


def exponent(width: float) -> float:
    """γ of a width σ_rel in (0, ¼], by halving."""
    low, high = 0.0, 1e4
    for _ in range(60):
        middle = 0.5 * (low + high)
        wide = (middle + 1) / ((middle + 2) ** 2 * (middle + 3)) > width**2
        low, high = (middle, high) if wide else (low, middle)
    return low
