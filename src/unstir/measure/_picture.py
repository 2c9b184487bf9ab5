"""The picture of pairs: each sample above its nearest training image."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from unstir.data.picture import png_bytes
from unstir.data.whole import write_bytes

PAPER, INK, FAINT, WARN, EDGE = "#ffffff", "#1d2733", "#5b6774", "#b3261e", "#c9d1d9"
TILE, COLUMNS, WIDTH, MAX_WIDTH = 80, 8, 640, 1400
MARGIN, LABEL, GUTTER, SEAM, FOOT, HEAD = 28, 92, 14, 4, 40, 84


def draw_pairs(
    above: Tensor, below: Tensor, percent: list[float], n_samples: int, n_train: int
) -> Image.Image:
    """The picture of uint8 pairs `(n, 1 or 3, h, w)`, in rows of at most eight, `percent` under each."""
    count, _, height, width = above.shape
    columns = max(1, min(COLUMNS, count))
    tile = max(
        TILE, min(2 * TILE, (WIDTH - 2 * MARGIN - LABEL) // columns - GUTTER)
    )  # few pairs fill the width
    factor = max(1, -(-tile // max(height, width)))
    wide, high = factor * width, factor * height
    columns = max(1, min(columns, MAX_WIDTH // (wide + GUTTER)))
    lines = -(-count // columns)
    title, text, small = (ImageFont.load_default(size) for size in (21, 15, 14))
    heading = f"The {count} samples nearest to the training set"
    if count == n_samples:
        heading = "Each sample and its nearest training image"
    notes = (
        f"Samples: {n_samples:,}. Training images: {n_train:,}. Nearest pairs first.",
        "Under each pair: root-mean-square difference of the pixels, % of full range.",
    )
    block = 2 * high + SEAM + FOOT
    size = (
        max(WIDTH, 2 * MARGIN + LABEL + columns * (wide + GUTTER) - GUTTER),
        2 * MARGIN + HEAD + lines * block - FOOT + 26,
    )
    canvas = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((MARGIN, MARGIN - 6), heading, INK, title)
    for line, note in enumerate(notes):
        pen.text((MARGIN, MARGIN + 24 + 20 * line), note, FAINT, small)
    for place, difference in enumerate(percent):
        row, column = divmod(place, columns)
        left, top = MARGIN + LABEL + column * (wide + GUTTER), MARGIN + HEAD + row * block
        if column == 0:
            pen.text((left - 14, top + high // 2), "sample", INK, text, anchor="rm")
            middle = top + high + SEAM + high // 2
            pen.text((left - 14, middle - 9), "nearest", INK, text, anchor="rm")
            pen.text((left - 14, middle + 9), "in training", INK, text, anchor="rm")
        for image, y in ((above[place], top), (below[place], top + high + SEAM)):
            pen.rectangle((left - 1, y - 1, left + wide, y + high), outline=EDGE)
            canvas.paste(enlarged(image, wide, high), (left, y))
        centre = left + wide / 2
        colour = WARN if difference == 0 else FAINT
        pen.text((centre, top + 2 * high + SEAM + 6), _caption(difference), colour, small, anchor="ma")
    return canvas


def save_png(image: Image.Image, path: Path) -> None:
    """Write a picture, whole or not at all.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    write_bytes(path, png_bytes(image))


def _caption(percent: float) -> str:
    if percent == 0:
        return "identical"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %" if percent >= 0.1 else "below 0.1 %"


def enlarged(image: Tensor, width: int, height: int) -> Image.Image:
    """One uint8 image `(1 or 3, h, w)` enlarged by a whole factor."""
    pixels = image.permute(1, 2, 0).squeeze(-1).numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels).convert("RGB").resize((width, height), Image.Resampling.NEAREST)
