"""A picture of images in rows under headings: given ones, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._picture import EDGE, FAINT, INK, PAPER, enlarged

_TILE, _LARGEST, _WIDTH, _WIDEST = 96, 192, 640, 2400
_MARGIN, _GAP, _HEAD, _LINE = 28, 6, 44, 24
_PIXELS = 64 * 2**20  # of the whole picture, at most


def picture_of_rows(
    made: Tensor, title: str, columns: Sequence[str] = (), rows: Sequence[str] = ()
) -> Image.Image:
    """Draw images `(rows, columns, 1 or 3, height, width)`, uint8.

    Each is enlarged by a whole number to 96 pixels or more, and further, up to 192, where they are few.

    Args:
        made: the images.
        title: over all.
        columns: a heading for each column, or for some of the first; '' for none.
        rows: likewise for each row, at its left.

    Raises:
        InputError: a picture above 64 megapixels.
    """
    count, wide, _, height, width = made.shape
    factor = max(1, -(-min(_LARGEST, max(_TILE, _WIDTH // wide)) // max(height, width)))
    while factor > 1 and wide * (factor * width + _GAP) > _WIDEST:
        factor -= 1
    tall, broad = factor * height, factor * width
    head, text = ImageFont.load_default(21), ImageFont.load_default(14)
    side = max((text.getlength(row) for row in rows), default=0)
    left = _MARGIN + (round(side) + 12 if side else 0)
    top = _MARGIN + _HEAD + (_LINE if any(columns) else 0)
    size = (
        max(left + wide * (broad + _GAP) - _GAP, round(_MARGIN + head.getlength(title))) + _MARGIN,
        top + count * (tall + _GAP) - _GAP + _MARGIN,
    )
    if size[0] * size[1] > _PIXELS:
        raise InputError(
            f"out: {count} rows of {wide} images are too large for one picture; give fewer items"
        )
    canvas = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((_MARGIN, _MARGIN - 6), title, INK, head)
    for column, name in enumerate(columns):
        middle = left + column * (broad + _GAP) + broad / 2
        pen.text((middle, top - 8), name, FAINT, text, anchor="ms")
    for row in range(count):
        y = top + row * (tall + _GAP)
        if row < len(rows):
            pen.text((left - 12, y + tall / 2), rows[row], FAINT, text, anchor="rm")
        for column in range(wide):
            x = left + column * (broad + _GAP)
            pen.rectangle((x - 1, y - 1, x + broad, y + tall), outline=EDGE)
            canvas.paste(enlarged(made[row, column].cpu(), broad, tall), (x, y))
    return canvas
