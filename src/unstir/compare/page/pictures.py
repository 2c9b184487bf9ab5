"""Pictures of samples as data URIs: grids of images, clouds of points, lines of signals, clear around."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import torch
from torch import Tensor

from unstir.measure import nearest

_GRID = 36
_PAIRS = 8
_POINTS = 2000
_SIGNALS = 8


def grid(values: Tensor, columns: int | None = None) -> str:
    """Images uint8 `(n, channels, height, width)` side by side at their own size: the page enlarges them."""
    from PIL import Image

    n, _, height, width = values.shape
    columns = columns or math.ceil(math.sqrt(n))
    gap = max(1, width // 14)
    rows = math.ceil(n / columns)
    canvas = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), dtype=np.uint8)
    for i, image in enumerate(values.permute(0, 2, 3, 1).cpu().numpy()):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width, :3] = image
        canvas[top : top + height, left : left + width, 3] = 255
    stream = io.BytesIO()
    Image.fromarray(canvas).save(stream, format="PNG", optimize=True)
    return _uri(stream)


def samples_grid(values: Tensor) -> str:
    """The first 36 images."""
    return grid(values[:_GRID])


def nearest_pairs(samples: Tensor, train: Tensor) -> str:
    """The eight samples nearest to the training set, each above its nearest training image."""
    index, distance = nearest(samples, train)
    order = distance.argsort(stable=True)[:_PAIRS].cpu()
    return grid(torch.cat([samples.cpu()[order], train.cpu()[index.cpu()[order]]]), columns=len(order))


def limits(points: Tensor) -> tuple[float, float, float, float]:
    """A square frame around 99.8 % of points `(n, 2)` on each axis."""
    ends = torch.tensor([0.001, 0.999], dtype=torch.float64)
    low, high = torch.quantile(points.double(), ends, dim=0)
    middle, half = (low + high) / 2, float((high - low).max()) * 0.56 or 1.0
    x, y = middle.tolist()
    return x - half, x + half, y - half, y + half


def cloud(points: Tensor, colour: str, frame: tuple[float, float, float, float]) -> str:
    """Points `(n, 2)` in a frame that all clouds share."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), dpi=130)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    shown = points[:_POINTS].double().cpu().numpy()
    axes.scatter(shown[:, 0], shown[:, 1], s=9, c=colour, alpha=0.55, linewidths=0)
    axes.set_xlim(*frame[:2])
    axes.set_ylim(*frame[2:])
    axes.axis("off")
    return _saved(figure)


def signals(values: Tensor, colour: str) -> str:
    """The first eight signals `(n, channels, length)`, one below the other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), dpi=130)
    FigureCanvasAgg(figure)
    panels = figure.subplots(min(_SIGNALS, len(values)), 1, squeeze=False, gridspec_kw={"hspace": 0.1})
    for axes, signal in zip(panels[:, 0], values.double().cpu().numpy(), strict=False):
        axes.plot(signal.T, color=colour, linewidth=1.1, alpha=0.9)
        axes.axis("off")
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.99)
    return _saved(figure)


def _saved(figure: object) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", transparent=True, metadata={"Software": None})  # type: ignore[attr-defined]
    return _uri(stream)


def _uri(stream: io.BytesIO) -> str:
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
