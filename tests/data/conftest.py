"""What the data tests share: images on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Paint = Callable[..., Path]


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Saves an image of pixels (h, w) or (h, w, c) under tmp_path, or of one value, and gives its path."""

    def save(
        name: str, value: int | np.ndarray = 0, mode: str | None = None, size: tuple[int, int] = (4, 3)
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full(size[::-1], value, dtype=np.uint8) if isinstance(value, int) else value
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path)
        return path

    return save
