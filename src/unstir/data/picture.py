"""Pictures of samples: a grid of images, or a scatter of points in the plane.

Grids are enlarged by a whole number, each pixel a square, until they are at least `WIDTH` pixels wide; the
gaps are white and two pixels wide.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from unstir.data.categories import Names
from unstir.data.limits import MAX_PIXELS
from unstir.data.wording import counted
from unstir.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

WIDTH = 512
GAP = 2

_UNLIKE = 10  # how many times as far points spread one way as the other, and still lie in one plane
_NAMED = 12  # as many categories have a tick each
_LONGEST = 14  # letters of a tick


def grid_layout(
    shape: Sequence[int], columns: int | None = None, scale: int | None = None
) -> tuple[int, int, int]:
    """Columns, rows and enlargement of the grid for images `(n, c, h, w)` of this shape.

    Raises:
        InputError: `columns` or `scale` below 1, or a grid above 64 megapixels.
    """
    n, _, height, width = shape
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    if columns < 1:
        raise InputError(f"columns={columns}: a grid has at least 1")
    columns = min(columns, n)
    if scale is None:
        scale = max(1, math.ceil((WIDTH - GAP * (columns - 1)) / (columns * width)))
    if scale < 1:
        raise InputError(f"scale={scale}: images are enlarged 1 time or more")
    rows = math.ceil(n / columns)
    pixels = columns * (width * scale + GAP) * rows * (height * scale + GAP)
    if pixels > MAX_PIXELS:
        raise InputError(
            f"{counted(n, 'image')} of {width}x{height} make a grid of {pixels // 10**6} megapixels, above "
            f"{MAX_PIXELS // 10**6}: save fewer, or an .npz or a folder"
        )
    return columns, rows, scale


def image_grid(values: Tensor, columns: int | None = None, scale: int | None = None) -> Image.Image:
    """A grid of images, filled row by row.

    Args:
        values: uint8 `(n, 1 or 3, height, width)`.
        columns: images in a row; as square as can be without.
        scale: how many pixels wide each pixel becomes; without, the least with which the grid is 512 wide.

    Returns:
        A Pillow image, grey or RGB.

    Raises:
        InputError: other values than these, or a grid above 64 megapixels.
    """
    from PIL import Image

    if values.ndim != 4 or values.dtype != torch.uint8 or values.shape[1] not in (1, 3) or not values.numel():
        raise InputError(
            f"images of {values.dtype} and shape {tuple(values.shape)}: give uint8 (n, 1 or 3, h, w)"
        )
    columns, rows, scale = grid_layout(values.shape, columns, scale)
    _, channels, height, width = values.shape
    tall, wide = height * scale + GAP, width * scale + GAP
    canvas = np.full((rows * tall - GAP, columns * wide - GAP, channels), 255, dtype=np.uint8)
    for i, image in enumerate(values.permute(0, 2, 3, 1).cpu().numpy()):
        top, left = i // columns * tall, i % columns * wide
        canvas[top : top + tall - GAP, left : left + wide - GAP] = image.repeat(scale, 0).repeat(scale, 1)
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def png_bytes(image: Image.Image) -> bytes:
    """An image as .png, the same bytes every time."""
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def scatter_bytes(
    values: Tensor,
    labels: Tensor | None = None,
    columns: Sequence[str] = ("x", "y"),
    categories: Sequence[Names] = (),
) -> bytes:
    """Points `(n, 2)` as a scatter plot in .png, coloured by `labels`, without those that are not finite.

    A unit is as long both ways where the points spread about as far both ways, as in a plane. An age and an
    income do not, nor do names: there each axis has a range of its own.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = values.detach().double().cpu()
    finite = points.isfinite().all(dim=1)
    colours = "#1f5fa8" if labels is None else labels.cpu()[finite].numpy()
    points = points[finite]
    figure = Figure(figsize=(6, 6), dpi=120, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    size = min(36.0, max(1.0, 8000 / max(1, len(points))))
    axes.scatter(
        points[:, 0].numpy(),
        points[:, 1].numpy(),
        s=size,
        c=colours,
        cmap=None if labels is None else "turbo",
        linewidths=0,
    )
    names = [found or () for found in (*categories, None, None)[:2]]
    plane = not any(names)
    if len(points):
        # Around all of them, however far out the farthest lies.
        low, high = points.amin(dim=0), points.amax(dim=0)
        middle, spread = low / 2 + high / 2, (high - low).clamp(max=1e308)
        plane &= float(spread.max()) <= _UNLIKE * float(spread.min()) or float(spread.min()) == 0
        reach = (spread.max().expand(2) if plane else spread) * 0.55
        half = torch.maximum(reach, (middle.abs().max() if plane else middle.abs()) * 1e-6)
        half[half == 0] = 1.0
        axes.set_xlim(float(middle[0] - half[0]), float(middle[0] + half[0]))
        axes.set_ylim(float(middle[1] - half[1]), float(middle[1] + half[1]))
    if plane:
        axes.set_aspect("equal", adjustable="box")
    for at, (axis, found) in enumerate(zip((axes.xaxis, axes.yaxis), names, strict=True)):
        if 0 < len(found) <= _NAMED:
            axis.set_ticks(range(len(found)), [_short(name) for name in found])
            (axes.set_ylim if at else axes.set_xlim)(-0.5, len(found) - 0.5)
    axes.set_xlabel(columns[0])
    axes.set_ylabel(columns[1])
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _short(name: str) -> str:
    return (name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…") or "(empty)"
