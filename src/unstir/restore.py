"""Restoration: the task of a bridge's run put on images and undone, and how near the result comes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.physics import Bridge
from unstir.run import Run

if TYPE_CHECKING:
    from PIL import Image

_SHOWN = 12  # images in a row of the picture


def bridge_of(run: Run) -> Bridge:
    """The bridge of a run.

    Raises:
        InputError: its process is another.
    """
    if not isinstance(run.process, Bridge):
        raise InputError(
            f"run {run.path}: {run.process.name} restores nothing; train one with "
            "--process bridge:task=deblur"
        )
    return run.process


def degrade(run: Run, images: Tensor, seed: int = 0) -> Tensor:
    """Images uint8 `(n, channels, height, width)` as the run's own task leaves them, uint8."""
    generator = torch.Generator().manual_seed(seed)
    return run.scaling.to_data(bridge_of(run).degraded(run.scaling.to_model(images), generator))


def psnr(images: Tensor, clean: Tensor) -> float:
    """Peak signal-to-noise ratio of uint8 images in decibels, from their mean square error over all."""
    error = float((images.double() - clean.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def rows_picture(*rows: Tensor) -> Image.Image:
    """The first few images of each set, one set a row."""
    from unstir.data import image_grid

    few = [row[:_SHOWN].cpu() for row in rows]
    return image_grid(torch.cat(few), columns=len(few[0]))
