"""Phase space: position to the right, velocity upwards, as a particle in a bath forgets the data."""

from __future__ import annotations

from typing import ClassVar

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unstir.fields.phase import LangevinMixture
from unstir.physics import LangevinProcess
from unstir.picture.canvas import DENSITY, frames
from unstir.picture.lines import MEANS, VARIANCES, WEIGHTS
from unstir.picture.picture import Picture
from unstir.picture.scene import Scene

_CELLS = 161
_REACH = 3.0  # in positions; in velocities, of their deviation at rest
_CLOCK = (0.002, 0.02, 0.06, 0.12, 0.2, 0.32, 0.5, 1.0)


def densities(process: LangevinProcess, clock: tuple[float, ...], cells: int) -> Tensor:
    """p_t(x, v) from three Gaussians on a line, `(times, velocities, positions)`, over ±3 deviations."""
    field = LangevinMixture(process, WEIGHTS, MEANS[:, None], VARIANCES)
    axis = torch.linspace(-_REACH, _REACH, cells, dtype=torch.float64)
    v, x = torch.meshgrid(process.mass**0.5 * axis, axis, indexing="ij")
    states = torch.stack([x.flatten(), v.flatten()], 1)
    laws = [field.log_density(states, share * process.t_max).exp() for share in clock]
    return torch.stack(laws).reshape(-1, cells, cells)


class Phase(Picture):
    """The density of position and velocity at several moments."""

    name: ClassVar[str] = "phase"

    def draw(self, scene: Scene) -> Figure:
        process: LangevinProcess = scene.bare
        caption = f"{process.name}: three Gaussians in phase space, position to the right, velocity upwards"
        figure, row = frames([f"t = {share * process.t_max:.3g}" for share in _CLOCK], caption)
        for axes, law in zip(row, densities(process, _CLOCK, _CELLS), strict=True):
            axes.imshow(
                ((law / law.max()) ** 0.6).numpy(),
                origin="lower",
                cmap=DENSITY,
                vmin=0,
                vmax=1.1,
                aspect="auto",
            )
        return figure
