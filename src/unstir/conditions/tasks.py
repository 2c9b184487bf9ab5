"""Tasks by name, such as `inpaint:hole=0.5` or `superres:factor=4`, on images in full scale 0 to 1.

A task says how images are measured, what files of what it measures hold, and how that is shown beside images.
`noise` is σ as a share of the full scale (0.1 is 25.5 of 255).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unstir import spec
from unstir.conditions.conjugate import conjugate_gradients
from unstir.conditions.measurement import Measurement
from unstir.conditions.operators import Blurred, Noised, Pooled, Seen
from unstir.conditions.tomography import Tomography
from unstir.errors import InputError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Task(ABC):
    """How images are measured.

    Attributes:
        noise: σ.
    """

    noise: float

    def __post_init__(self) -> None:
        if not 0 < self.noise < math.inf:
            raise InputError(f"noise={self.noise:g}: give the noise's share of the full scale, such as 0.02")

    @abstractmethod
    def measurement(self, shape: Shape) -> Measurement:
        """H and σ for images of `shape`, (channels, height, width)."""

    def observed(self, given: Tensor, shape: Shape) -> Tensor:
        """The observations that a user's images, floats from 0 to 1, or arrays stand for.

        Raises:
            InputError: they are of another shape than this task's observations.
        """
        wanted = self.measurement(shape)(torch.zeros(1, *shape)).shape[1:]
        if given.shape[1:] != wanted:
            raise InputError(
                f"input: holds items of shape {tuple(given.shape[1:])}; of images {shape} this task sees "
                f"{tuple(wanted)}, give such ones"
            )
        return given

    def shown(self, observed: Tensor, shape: Shape) -> Tensor:
        """Observations as images of `shape`, to look at."""
        return observed


@dataclass(frozen=True)
class Inpaint(Task):
    """Some pixels are lost.

    Attributes:
        hole: side of a square in the middle that is lost, over the image's.
        share: share of the pixels that is lost at random, if above 0, in place of the square.
        mask: an image, white where pixels are seen and black where they are lost, in place of both.
        seed: of the random pixels.
    """

    hole: float
    share: float
    mask: str
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("hole", self.hole), ("share", self.share)):
            if not 0 <= value < 1:
                raise InputError(f"{name}={value:g}: give a share of the image from 0 to below 1")

    def measurement(self, shape: Shape) -> Measurement:
        return Seen(self._keep(shape[-2:]), self.noise)

    def observed(self, given: Tensor, shape: Shape) -> Tensor:
        """The seen pixels of images of the full shape; what else there is in them is not looked at."""
        if given.shape[1:] != shape:
            return super().observed(given, shape)
        return self.measurement(shape)(given)

    def shown(self, observed: Tensor, shape: Shape) -> Tensor:
        """Lost pixels are grey."""
        seen = torch.full((len(observed), *shape), 0.5, dtype=observed.dtype)
        seen.flatten(2)[..., self._keep(shape[-2:]).flatten()] = observed
        return seen

    def _keep(self, size: Shape) -> Tensor:
        if self.mask:
            return _read_mask(Path(self.mask), size)
        if self.share:
            generator = torch.Generator().manual_seed(self.seed)
            order = torch.randperm(math.prod(size), generator=generator)
            lost = order[: min(round(self.share * len(order)), len(order) - 1)]
            return torch.ones(math.prod(size), dtype=torch.bool).index_fill(0, lost, 0).reshape(size)
        keep = torch.ones(size, dtype=torch.bool)
        tall, wide = (max(1, math.floor(self.hole * one + 0.5)) for one in size)
        top, left = (size[0] - tall) // 2, (size[1] - wide) // 2
        keep[top : top + tall, left : left + wide] = False
        return keep


@dataclass(frozen=True)
class Superres(Task):
    """Small images, of which large ones are wanted.

    Attributes:
        factor: how many pixels of a side become one.
    """

    factor: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.factor < 2:
            raise InputError(f"factor={self.factor}: give 2 or more")

    def measurement(self, shape: Shape) -> Measurement:
        return Pooled(self.factor, self.noise)

    def shown(self, observed: Tensor, shape: Shape) -> Tensor:
        """Each pixel as a square."""
        large = observed.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)
        return large[..., : shape[1], : shape[2]]


@dataclass(frozen=True)
class Deblur(Task):
    """Blurred images.

    Attributes:
        width: the blur's standard deviation in pixels.
    """

    width: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.width < math.inf:
            raise InputError(f"width={self.width:g}: give the blur in pixels, such as 1.5")

    def measurement(self, shape: Shape) -> Measurement:
        return Blurred(self.width, self.noise)


@dataclass(frozen=True)
class Denoise(Task):
    """Noisy images."""

    def measurement(self, shape: Shape) -> Measurement:
        return Noised(self.noise)


@dataclass(frozen=True)
class SparseCT(Task):
    """Sinograms of few angles.

    Attributes:
        angles: how many, over half a turn.
    """

    angles: int

    def measurement(self, shape: Shape) -> Measurement:
        return Tomography(self.angles, self.noise)

    def shown(self, observed: Tensor, shape: Shape) -> Tensor:
        """The image of least energy that fits, with half of the full scale for the noise of pixels."""
        H = self.measurement(shape)
        weights = conjugate_gradients(
            lambda u: 0.25 * H(H.adjoint(u, shape)) + H.sigma**2 * u, observed.float()
        )
        return 0.25 * H.adjoint(weights, shape)


def inpaint(
    hole: float = 0.4, share: float = 0.0, mask: str = "", noise: float = 0.02, seed: int = 0
) -> Task:
    """Lost pixels: a square in the middle, a random share, or the black ones of a mask."""
    return Inpaint(noise, hole, share, mask, seed)


def superres(factor: int = 4, noise: float = 0.02) -> Task:
    """Small images, of means over squares."""
    return Superres(noise, factor)


def deblur(width: float = 1.5, noise: float = 0.02) -> Task:
    """A Gaussian blur."""
    return Deblur(noise, width)


def denoise(noise: float = 0.2) -> Task:
    """Noise alone."""
    return Denoise(noise)


def sparse_ct(angles: int = 10, noise: float = 0.01) -> Task:
    """Tomography with few angles."""
    return SparseCT(noise, angles)


TASKS: dict[str, Callable[..., Task]] = {
    "inpaint": inpaint,
    "superres": superres,
    "deblur": deblur,
    "denoise": denoise,
    "sparse-ct": sparse_ct,
}


def parse_task(text: str) -> Task:
    """The task that `text` names, such as `deblur:width=2`.

    Raises:
        InputError: an unknown name or parameter, or a value out of range.
    """
    return spec.parse("task", text, TASKS)


def _read_mask(path: Path, size: Shape) -> Tensor:
    """True where the mask's image is white, of the `size` (height, width)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            white = torch.from_numpy(np.array(image.convert("L"))) >= 128
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"mask={path}: cannot be read ({type(error).__name__}); give a PNG") from error
    if white.shape != size:
        raise InputError(f"mask={path}: has {tuple(white.shape)} pixels, the images {size}; give as many")
    return white
