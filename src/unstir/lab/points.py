"""Data as a page gives them: a preset's name, points, a word, a picture, numbers or the name of images.

    {"preset": "swissroll"}       a built-in set of points
    {"points": [[x, y], …]}       one or more, in model units as they are: a particle stays where it was put
    {"word": "unstir"}            its letters, drawn and filled with points
    {"picture": "<base64>"}       the dark parts of a picture, filled with points
    {"numbers": "0.1,0.2\\n…"}     two columns, as pasted
    {"images": "digits"}          a built-in set of images

All but `points` are moved to mean 0 and made as large as models take data: deviation ½, in both columns
together, so that shapes keep their proportions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from unstir.data import Dataset, Scaling, load
from unstir.data.scaling import STD
from unstir.errors import InputError
from unstir.lab.limits import Limits

LIMITS = Limits()
POINTS = ("swissroll", "two-moons", "gaussians8", "checkerboard")
IMAGES = ("digits",)
KEPT = 1000  # items of a built-in set: enough for a smooth picture
DRAWN = 2000  # points that fill a word or a picture
REACH = 8.0  # of drawn points, model units
_SEED = 0
_SIDE = 256  # of a picture that points are taken from
_FONT = 160
_SPLIT = re.compile(r"[,;\s]+")

Coordinate = Annotated[float, Field(ge=-REACH, le=REACH)]


@dataclass(frozen=True, eq=False)
class Items:
    """Data that a scene is made of.

    Attributes:
        dataset: in the data's units, in an order by chance: the first few are a fair part of them.
        scaling: between these units and the model's; None where the process says it.
    """

    dataset: Dataset
    scaling: Scaling | None

    @property
    def images(self) -> bool:
        """Whether they are images rather than points."""
        return self.dataset.kind == "image"


class DataSpec(BaseModel):
    """One of the forms above."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    preset: str | None = Field(None, max_length=40)
    points: list[tuple[Coordinate, Coordinate]] | None = Field(None, min_length=1, max_length=LIMITS.points)
    word: str | None = Field(None, min_length=1, max_length=LIMITS.word)
    picture: str | None = Field(None, min_length=1, max_length=LIMITS.message)
    numbers: str | None = Field(None, min_length=1, max_length=LIMITS.message)
    images: str | None = Field(None, max_length=40)

    @model_validator(mode="after")
    def _one(self) -> DataSpec:
        given = sorted(self.model_fields_set)
        if len(given) != 1 or getattr(self, given[0]) is None:
            listed = ", ".join(type(self).model_fields)
            raise ValueError(f"data: give one of {listed}, not {' and '.join(given) or 'nothing'}")
        return self

    @property
    def form(self) -> str:
        """Which of the forms it is."""
        return next(iter(self.model_fields_set))

    @cached_property
    def key(self) -> str:
        """Equal for equal data, and short."""
        return f"{self.form}:{hashlib.sha256(self.model_dump_json().encode()).hexdigest()}"

    def items(self) -> Items:
        """The data themselves.

        Raises:
            InputError: an unknown name, or a text or picture that no points can be taken from.
        """
        make = getattr(self, f"_of_{self.form}")
        items: Items = make(getattr(self, self.form))
        return items

    def _of_preset(self, name: str) -> Items:
        return _scaled(_known("preset", name, POINTS), KEPT)

    def _of_images(self, name: str) -> Items:
        return Items(_some(_known("images", name, IMAGES), KEPT), None)

    def _of_points(self, points: list[tuple[float, float]]) -> Items:
        dataset = _some(_plane("drawn", torch.tensor(points)), LIMITS.points)
        return Items(dataset, Scaling("table", (0.0, 0.0), (1.0, 1.0)))

    def _of_word(self, word: str) -> Items:
        return _scaled(_plane(word, _filled("word", _drawn(word))), DRAWN)

    def _of_picture(self, text: str) -> Items:
        return _scaled(_plane("picture", _filled("picture", _darkness(text))), DRAWN)

    def _of_numbers(self, text: str) -> Items:
        return _scaled(_plane("numbers", _columns(text)), LIMITS.points)


def _known(what: str, name: str, names: tuple[str, ...]) -> Dataset:
    if name not in names:
        raise InputError(f"{what}={name!r}: is not known; give one of {', '.join(names)}")
    return load(name)


def _plane(name: str, points: Tensor) -> Dataset:
    return Dataset(name, "table", points.float(), columns=("x", "y"))


def _some(dataset: Dataset, most: int) -> Dataset:
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(_SEED))
    return dataset.select(order[:most])


def _scaled(dataset: Dataset, most: int) -> Items:
    """With one scale for both columns; a single place keeps scale 1."""
    some = _some(dataset, most)
    variance, mean = torch.var_mean(some.values.double(), dim=0, correction=0)
    std = float(variance.mean().sqrt())
    scale = std / STD if std > 1e-9 * float(mean.abs().max() + 1) else 1.0
    return Items(some, Scaling("table", tuple(mean.tolist()), (scale, scale)))


def _filled(what: str, ink: np.ndarray[Any, Any]) -> Tensor:
    """Points where there is ink, 0 … 1, as dense as it is dark; y grows upwards."""
    weight = torch.from_numpy(np.asarray(ink, np.float64)).flatten()
    if float(weight.sum()) < 1:
        raise InputError(f"{what}: there is nothing dark in it that points could fill; give another")
    generator = torch.Generator().manual_seed(_SEED)
    chosen = torch.multinomial(weight, DRAWN, replacement=True, generator=generator)
    place = torch.stack([chosen % ink.shape[1], ink.shape[0] - 1 - chosen // ink.shape[1]], 1)
    return place + torch.rand(place.shape, generator=generator, dtype=torch.float64)


def _drawn(word: str) -> np.ndarray[Any, Any]:
    from PIL import Image, ImageDraw, ImageFont

    if not word.isprintable() or not word.strip():
        raise InputError(f"word={word!r}: holds nothing to draw; give letters")
    font = ImageFont.load_default(_FONT)
    left, top, right, bottom = font.getbbox(word)
    image = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), word, fill=255, font=font)
    return np.asarray(image) / 255


def _darkness(text: str) -> np.ndarray[Any, Any]:
    """How dark each place of a picture is beside its brightest; of a dark one, how bright."""
    from PIL import Image

    from unstir.data.decode import UNREADABLE, decode

    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("picture: is no base64; send the bytes of a picture so") from error
    try:
        (width, height), _ = decode(content, (0, 0))
        if width * height > LIMITS.picture:
            raise InputError(f"picture: has {width}x{height} pixels; give at most {LIMITS.picture:,}")
        _, pixels = decode(content)
    except UNREADABLE as error:
        if isinstance(error, InputError):
            raise
        raise InputError("picture: cannot be read; give a whole PNG, JPEG, GIF, BMP, WebP or TIFF") from error
    if pixels is None:
        raise InputError("picture: cannot be read; give a PNG or JPEG")
    grey = Image.fromarray(pixels.mean(0).astype(np.uint8))
    grey.thumbnail((_SIDE, _SIDE))
    dark = 1 - np.asarray(grey) / 255
    if dark.mean() > 0.5:
        dark = 1 - dark
    spread = dark.max() - dark.min()
    ink = (dark - dark.min()) / spread if spread > 0.02 else np.zeros_like(dark)
    return np.where(ink > 0.35, ink, 0)


def _columns(text: str) -> Tensor:
    """Two columns of numbers; a first line of names is passed over."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rows = []
    for number, line in enumerate(lines, 1):
        cells = _SPLIT.split(line.strip(" ,;\t"))
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            if number == 1:
                continue
            raise InputError(f"numbers: line {number} is {line[:40]!r}; give two numbers a line") from None
        if len(row) != 2 or not all(np.isfinite(row)) or max(map(abs, row)) > 1e30:
            raise InputError(f"numbers: line {number} is {line[:40]!r}; give two finite numbers a line")
        rows.append(row)
        if len(rows) > LIMITS.points:
            raise InputError(f"numbers: are more than {LIMITS.points:,} lines; give fewer")
    if not rows:
        raise InputError("numbers: hold no line of two numbers; paste such as 0.1, 0.2")
    return torch.tensor(rows, dtype=torch.float64)
