"""A picture of signals: each a small panel, its channels as lines in colours of their own."""

from __future__ import annotations

import io
import math

import torch
from torch import Tensor

SHOWN = 16  # signals


def curves_bytes(values: Tensor) -> bytes:
    """The first 16 signals `(n, channels, length)` as .png, in one scale; values not finite are left out.

    Several channels are standardised, each for itself: they may be of different units.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    signals = values[:SHOWN].detach().double().cpu()
    several = signals.shape[1] > 1
    if several:
        finite = torch.where(signals.isfinite(), signals, torch.nan)
        mean = finite.nanmean((0, 2), keepdim=True)
        std = (finite - mean).square().nanmean((0, 2), keepdim=True).sqrt()
        signals = (signals - mean) / torch.where(std > 0, std, 1)
    columns = math.ceil(math.sqrt(len(signals)))
    rows = math.ceil(len(signals) / columns)
    figure = Figure(figsize=(2 * columns, 1.3 * rows), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    for panel, signal in zip(panels, signals, strict=False):
        # A signal of one place is no line.
        panel.plot(signal.T.numpy(), linewidth=0.8, marker="" if signal.shape[1] > 1 else ".")
        panel.tick_params(labelsize=6, left=not several, labelleft=not several)
        panel.margins(x=0)
    for panel in panels[len(signals) :]:
        panel.set_axis_off()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
