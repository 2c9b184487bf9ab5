"""Windows: how far each part of an image sees at each noise level, chosen on images that were not looked up.

Sizes are a ladder of scales, each about 1.6 times as wide as the one before, up to the whole image. At each
of some noise levels the scale with the least squared error of denoised held-out images is taken, walking up
from low noise, where a pixel is best told by itself; between levels the place on the ladder is linear in the
process's own level, ¼ ln(B √W/A).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.fields.patches import Scale

# radius, block, overlap: a wide window needs no block of its own for every pixel
_LADDER = ((0, 1, 0), (1, 1, 1), (2, 2, 2), (3, 4, 3), (5, 4, 5), (8, 8, 8), (13, 8, 13), (21, 16, 21))
# Of scales whose errors are as good as equal the widest is taken: what belongs together stays together.
_TIE = 1.02
_WORSE = 1.1  # by which an error is past its least


def ladder(height: int, width: int, narrowest: int, shift: int = 0) -> tuple[Scale | None, ...]:
    """The scales that fit images of a size, from radius `narrowest` up to None: the whole image."""
    widest = 0.75 * max(height, width)
    return (*(Scale(*one, shift) for one in _LADDER if narrowest <= one[0] < widest), None)


@dataclass(frozen=True)
class Windows:
    """Scales against the noise level.

    Attributes:
        scales: from the narrowest to the whole image, which is None.
        levels: rising.
        places: on the ladder at each level, from 0 to the last scale's index.
    """

    scales: tuple[Scale | None, ...]
    levels: tuple[float, ...]
    places: tuple[float, ...]

    def index(self, level: Tensor) -> Tensor:
        """Which scale serves at levels of any shape."""
        levels = torch.tensor(self.levels, dtype=torch.float64)
        places = torch.tensor(self.places, dtype=torch.float64)
        level = level.double().clamp(levels[0], levels[-1])
        above = torch.searchsorted(levels, level).clamp(1, max(len(levels) - 1, 1))
        low, high = levels[above - 1], levels[above.clamp(max=len(levels) - 1)]
        share = torch.where(high > low, (level - low) / (high - low), 0.0)
        first, second = places[above - 1], places[above.clamp(max=len(levels) - 1)]
        return (first + share * (second - first)).round().long()


def calibrated(
    scales: Sequence[Scale | None],
    levels: Sequence[float],
    error: Callable[[int, int], float],
) -> Windows:
    """Choose a scale for each level.

    Args:
        scales: the ladder.
        levels: rising.
        error: of denoised held-out images, from the numbers of level and scale.
    """
    chosen = dict[int, int]()

    def best(level: int, lowest: int) -> int:
        errors = dict[int, float]()
        for scale in range(lowest, len(scales)):
            errors[scale] = error(level, scale)
            if errors[scale] > _WORSE * min(errors.values()):
                break
        least = min(errors.values())
        chosen[level] = max(scale for scale, value in errors.items() if value <= _TIE * least)
        return chosen[level]

    # The first level that asks for more than the narrowest is bisected for, then windows only widen.
    first, after = 0, len(levels)
    while first < after:
        middle = (first + after) // 2
        first, after = (middle + 1, after) if best(middle, 0) == 0 else (first, middle)
    places, last = [0] * first, 0
    for level in range(first, len(levels)):
        if last < len(scales) - 1:
            last = max(last, chosen[level] if level in chosen else best(level, max(last - 1, 0)))
        places.append(last)
    return Windows(tuple(scales), tuple(levels), tuple(map(float, places)))
