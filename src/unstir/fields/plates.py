"""Fields of a capacitor: exact between two sets of charges, or learned.

A field answers with √N E/(‖E‖ + γ), `(batch, N + 1)`, its last component along the axis from plate to plate. What a
network adds to what is known without data: were the near plate a Gaussian of the data's deviation s, the field
would be a closed form; written with a the near plate's share of the weights, its mean displacement x − D₊ = (1−κ)x
and the variance s²κ' that D₊ has about it,

    √N E/(‖E‖ + γ) = (E₀ + c F)/(M + γ/√N)      N M² = ‖E₀‖² + N c²      c² = a² s² κ'₊ + (1−a)² s² κ'₋

so that F has variance about 1 from plate to plate. In that closed form the data count as ν = 4 dimensions and
not N, since they differ in size by more than a Gaussian's points would (as in `neural.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unstir.fields.field import Slice
from unstir.fields.learned import LearnedField
from unstir.fields.neural import EVIDENCE
from unstir.physics.capacitor import Capacitor, GaussianPlate, Plate, PointPlate, time_level
from unstir.physics.linear import DATA_STD
from unstir.physics.process import per_item

_CHARGES = 1024  # that make the field of a training step
_REACH = 0.8  # of L √N: lines that stray further from their charges are not those from front to front
_BEHIND = 0.1  # share of the training points that lie behind a plate


class ExactPlates:
    """The field of point charges, or of any two plates.

    Args:
        process: gives the distance.
        near: the plus charges, `(points, *shape)`, or a plate.
        far: the minus charges; by default the process's own far plate.
    """

    def __init__(self, process: Capacitor, near: Tensor | Plate, far: Tensor | Plate | None = None) -> None:
        self.process = process
        self.near = near if isinstance(near, Plate) else PointPlate(near.flatten(1).double())
        far = process.far_plate() if far is None else far
        self.far = far if isinstance(far, Plate) else PointPlate(far.flatten(1).double())

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The normalised field at times `(batch,)`, of the dtype of x."""
        field = self.process.field_between(self.near, self.far, x, t)
        return self.process.normalised(field).to(x.dtype)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float64, device=x.device), label)


class PlateField(LearnedField[Capacitor]):
    """The normalised field by a network of N + 1 numbers: the place, and how far along the axis it is."""

    @classmethod
    def sizes(cls, process: Capacitor, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """One channel, or one column, more than the data, both ways."""
        wide = (shape[0] + 1, *shape[1:])
        return wide, wide

    def items(self, batch: int) -> int:
        """Enough charges for the field, whatever the batch."""
        return max(batch, min(8 * batch, _CHARGES))

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """√N E/(‖E‖ + γ), `(batch, N + 1)`."""
        base, out, given, level = self._known(x, t)
        return base + out * self._answer(given, level, label)

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """Mean squared error of F on lines between the plates, against the field of all the step's charges."""
        process, n = self.process, max(1, len(data) // 8)
        t = self._times(n, generator).to(data.device)
        x = process.on_lines(data[:n], t, generator, _REACH)
        near = PointPlate(data.flatten(1))
        far: Plate = process.far_plate()
        if process.far is not None:
            far = PointPlate(process.far_points(len(data), data.shape[1:], generator).to(data).flatten(1))
        wanted = process.normalised(process.field_between(near, far, x, t))
        base, out, given, level = self._known(x, t)
        error = (
            self._answer(given, level, None if label is None else label[:n]).float()
            - (wanted - base.double()).float() / out
        )
        return self.weigh(error).mean()

    def weigh(self, error):
        N = error.shape[1] - 1
        return (error[:, :-1].square().sum(1) + error[:, -1].square() * N**0.5) / N

    def _times(self, n: int, generator: torch.Generator) -> Tensor:
        u = (torch.arange(n) + torch.rand(n, generator=generator, device=generator.device).cpu()) / n
        from unstir.physics.capacitor import level_time

        top = float(time_level(torch.tensor(1.0)))
        t = level_time((2 * u.double() - 1) * top)
        behind = torch.rand(n, generator=generator, device=generator.device).cpu() < _BEHIND
        return torch.where(behind, torch.where(t < 0.5, -t, 2 - t), t)

    def _known(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The closed form, the size of what the network adds, its input and its noise level."""
        process, N = self.process, x[0].numel()
        L = process.length(x.shape[1:])
        flat, z = x.flatten(1), L * t.double()
        energy = flat.double().square().mean(1)
        plate = GaussianPlate(DATA_STD)
        stand_in = energy.sqrt()[:, None].expand(-1, EVIDENCE)
        (log_near, near), (log_far, far) = plate.pull(stand_in, z), plate.pull(stand_in, z - L)
        a, b = torch.softmax(torch.stack([log_near, log_far], 1), 1).unbind(1)
        # κ of each plate: the share of x that is its displacement
        size = energy.sqrt().clamp_min(1e-12)
        near, far = near[:, 0] / size, far[:, 0] / size
        across, along = a * near - b * far, a * z - b * (z - L)
        spread = DATA_STD * (a.square() * near + b.square() * far).sqrt()
        norm = (across.square() * energy + spread.square() + along.square() / N).sqrt() + process.gamma
        base = torch.cat([(across / norm)[:, None] * flat.double(), (along / norm)[:, None]], 1)
        out = torch.cat([(spread / norm)[:, None].expand(-1, N), (0.5 * along / norm).abs()[:, None]], 1)
        scale = (
            (energy + DATA_STD**2).rsqrt() * math.sqrt(2)
            if False
            else (0.5 * energy + 0.5 * DATA_STD**2).rsqrt()
        )
        place = (time_level(t.double()) / 5).to(x.dtype)
        extra = per_item(place, x).expand(-1, 1, *x.shape[2:])
        given = torch.cat([per_item(scale.to(x.dtype), x) * x, extra], 1)
        # v/(s² + v) of the nearer plate tells the noise
        kappa = (a * near + b * far).clamp(1e-6, 1 - 1e-6)
        level = 0.125 * torch.log(kappa / (1 - kappa))
        return base.to(x.dtype), out.to(x.dtype), given, level.to(x.dtype)

    def _answer(self, given: Tensor, level: Tensor, label: Tensor | None) -> Tensor:
        answer: Tensor = self.network(given, level, label)
        along = answer[:, -1:].flatten(1).mean(1, keepdim=True)
        return torch.cat([answer[:, :-1].flatten(1), along], 1)
