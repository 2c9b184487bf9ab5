"""Are the samples copies of the training set?

With d(x) the distance of x to its nearest training item, and a held-out set as the yardstick,

    ratio = median d(samples) / median d(held-out)      1 as new as held-out data, 0 copies
    share = part of the samples with d below the held-out median      0.5 as new, 1 copies

Distances are Euclidean in the values themselves; images as uint8 count as value/255.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._arrays import pair, same_items, whole
from unstir.measure._tiles import tiles


class Memorisation(NamedTuple):
    """The share, and the ratio: None where held-out items are copies of training items themselves."""

    ratio: float | None
    share: float


def nearest(samples: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest training item of each sample.

    Args:
        samples: `(n, ...)`.
        train: `(m, ...)`.

    Returns:
        Its index `(n,)` int64 and its Euclidean distance `(n,)` float64, exactly 0 for a copy.

    Raises:
        InputError: items of different shape, a set that is empty, values that are not finite.
    """
    x, y = pair(samples, train, ("samples", "train"))
    index = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    least = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
    for i, j, tile in tiles(x, y):
        value, place = tile.min(1)
        closer = value < least[i]
        least[i] = torch.where(closer, value, least[i])
        index[i] = torch.where(closer, place + j.start, index[i])
    blocks = zip(torch.split(x, 4096), torch.split(index, 4096), strict=True)
    return index, torch.cat([(part.double() - y[i].double()).norm(dim=1) for part, i in blocks])


def memorised(samples: Tensor, train: Tensor, heldout: Tensor) -> Memorisation:
    """How near the samples lie to the training set, against how near real held-out items lie.

    Args:
        samples: `(n, ...)`.
        train: `(m, ...)`, all of it: a copy of any item counts.
        heldout: `(k, ...)`, real items that the model never saw.

    Returns:
        `ratio` >= 0 and `share` in [0, 1], as defined at the head of this file.

    Raises:
        InputError: as in `nearest`.

    Source: the distance to the nearest training item as in Meehan et al. 2020, A non-parametric test to
        detect data-copying in generative models.
    """
    pair(samples[:1], heldout[:1], ("samples", "heldout"))
    ours, theirs = nearest(samples, train)[1], nearest(heldout, train)[1].median()
    share = float((ours < theirs).double().mean())
    return Memorisation(float(ours.median() / theirs) if theirs > 0 else None, share)


def nearest_picture(samples: Tensor, train: Tensor, path: str | Path, *, pairs: int = 16) -> Path:
    """Draw the samples closest to the training set, each above its nearest training image, as a PNG.

    Under each pair stands the root-mean-square difference of their pixels in % of the full range. Pixels
    are enlarged by a whole factor, never blurred. The file appears whole or not at all.

    Args:
        samples: uint8 images `(n, 1 or 3, height, width)`.
        train: uint8 images of the same shape.
        path: where to write; the name ends in .png. Missing folders are made, a file there is replaced.
        pairs: how many pairs to draw at most.

    Returns:
        The path.

    Raises:
        InputError: not uint8 images, shapes that differ, pairs < 1, or a name not ending in .png.
    """
    from unstir.measure._picture import draw_pairs, save_png

    for name, images in (("samples", samples), ("train", train)):
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in {1, 3}:
            raise InputError(
                f"{name} is {images.dtype} of shape {tuple(images.shape)}: give uint8 (n, 1 or 3, h, w)"
            )
    same_items(samples, train, ("samples", "train"))
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"path={str(path)!r}: the picture is a PNG, give a name that ends in .png")
    index, distance = nearest(samples, train)
    order = distance.argsort(stable=True)[: whole(pairs, "pairs")].cpu()
    index, distance = index.cpu(), distance.cpu()
    percent = 100 * distance[order] / samples[0].numel() ** 0.5
    above, below = samples.cpu()[order], train.cpu()[index[order]]
    save_png(draw_pairs(above, below, percent.tolist(), len(samples), len(train)), path)
    return path
