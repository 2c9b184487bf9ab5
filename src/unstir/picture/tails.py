"""Tails: how far the noise of a process reaches, beside that of diffusion, on logarithmic axes."""

from __future__ import annotations

from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir.physics import Gaussian, LinearProcess, Noise
from unstir.picture.canvas import BLUE, EDGE, GREY, INK, canvas, plain
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_FAR = 1e3
_LEAST = 1e-9


def tail(noise: Noise, r: Tensor, dimension: int = 1) -> Tensor:
    """The density of ε at distances `r` from 0, float64."""
    density: Tensor = noise.log_density(r.double() ** 2, dimension).exp()
    return density


class Tails(Picture):
    """The density of the noise and of a Gaussian against distance."""

    name: ClassVar[str] = "tails"

    def fits(self, scene: Scene) -> bool:
        return not isinstance(scene.bare.noise, Gaussian)

    def draw(self, scene: Scene) -> Figure:
        process: LinearProcess = scene.bare
        r = torch.logspace(-1, 3, 400, dtype=torch.float64)
        figure = canvas(3.2, 1.8)
        axes = figure.add_axes((0.13, 0.19, 0.84, 0.78))
        plain(axes)
        axes.loglog(r, tail(Gaussian(), r), color=GREY, linewidth=1)
        own = tail(process.noise, r)
        axes.loglog(r, own, color=BLUE, linewidth=1.4)
        axes.fill_between(r, own, _LEAST, color=BLUE, alpha=0.08, linewidth=0)
        axes.set(xlim=(0.1, _FAR), ylim=(_LEAST, 2), yticks=[1, 1e-4, 1e-8], xticks=[0.1, 1, 10, 100, 1000])
        axes.minorticks_off()
        axes.grid(color=EDGE, linewidth=0.4)
        axes.text(0.97, 0.9, process.name, fontsize=7, color=BLUE, ha="right", transform=axes.transAxes)
        axes.text(4.2, 3e-8, "Gauss", fontsize=6, color=GREY, ha="right")
        axes.set_xlabel("distance, in units of B", fontsize=6, color=INK, labelpad=2)
        return figure
