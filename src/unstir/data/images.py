"""Folders of images: .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif and .tiff, at any depth, in natural order.

Where every image lies in a sub-folder, the immediate sub-folders are the classes; a lone folder around all
classes, as unpacking leaves it, is passed through. Hidden files, and files with other endings, are not looked
at. What becomes of each image:

    first frame of an animation; turned upright as its EXIF says
    transparent pixels are laid on white
    16-bit grey -> round(v / 257); palettes, CMYK and the like -> RGB
    one colour image in the folder makes all of them RGB; else all are grey
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unstir.data import labels as class_labels
from unstir.data.dataset import Dataset
from unstir.data.limits import MAX_PIXELS, check_memory
from unstir.data.wording import counted, listed, reason, shown
from unstir.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

# Only these decoders run, whatever the bytes claim to be: Pillow knows others that start programs.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
_UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, AttributeError, ArithmeticError,
    RuntimeError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
_GREY = ("1", "L", "LA", "La")
_SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION = 0x0112

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def read_folder(folder: Path, name: str, skip_bad: bool = False) -> Dataset:
    """All images of a folder, as uint8 `(n, 1 or 3, height, width)`.

    Args:
        folder: where they lie.
        name: the data set's name.
        skip_bad: pass over images that cannot be read, and name them in `Dataset.skipped`.

    Raises:
        InputError: no images; unreadable ones (each is named); more than one size; too many for memory.
    """
    from PIL import Image

    files = _find(folder)
    kept: list[tuple[Path, Pixels]] = []
    bad: list[tuple[Path, str]] = []
    sizes: Counter[tuple[int, int]] = Counter()
    firsts: dict[tuple[int, int], Path] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; what cannot be decoded raises
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for file in files:
            try:
                # After a second size has turned up only sizes are wanted, for the message.
                pixels = _decode(file) if len(sizes) < 2 else None
                size = _upright_size(file) if pixels is None else (pixels.shape[1], pixels.shape[0])
            except _UNREADABLE as error:
                bad.append((file, reason(error)))
                continue
            sizes[size] += 1
            firsts.setdefault(size, file)
            if pixels is not None:
                kept.append((file, pixels))
            if len(kept) == 1 and pixels is not None:
                check_memory(
                    f"{shown(folder)} with {counted(len(files), 'image')}", len(files) * pixels.nbytes
                )
            if len(sizes) == 2:
                kept.clear()
    _check(folder, bad, sizes, firsts, skip_bad)
    return _dataset(folder, name, kept, tuple(f"{shown(file)}: {why}" for file, why in bad))


def _find(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise InputError(
            f"{shown(error.filename)} cannot be listed ({reason(error)}): check who may read it"
        ) from error

    images: list[Path] = []
    others: list[Path] = []
    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [item for item in folders if not item.startswith((".", "__MACOSX"))]
        for item in files:
            if not item.startswith("."):
                (images if item.lower().endswith(SUFFIXES) else others).append(Path(where, item))
    if not images:
        found = (
            f"{counted(len(others), 'other file')}, such as {shown(min(others).name)}"
            if others
            else "no files"
        )
        raise InputError(
            f"{shown(folder)} holds no images but {found}: give a folder with {listed(SUFFIXES)}"
        )
    return sorted(
        images, key=lambda file: [class_labels.natural_key(p) for p in file.relative_to(folder).parts]
    )


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    too_large = f"above the limit of {MAX_PIXELS // 10**6} megapixels"
    if not file.is_file():
        raise OSError("no regular file")
    if not file.stat().st_size:
        raise OSError("empty file")
    try:
        with Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels are {too_large}")
            yield image
    except UnidentifiedImageError as error:
        raise OSError("not an image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"its pixels are {too_large}") from error


def _decode(file: Path) -> Pixels:
    """One image as `(height, width, 1 or 3)`."""
    from PIL import ImageOps

    with _opened(file) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return _pixels(image)


def _upright_size(file: Path) -> tuple[int, int]:
    with _opened(file) as image:
        width, height = image.size
        return (height, width) if image.getexif().get(_ORIENTATION) in _SIDEWAYS else (width, height)


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


def _check(
    folder: Path,
    bad: list[tuple[Path, str]],
    sizes: Counter[tuple[int, int]],
    firsts: dict[tuple[int, int], Path],
    skip_bad: bool,
) -> None:
    total = len(bad) + sizes.total()
    if bad and (not sizes or not skip_bad):
        named = listed(f"{file.relative_to(folder)} ({why})" for file, why in bad)
        mend = (
            "remove or mend them, or pass over them with --skip-bad" if sizes else "give a folder of images"
        )
        raise InputError(
            f"{shown(folder)}: cannot read {len(bad)} of {counted(total, 'image')}: {named}: {mend}"
        )
    if len(sizes) > 1:
        kinds = [
            f"{count} of {size[0]}x{size[1]} (first {shown(firsts[size].relative_to(folder))})"
            for size, count in sizes.most_common(4)
        ]
        more = f" and {len(sizes) - 4} more" if len(sizes) > 4 else ""
        raise InputError(
            f"{shown(folder)} mixes images of {len(sizes)} sizes: {', '.join(kinds)}{more}: "
            "resize or crop them to one size"
        )


def _classes(folders: list[tuple[str, ...]]) -> list[str] | None:
    """The class of each image from the sub-folders it lies in, or None where some lie in none."""
    while all(len(inner) > 1 for inner in folders) and len({inner[0] for inner in folders}) == 1:
        folders = [inner[1:] for inner in folders]
    return [inner[0] for inner in folders] if all(folders) else None


def _dataset(folder: Path, name: str, kept: list[tuple[Path, Pixels]], skipped: tuple[str, ...]) -> Dataset:
    height, width = kept[0][1].shape[:2]
    channels = max(pixels.shape[2] for _, pixels in kept)
    check_memory(shown(folder), len(kept) * channels * height * width)
    values = np.empty((len(kept), channels, height, width), dtype=np.uint8)
    for i, (_, pixels) in enumerate(kept):
        values[i] = pixels.transpose(2, 0, 1)
    classes = _classes([file.relative_to(folder).parts[:-1] for file, _ in kept])
    labels, names = (None, ()) if classes is None else class_labels.from_names(classes)
    return Dataset(name, "image", torch.from_numpy(values), labels, names, skipped=skipped)
