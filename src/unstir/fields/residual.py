"""diffusers' residual blocks in fewer passes over memory: the same weights by the same names, the same sums.

    h = conv(silu(GN(x))) + W silu(e)        x ← x' + conv(silu(GN(h)))        x' = x, or a product of 1×1

As diffusers writes it each sum makes new numbers, and the last is divided by 1, forward and backward. What a
convolution has made nobody else needs, so that both sums are made in place: a twentieth of a step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """A block of diffusers', taken over part by part in the order that a checkpoint relies on.

    Args:
        block: a `ResnetBlock2D` that `is_plain`.
    """

    def __init__(self, block: Any) -> None:  # noqa: ANN401  # diffusers has no types
        super().__init__()
        self.norm1, self.conv1, self.time_emb_proj = block.norm1, block.conv1, block.time_emb_proj
        self.norm2, self.conv2, self.conv_shortcut = block.norm2, block.conv2, block.conv_shortcut

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.conv1(functional.silu(self.norm1(x)))
        h = added(h, self.time_emb_proj(functional.silu(e))[:, :, None, None])
        h = self.conv2(functional.silu(self.norm2(h)))
        return added(h, x if self.conv_shortcut is None else self.conv_shortcut(x))


def is_plain(block: Any) -> bool:  # noqa: ANN401
    """Whether a block of diffusers' is of the formula above, and nothing more."""
    return bool(
        block.time_embedding_norm == "default"
        and block.time_emb_proj is not None
        and not block.skip_time_act
        and block.output_scale_factor == 1
        and block.upsample is None
        and block.downsample is None
        and block.dropout.p == 0
        and isinstance(block.nonlinearity, nn.SiLU)
    )


def take_over(network: nn.Module) -> None:
    """Put a `Residual` in place of each plain block of diffusers' in `network`."""
    from diffusers.models.resnet import ResnetBlock2D

    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, ResnetBlock2D) and is_plain(child):
                setattr(module, name, Residual(child))


def added(made: Tensor, other: Tensor) -> Tensor:
    """made + other in the place of `made`, which must be as wide."""
    if torch.promote_types(made.dtype, other.dtype) != made.dtype:
        return made + other
    return made.add_(other)
