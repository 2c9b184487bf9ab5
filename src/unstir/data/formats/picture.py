"""One .png of all samples: a grid of images, a scatter of a table of two columns, the first 16 signals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from unstir.data.curves import SHOWN, curves_bytes
from unstir.data.formats.format import Part
from unstir.data.formats.raw import LABELS, Raw
from unstir.data.picture import image_grid, png_bytes, scatter_bytes
from unstir.data.whole import write_file


class Picture(Raw):
    """`.png`."""

    def join(self, parts: Sequence[Part], n: int, target: Path) -> None:
        items, numbers = bytearray(), bytearray()
        wanted = min(n, SHOWN) if self.layout.kind == "signal" else n
        for part in parts:
            with part() as packed:
                own, classes = self.halves(packed)
            items, numbers = items + own, numbers + classes
            if len(items) >= wanted * self._item:
                break
        values = torch.from_numpy(np.frombuffer(items, self.dtype).reshape(-1, *self.shape))
        if self.layout.kind == "signal":
            content = curves_bytes(values)
        elif self.layout.kind == "table":
            labels = torch.from_numpy(np.frombuffer(numbers, LABELS)) if numbers else None
            content = scatter_bytes(values, labels, self.layout.columns, self.layout.categories)
        else:
            content = png_bytes(
                image_grid(values[:, None] if values.ndim == 3 else values.permute(0, 3, 1, 2))
            )
        write_file(target, content)
