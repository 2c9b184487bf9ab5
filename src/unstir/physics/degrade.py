"""Degradations of images, what a restoration is to undo: linear, differentiable, without noise."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unstir.moving import sent
from unstir.physics.basis import CosineModes, eigenvalues


class Degradation(ABC):
    """A linear map of images `(batch, channels, height, width)` to worse ones of the same shape."""

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """The degraded images."""


@dataclass(frozen=True)
class Untouched(Degradation):
    """Nothing but the noise that is added after."""

    def __call__(self, images: Tensor) -> Tensor:
        return images


@dataclass(frozen=True)
class Blur(Degradation):
    """A Gaussian blur with insulated edges: heat for a time width²/2, cosine modes damped by e^{−λ width²/2}.

    Attributes:
        width: standard deviation in pixels.
    """

    width: float

    def __call__(self, images: Tensor) -> Tensor:
        basis = CosineModes()
        factor = torch.exp(-0.5 * self.width**2 * eigenvalues(images.shape[1:]))
        return basis.state(sent(factor, images.device, images.dtype) * basis.coordinates(images))


@dataclass(frozen=True)
class Coarse(Degradation):
    """Means over squares of pixels, each shown as large as it was; at the edge of what there is of one.

    Attributes:
        factor: side of a square.
    """

    factor: int

    def __call__(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        small = functional.avg_pool2d(images, self.factor, ceil_mode=True, count_include_pad=False)
        large = small.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)
        return large[..., :height, :width]


@dataclass(frozen=True)
class Hole(Degradation):
    """A square in the middle is lost, and shows the data's mean.

    Attributes:
        share: its side over the image's.
    """

    share: float

    def __call__(self, images: Tensor) -> Tensor:
        mask = torch.ones(images.shape[2:], dtype=images.dtype, device=images.device)
        tall, wide = (max(1, math.floor(self.share * size + 0.5)) for size in images.shape[2:])
        top, left = ((size - hole) // 2 for size, hole in zip(images.shape[2:], (tall, wide), strict=True))
        mask[top : top + tall, left : left + wide] = 0
        return images * mask
