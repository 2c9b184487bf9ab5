"""One image, from the bytes of its file to pixels.

    first frame of an animation; turned upright as its EXIF says
    transparent pixels are laid on white
    16-bit grey -> round(v / 257); palettes, CMYK and the like -> RGB
    where a size is asked for, the largest square at the centre, scaled to it

A size is `(width, height)` of the upright image, as people say it; pixels are `(1 or 3, height, width)`.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from unstir.data.limits import MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

# What Pillow and the readers of archives raise of a damaged file.
UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, AttributeError, ArithmeticError,
    RuntimeError, MemoryError, struct.error, zlib.error,
)  # fmt: skip

# Only these decoders run, whatever the bytes claim to be: Pillow knows others that start programs.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
_GREY = ("1", "L", "LA", "La")
_SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION = 0x0112

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Size = tuple[int, int]


def decode(
    content: bytes, wanted: Size | None = None, square: int | None = None
) -> tuple[Size, Pixels | None]:
    """The size of an image and, where that is the one wanted, its pixels `(1 or 3, height, width)`.

    Args:
        content: the file.
        wanted: decode the pixels only where they are of this size; None takes any.
        square: crop and scale the image to a square of so many pixels, whatever its size.

    Raises:
        UNREADABLE: one of these, where it is no image, damaged, or above `MAX_PIXELS`.
    """
    with _opened(content) as image:
        if square is not None:  # a JPEG is unpacked at an eighth of its size, or a quarter, or a half
            image.draft(None, (2 * square, 2 * square))
        turn = image.getexif().get(_ORIENTATION, 1)
        size = (image.height, image.width) if turn in _SIDEWAYS else (image.width, image.height)
        if square is None and wanted is not None and size != wanted:
            return size, None
        if turn != 1:
            from PIL import ImageOps

            ImageOps.exif_transpose(image, in_place=True)
        pixels = _pixels(image)
        if square is not None:
            size, pixels = (square, square), _scaled(pixels, square)
        return size, np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextmanager
def strict_about_bombs() -> Iterator[None]:
    """Within, in all threads: warnings of odd metadata are passed over, that of a bomb is raised."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    too_large = f"above the limit of {MAX_PIXELS // 10**6} megapixels"
    if not content:
        raise OSError("empty file")
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels are {too_large}")
            yield image
    except UnidentifiedImageError as error:
        raise OSError("not an image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"its pixels are {too_large}") from error


def _pixels(image: Image.Image) -> Pixels:
    from PIL import Image

    if image.mode in ("I", "F"):
        raise ValueError("32-bit pixels, whose range is unknown: save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):
        return np.rint(np.asarray(image, dtype=np.float32) / 257).astype(np.uint8)[..., None]
    mode = "L" if image.mode in _GREY else "RGB"
    palette = image.mode == "P"
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    pixels = np.asarray(image.convert(mode), dtype=np.uint8)
    pixels = pixels[..., None] if mode == "L" else pixels
    grey = palette and bool((pixels[..., :1] == pixels).all())
    return pixels[..., :1] if grey else pixels


def _scaled(pixels: Pixels, square: int) -> Pixels:
    """The largest square at the centre, scaled: `(h, w, c)` to `(square, square, c)`."""
    from PIL import Image, ImageOps

    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    scaled = np.asarray(ImageOps.fit(image, (square, square)), dtype=np.uint8)
    return scaled.reshape(square, square, pixels.shape[-1])
