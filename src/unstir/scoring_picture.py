"""A picture of the most unusual images, each above the training image that is nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from unstir.measure._picture import EDGE, FAINT, INK, PAPER, enlarged, save_png
from unstir.measure.memorisation import nearest

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

    from unstir.scoring import Scores

SHOWN = 16
_COLUMNS, _TILE = 8, 84
_MARGIN, _SIDE, _GAP, _SEAM, _HEAD, _FOOT = 28, 92, 14, 4, 62, 56


def unusual_picture(
    images: Tensor, found: Scores, train: Tensor | None, path: Path, files: Sequence[str] = ()
) -> None:
    """Draw the images of the highest scores as a PNG, the most unusual first.

    Args:
        images: uint8 `(n, 1 or 3, height, width)`, as they were scored.
        found: their scores.
        train: uint8 training images of the same shape, or None for no second row.
        path: where to write, whole or not at all.
        files: the name of each image's file; numbers stand under the images without.
    """
    worst = found.scores.argsort(descending=True)[:SHOWN]
    above = images[worst].cpu()
    below = None if train is None else train[nearest(above, train)[0].cpu()].cpu()
    count, _, height, width = above.shape
    columns = min(_COLUMNS, count)
    factor = max(1, -(-_TILE // max(height, width)))
    wide, high = factor * width, factor * height
    tall = high if below is None else 2 * high + _SEAM
    lines = -(-count // columns)
    size = (
        max(640, 2 * _MARGIN + _SIDE + columns * (wide + _GAP) - _GAP),
        2 * _MARGIN + _HEAD + lines * (tall + _FOOT) - _GAP,
    )
    canvas = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    title, text, small = (ImageFont.load_default(size) for size in (21, 15, 14))
    pen.text((_MARGIN, _MARGIN - 6), f"The most unusual of {len(images):,} images", INK, title)
    usual = f"1 is usual among {len(found.reference.scores):,} others"
    note = f"Under each: its {'file' if files else 'number'}, and its score ({usual})."
    pen.text((_MARGIN, _MARGIN + 24), note, FAINT, small)
    for place, item in enumerate(worst.tolist()):
        row, column = divmod(place, columns)
        left, top = _MARGIN + _SIDE + column * (wide + _GAP), _MARGIN + _HEAD + row * (tall + _FOOT)
        shown = [(above[place], top)]
        if below is not None:
            shown.append((below[place], top + high + _SEAM))
        if column == 0:
            pen.text((left - 14, top + high // 2), "item", INK, text, anchor="rm")
            if below is not None:
                middle = top + high + _SEAM + high // 2
                pen.text((left - 14, middle - 9), "nearest", INK, text, anchor="rm")
                pen.text((left - 14, middle + 9), "in training", INK, text, anchor="rm")
        for image, y in shown:
            pen.rectangle((left - 1, y - 1, left + wide, y + high), outline=EDGE)
            canvas.paste(enlarged(image, wide, high), (left, y))
        centre = left + wide / 2
        name = _fitting(files[item], wide + _GAP - 4, small) if files else str(item)
        pen.text((centre, top + tall + 5), name, FAINT, small, anchor="ma")
        pen.text((centre, top + tall + 22), f"{found.scores[item]:.2f}", INK, small, anchor="ma")
    save_png(canvas, path)


def _fitting(file: str, width: int, font: FreeTypeFont | ImageFont.ImageFont) -> str:
    """The end of a file's name that fits: it is there that names differ."""
    name = "".join(c if c.isprintable() else "?" for c in PurePosixPath(file).stem)
    if font.getlength(name) <= width:
        return name
    while name and font.getlength("…" + name) > width:
        name = name[1:]
    return "…" + name
