"""The block of both U-Nets of ours, with e the features of noise level and class:

    h ← h + conv(φ(N(conv(φ(N(h))) + W e + w)))        φ(x) = x min(max(x + 3, 0), 6)/6

with N a group norm and the last convolution zero at first, so that each starts as the identity. φ, the hard
swish, is silu without its exponential: half the time. Each of these is at its fastest with channels last.
Source: Ho 2020, with the norm after the sum; Howard 2019, hard swish.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from unstir.fields.norms import norm
from unstir.fields.residual import added


class Shifted(nn.Module):
    """Two convolutions beside a skip path, between them what noise level and class add to the features.

    Args:
        given: features that come in.
        width: features that go out.
        features: of noise level and class.
        convolution: makes one of so many features to so many, that keeps the places.
    """

    def __init__(
        self, given: int, width: int, features: int, convolution: Callable[[int, int], nn.Conv2d]
    ) -> None:
        super().__init__()
        self.first = norm(given)
        self.convolution = convolution(given, width)
        self.shift = nn.Linear(features, width)
        self.second = norm(width)
        self.answer = convolution(width, width)
        self.skip = nn.Conv2d(given, width, 1) if given != width else nn.Identity()
        nn.init.zeros_(self.answer.weight)
        if self.answer.bias is not None:
            nn.init.zeros_(self.answer.bias)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        inner = self.convolution(functional.hardswish(self.first(h)))
        inner = self.second(added(inner, self.shift(e)[:, :, None, None]))
        return added(self.answer(functional.hardswish(inner)), self.skip(h))
