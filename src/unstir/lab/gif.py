"""A film of the page's own pictures. `{"kind": "gif"}`."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Bounded

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.points import LIMITS
from unstir.lab.requests import Request

_COLOURS = 128
_PIXELS = 4_000_000  # of one frame
_ALL = 64_000_000  # of all of them


class Gif(Request):
    """Pictures to be put together.

    Attributes:
        frames: PNG files in base64, all of one size.
        milliseconds: that each is shown.
    """

    kind: Literal["gif"]
    frames: Annotated[list[str], Bounded(min_length=1, max_length=2 * LIMITS.frames)]
    milliseconds: Annotated[int, Bounded(ge=20, le=2000)] = 80

    def answer(self, context: Context) -> Iterator[Answer]:
        from PIL import Image

        images: list[Image.Image] = []
        for number, text in enumerate(self.frames):
            context.check()
            image = Image.fromarray(_pixels(number, text))
            if images and image.size != images[0].size:
                raise InputError(f"frames: number {number} is of another size than the first; give one size")
            if image.width * image.height * len(self.frames) > _ALL:
                raise InputError(f"frames: have {_ALL:,} pixels together at most; give fewer or smaller ones")
            images.append(image.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))
        out = io.BytesIO()
        images[0].save(
            out, "GIF", save_all=True, append_images=images[1:], duration=self.milliseconds, loop=0
        )
        yield Answer({"frames": len(images)}, {"gif": np.frombuffer(out.getvalue(), np.uint8)})


def _pixels(number: int, text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One picture, `(height, width, 3)`."""
    from unstir.data.decode import UNREADABLE, decode

    try:
        content = base64.b64decode(text, validate=True)
        (width, height), _ = decode(content, (0, 0))
        if width * height > _PIXELS:
            raise InputError(f"frames: number {number} has {width}x{height} pixels; give smaller ones")
        _, pixels = decode(content)
    except InputError:
        raise
    except (binascii.Error, *UNREADABLE) as error:
        raise InputError(f"frames: number {number} is no picture; give PNG files in base64") from error
    if pixels is None:
        raise InputError(f"frames: number {number} is no picture; give PNG files in base64")
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0))
