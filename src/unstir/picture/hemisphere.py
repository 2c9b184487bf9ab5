"""Charges and hemisphere: field lines in three dimensions, from charges on the plane z = 0 up to a dome."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from matplotlib.figure import Figure

from unstir.physics import LinearProcess, StudentT
from unstir.picture.canvas import BLUE, GREY, INK, Axes, canvas
from unstir.picture.dome import rising
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_CHARGES, _LINES = 60, 240
_RADIUS = 3.0


class Hemisphere(Picture):
    """Lines of Poisson flow in the plane and one dimension more."""

    name: ClassVar[str] = "hemisphere"

    def fits(self, scene: Scene) -> bool:
        return scene.dataset.kind == "table" and scene.dataset.shape == (2,) and _one_more(scene.bare)

    def draw(self, scene: Scene) -> Figure:
        generator = torch.Generator().manual_seed(1)
        charges = scene.items[torch.randperm(len(scene.items), generator=generator)[:_CHARGES]]
        lines = rising(charges, _LINES, _RADIUS, generator)
        figure = canvas(3.2, 2.4)
        axes: Axes = figure.add_axes((-0.12, -0.22, 1.24, 1.44), projection="3d")
        axes.set_proj_type("ortho")
        axes.view_init(elev=18, azim=-60)
        for line in lines.unbind(1):
            axes.plot(*line.T, color=BLUE, linewidth=0.4, alpha=0.55)
        axes.scatter(*lines[-1].T, s=2.0, color=BLUE, linewidths=0, depthshade=False)
        axes.scatter(charges[:, 0], charges[:, 1], 0, s=3.0, color=INK, linewidths=0, depthshade=False)
        turn = torch.linspace(0, 2 * math.pi, 100)
        axes.plot(_RADIUS * turn.cos(), _RADIUS * turn.sin(), 0 * turn, color=GREY, linewidth=0.6)
        half = turn / 2
        for angle in (0.0, math.pi / 3, 2 * math.pi / 3):
            x, y = half.cos() * math.cos(angle), half.cos() * math.sin(angle)
            axes.plot(_RADIUS * x, _RADIUS * y, _RADIUS * half.sin(), color=GREY, linewidth=0.4, alpha=0.6)
        axes.set(xlim=(-_RADIUS, _RADIUS), ylim=(-_RADIUS, _RADIUS), zlim=(0, _RADIUS))
        axes.set_box_aspect((2, 2, 1))
        axes.set_axis_off()
        return figure


def _one_more(process: object) -> bool:
    """Charges in one dimension more, whatever the process is called."""
    return isinstance(process, LinearProcess) and process.noise == StudentT(1.0)
