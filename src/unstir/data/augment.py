"""Augmentation of images in model units: x' = G x with a random G, and the numbers that tell which one.

    G = T · A · R · S · F        in pixels from the image's centre, the flips F first

    F   mirror left–right, up–down       a₀, a₁ ∈ {0, 1}             told: a₀, a₁
    S   scale by 2^{scale a₂}            a₂ ~ N(0, 1)                a₂
    R   rotate by turn a₃                a₃ ~ U(−π, π)               cos(turn a₃) − 1, sin(turn a₃)
    A   stretch by 2^{stretch a₅} along  a₄ ~ U(−π, π), a₅ ~ N(0, 1) a₅ cos 2a₄, a₅ sin 2a₄
        the angle a₄, shrink across
    T   shift by (W a₆, H a₇) shift      a₆, a₇ ~ N(0, 1)            a₆, a₇

Each is drawn with its probability, else it is the identity and is told as 0. A network that is told these
nine numbers in training, and nine zeros in sampling, learns from all images and draws none of the
transformed ones: the augmentation does not leak (Karras et al. 2022, appendix F.2, table 6). The paper tells
a₅ cos a₄, a₅ sin a₄, which are the same for a stretch and for a shrinkage along one line; twice the angle
tells these apart, and nothing else that is not the same transformation. What lies beyond the edges is the
image's reflection; between pixels values are interpolated linearly.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unstir import spec
from unstir.errors import InputError
from unstir.moving import sent


class Augmentation(ABC):
    """Images made new at random, with the condition that a network is to be told."""

    @property
    @abstractmethod
    def name(self) -> str:
        """As `augmentation` reads it back."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers the condition has; 0 where there is nothing to tell."""

    @abstractmethod
    def apply(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Transform a batch, each image by draws of its own.

        Args:
            x: floats `(batch, channels, height, width)`; it is left as it is.
            generator: of all draws, as many whatever they say. One on the CPU never waits for a GPU.

        Returns:
            The images, and the condition `(batch, width)` on their device; an image for which nothing was
            drawn is the same to the bit, and its condition is 0.

        Raises:
            InputError: no images.
        """


@dataclass(frozen=True)
class Flip(Augmentation):
    """Half of the images mirrored left–right, told to nobody: for data whose mirror images are data too."""

    @property
    def name(self) -> str:
        return "flip"

    @property
    def width(self) -> int:
        return 0

    def apply(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        coin = torch.rand(len(x), generator=generator, device=generator.device) < 0.5
        return _flipped(x, coin, 3), x.new_zeros((len(x), 0))


@dataclass(frozen=True)
class Augment(Augmentation):
    """EDM's augmentation, which does not leak.

    Attributes:
        p: the probability of each transformation but the mirror's; 0.12 to 0.15 in the paper.
        mirror: the probability that a coin is thrown for a₀; 1 in the paper, so that half are mirrored.
        upside: whether images are turned upside down at all.
        scale: the deviation of the scale in powers of 2; 0 for none, so in the following three.
        turn: the share of the full circle that rotations fill, in [0, 1].
        stretch: the deviation of the stretch in powers of 2.
        shift: the deviation of the shift, as a share of the image's size.

    Raises:
        InputError: a probability or share outside [0, 1], or a deviation that is negative or not finite.
    """

    p: float = 0.12
    mirror: float = 1.0
    upside: bool = True
    scale: float = 0.2
    turn: float = 1.0
    stretch: float = 0.2
    shift: float = 0.125

    def __post_init__(self) -> None:
        for key in ("p", "mirror", "turn"):
            if not 0 <= getattr(self, key) <= 1:
                raise InputError(
                    f"augment: {key}={getattr(self, key)} lies outside [0, 1]; give a share in it"
                )
        for key in ("scale", "stretch", "shift"):
            if not 0 <= getattr(self, key) < math.inf:
                raise InputError(f"augment: {key}={getattr(self, key)}, give a finite number from 0")

    @property
    def name(self) -> str:
        return spec.name_of("edm", Augment, **vars(self))

    @property
    def width(self) -> int:
        return 9

    def apply(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        condition, inverse = self._drawn(len(x), x.shape[2:], generator)
        x = _flipped(x, condition[:, 0] != 0, 3)
        x = _flipped(x, condition[:, 1] != 0, 2)
        # The others are left alone, so that they stay the same to the bit, and cost nothing.
        moved = (condition[:, 2:] != 0).any(1).nonzero()[:, 0]
        if len(moved):
            grid = functional.affine_grid(
                sent(inverse[moved], x.device, x.dtype), [len(moved), *x.shape[1:]], align_corners=False
            )
            index = sent(moved, x.device)
            resampled = functional.grid_sample(x[index], grid, padding_mode="reflection", align_corners=False)
            x = x.index_copy(0, index, resampled)
        return x, sent(condition, x.device, x.dtype)

    def _drawn(self, n: int, size: torch.Size, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The condition `(n, 9)`, and G⁻¹ without flips `(n, 2, 3)` in coordinates from −1 to 1; float64."""
        device, height, width = generator.device, size[0], size[1]

        def uniform(count: int) -> Tensor:
            return torch.rand(count, n, generator=generator, device=device, dtype=torch.float64)

        active = torch.tensor(
            [self.mirror, self.p * self.upside, *(self.p * bool(c) for c in self._constants)], device=device
        )
        hit = (uniform(6) < active[:, None]).double()
        coins, angles = (uniform(2) < 0.5).double(), (2 * uniform(2) - 1) * math.pi
        normal = torch.randn(4, n, generator=generator, device=device, dtype=torch.float64)
        flips = coins * hit[:2]
        size_, turn = normal[0] * hit[2], angles[0] * hit[3] * self.turn
        angle, stretch, shift = angles[1], normal[1] * hit[4], normal[2:] * hit[5]
        told = [
            *flips,
            size_,
            turn.cos() - 1,
            turn.sin(),
            stretch * (2 * angle).cos(),
            stretch * (2 * angle).sin(),
            *shift,
        ]

        zoom, longer = (self.scale * size_).exp2(), (self.stretch * stretch).exp2()
        inverse = (
            _scaling(1 / zoom, 1 / zoom)
            @ _rotation(-turn)
            @ _rotation(angle)
            @ _scaling(1 / longer, longer)
            @ _rotation(-angle)
            @ _translation(-self.shift * width * shift[0], -self.shift * height * shift[1])
        )
        unit = torch.tensor([width / 2, height / 2, 1.0], dtype=torch.float64, device=device)
        return torch.stack(told, 1), (inverse * unit / unit[:, None])[:, :2]

    @property
    def _constants(self) -> tuple[float, ...]:
        return self.scale, self.turn, self.stretch, self.shift


AUGMENTATIONS: Mapping[str, Callable[..., Augmentation]] = {"flip": Flip, "edm": Augment}


def augmentation(text: str) -> Augmentation:
    """The augmentation of a specification: `flip`, `edm`, `edm:p=0.15,mirror=0`.

    Raises:
        InputError: an unknown name or parameter, or a value out of range.
    """
    return spec.parse("augment", text, AUGMENTATIONS)


def _check(x: Tensor) -> None:
    if x.ndim != 4 or not x.is_floating_point():
        raise InputError(
            f"augment: items of {x.dtype} and shape {tuple(x.shape[1:])} are no images; leave augment out"
        )


def _flipped(x: Tensor, where: Tensor, axis: int) -> Tensor:
    return torch.where(sent(where, x.device).reshape(-1, 1, 1, 1), x.flip(axis), x)


def _matrix(rows: tuple[tuple[Tensor | float, ...], ...], like: Tensor) -> Tensor:
    """Matrices `(n, 3, 3)` of entries `(n,)` or of numbers, below them the row 0 0 1."""
    entries = [torch.zeros_like(like) + entry for row in (*rows, (0.0, 0.0, 1.0)) for entry in row]
    return torch.stack(entries, 1).reshape(-1, 3, 3)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(((x, 0.0, 0.0), (0.0, y, 0.0)), x)


def _rotation(angle: Tensor) -> Tensor:
    return _matrix(((angle.cos(), -angle.sin(), 0.0), (angle.sin(), angle.cos(), 0.0)), angle)


def _translation(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(((1.0, 0.0, x), (0.0, 1.0, y)), x)
