"""The rod: a temperature along it that evens out, and its cosine modes, each fading at a rate of its own.

u(t) = Σ_k A_t d_k(t) û_k cos(π k (j + ½)/n)      Rissanen 2022, equation 4
"""

from __future__ import annotations

from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir.physics import DampedProcess
from unstir.picture.canvas import BLUE, GREY, INK, canvas, plain
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_LENGTH, _TIMES = 64, 200
_MODES = (0, 1, 2, 4, 8, 16)


def profile() -> Tensor:
    """A rod with a hot end, a cold middle and a warm piece, `(64,)`."""
    rod = torch.full((_LENGTH,), -0.6, dtype=torch.float64)
    rod[4:18], rod[30:36], rod[46:60] = 1.0, 0.6, 0.2
    return rod


def temperatures(process: DampedProcess, rod: Tensor, times: Tensor) -> Tensor:
    """The mean of x_t from a profile `(length,)` at `times`, `(times, length)`."""
    modes = process.basis.coordinates(rod[None])
    return process.basis.state(process.signal(times, rod.shape) * modes)


def fading(process: DampedProcess, length: int, times: Tensor) -> Tensor:
    """A_t d_k(t), what is left of each mode of a rod, `(times, length)`."""
    return process.signal(times, (length,))


class Rod(Picture):
    """Temperature over time, and its modes."""

    name: ClassVar[str] = "rod"

    def draw(self, scene: Scene) -> Figure:
        process: DampedProcess = scene.bare
        times = torch.linspace(process.t_min, process.t_max, _TIMES, dtype=torch.float64)
        figure = canvas(3.2, 1.8)
        heat, modes = figure.add_axes((0.02, 0.16, 0.46, 0.82)), figure.add_axes((0.58, 0.16, 0.40, 0.82))
        u = temperatures(process, profile(), times)
        span = (float(times[0]), float(times[-1]))
        heat.imshow(
            u.T.numpy(),
            origin="lower",
            aspect="auto",
            extent=(*span, 0, _LENGTH),
            cmap="coolwarm",
            vmin=-1.1,
            vmax=1.1,
        )
        left = fading(process, _LENGTH, times)
        for i, k in enumerate(_MODES):
            shade = 1 - 0.8 * i / (len(_MODES) - 1)
            modes.plot(times, left[:, k], color=INK if k == 0 else BLUE, alpha=shade, linewidth=1.1)
            level = 0.25 + 0.12 * i
            at = int((left[:, k] > level).nonzero()[-1])
            if k and at < 0.95 * _TIMES:
                modes.text(float(times[at]), level, f" {k}", fontsize=5.5, color=GREY, va="center")
        modes.text(
            0.5,
            -0.17,
            "what is left of mode k",
            fontsize=6,
            color=GREY,
            ha="center",
            transform=modes.transAxes,
        )
        heat.text(
            0.5,
            -0.17,
            "a rod, time to the right",
            fontsize=6,
            color=GREY,
            ha="center",
            transform=heat.transAxes,
        )
        for axes in (heat, modes):
            plain(axes)
            axes.set(xticks=[])
        heat.set(yticks=[])
        modes.set(xlim=span, ylim=(0, 1.05), yticks=[0, 0.5, 1])
        return figure
