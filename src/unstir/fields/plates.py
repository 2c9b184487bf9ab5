"""Fields of a capacitor: exact between two sets of charges, or learned.

A field answers with E over the sum of all weights, `(batch, N + 1)`: a length, near a charge the displacement
from it; the last component is along the axis. With a and b = 1 − a the shares of the two plates in the sum of
weights, D₊ and D₋ their weighted mean charges, and

    m = a D₊ − b D₋        E = ((a − b) x − m, a z + b (L − z))

the N + 1 numbers m and ln(a/b) say all of E, m is as bounded as the data, and E_z > 0 between the plates
whatever a network answers. So these are what it learns, m by its square and a by its cross-entropy:

    m = m₀ + c F,    ln(a/b) = l₀ + 2 F_z/(1 + ‖x‖²/(N ℓ²)),    ℓ = 0.8 L

m₀ and l₀ are those of two Gaussian plates of the data's deviation s, in closed form, and c² the variance that
the charge ±y has about m₀ there, so that F has variance about 1 from plate to plate. (The paper regresses
√N E/(‖E‖ + γ) itself: a learned E_z may then vanish within the slab, and the tails of E need a γ.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unstir.fields.field import Slice
from unstir.fields.learned import LearnedField, by_class
from unstir.fields.widths import EVIDENCE
from unstir.moving import sent
from unstir.physics import DATA_STD, Capacitor
from unstir.physics.capacitor import level_time, time_level
from unstir.physics.plate import GaussianPlate, Plate, PointPlate
from unstir.physics.process import per_item

_CHARGES = 1024  # that make the field of a training step
_REACH = 0.8  # of L √N: lines that stray further from their charges are not those from front to front
_OTHER = 0.1  # least share of the training points that are reckoned from the plate further off
_FINEST = 1e-4  # of s: what is known to more than this is left to rounding
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
        """E over the sum of all weights at times `(batch,)`, `(batch, N + 1)` of the dtype of x."""
        pulled = self.process.pulled(self.near, self.far, x, t)
        return self.process.field(*pulled, t, x.shape[1:]).to(x.dtype)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float64, device=x.device), label)

    def electric(self, places: Tensor, L: float) -> Tensor:
        """E at `places` in N + 1 dimensions, `(batch, N + 1)`; a unit charge has the flux 1."""
        a = 0.5 * places.shape[1]
        sphere = math.log(2) + a * math.log(math.pi) - math.lgamma(a)
        x, z = places[:, :-1].double(), places[:, -1].double()
        total = torch.zeros_like(places, dtype=torch.float64)
        for plate, height, sign in ((self.near, z, 1.0), (self.far, z - L, -1.0)):
            log_weight, across = plate.pull(x, height)
            away = torch.cat([across, height[:, None]], 1)
            total = total + sign * torch.exp(log_weight - sphere)[:, None] * away
        return total


class PlateField(LearnedField[Capacitor]):
    """The field by a network of N + 1 numbers: the place, and how far along the axis it is."""

    @classmethod
    def sizes(cls, process: Capacitor, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """One channel, or one column, more than the data, both ways."""
        wide = (shape[0] + 1, *shape[1:])
        return wide, wide

    @classmethod
    def takes_augment(cls, process: Capacitor, *, told: bool) -> bool:
        """As PFGM's field; and two sets of data keep how they face each other."""
        return not told and process.far is None

    def items(self, batch: int) -> int:
        """Enough charges for the field, whatever the batch."""
        return max(batch, min(8 * batch, _CHARGES))

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """E over the sum of all weights, `(batch, N + 1)`."""
        mean, logit, out, given, level = self._known(x, t)
        F, F_z = self._answer(x, given, level, label)
        mean, logit = mean + out[:, None] * F, logit + F_z
        across = torch.tanh(0.5 * logit)[:, None] * x.flatten(1) - mean
        return self.process.field(logit, across, t, x.shape[1:])

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """The error of m and a on lines between the plates, against all the step's charges of their class."""
        process, shape = self.process, data.shape[1:]
        n = max(1, len(data) // 8)
        t = sent(self._times(n, process.bend(shape), generator), data.device)
        near = (1 - t).clamp(_OTHER, 1 - _OTHER)
        x = process.on_lines(data[:n], t, generator, _REACH, near)
        far: Plate = process.far_plate()
        if process.far is not None:
            far = PointPlate(
                sent(process.far_points(len(data), shape, generator), data.device, data.dtype).flatten(1)
            )
        wanted_logit, across = torch.empty_like(t), torch.empty_like(x.flatten(1), dtype=torch.float64)
        for places, charges in by_class(label, n, self.classes):
            near_plate = PointPlate(data[charges].flatten(1))
            pulled = process.pulled(near_plate, far, x[places], t[places])
            wanted_logit[places], across[places] = pulled
        wanted = torch.tanh(0.5 * wanted_logit)[:, None] * x.flatten(1) - across
        mean, logit, out, given, level = self._known(x, t)
        F, F_z = self._answer(x, given, level, None if label is None else label[:n])
        error = F.float() - ((wanted - mean) / out[:, None]).float()
        share = torch.sigmoid(wanted_logit)
        crossed = functional.binary_cross_entropy_with_logits(logit.float() + F_z.float(), share.float())
        least = functional.binary_cross_entropy_with_logits(wanted_logit, share)
        return error.square().mean() + crossed - least.float()

    def _times(self, n: int, bend: float, generator: torch.Generator) -> Tensor:
        """Even in the level that a network is told, some of them behind the plates, `(n,)`."""
        draws = torch.rand((2, n), generator=generator, device=generator.device, dtype=torch.float64).cpu()
        u = (torch.arange(n) + draws[0]) / n
        end = float(time_level(torch.ones((), dtype=torch.float64), bend))
        t = level_time((2 * u - 1) * end, bend)
        return torch.where(draws[1] < _BEHIND, torch.where(t < 0.5, -t, 2 - t), t)

    def _known(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """m₀ `(batch, N)`, l₀ and c `(batch,)`; the network's input and level."""
        process = self.process
        L, flat = process.length(x.shape[1:]), x.flatten(1)
        N, z, energy = flat.shape[1], L * t.double(), flat.double().square().mean(1)
        plate = GaussianPlate(DATA_STD)
        size = energy.sqrt()[:, None]
        # ‖x‖ tells the noise to 1/√N. Data differ in size too: as if ν dimensions were seen (neural.py).
        (log_near, _), (log_far, far) = (_shared(plate, size, h, N) for h in (z, z - L))
        near = _shared(plate, size, z, EVIDENCE)[1]
        if process.far is not None:
            far = _shared(plate, size, z - L, EVIDENCE)[1]
        logit = log_near - log_far
        a, b = torch.sigmoid(logit), torch.sigmoid(-logit)
        factor = a * (1 - near) - b * (1 - far)
        s2 = DATA_STD**2
        variance = s2 * a * near + (s2 * b * far if process.far is not None else 0)
        unsure = torch.sigmoid(0.5 * logit) * torch.sigmoid(-0.5 * logit)
        either = unsure * (2 - near - far).square() * energy.clamp_max(s2)
        out = (variance + either).sqrt().clamp_min(_FINEST * DATA_STD)
        place = (time_level(t.double(), process.bend(x.shape[1:])) / 5).to(x.dtype)
        scale = (0.5 * (energy + s2)).rsqrt().to(x.dtype)
        given = torch.cat([per_item(scale, x) * x, per_item(place, x).expand(-1, 1, *x.shape[2:])], 1)
        # v/(s² + v) of the nearer plate, v the variance that its charges are seen with: the noise
        level = 0.125 * torch.logit((a * near + b * far).clamp(1e-9, 1 - 1e-9))
        return (
            factor.to(x.dtype)[:, None] * flat,
            logit.to(x.dtype),
            out.to(x.dtype),
            given,
            level.to(x.dtype),
        )

    def _answer(self, x: Tensor, given: Tensor, level: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """F `(batch, N)`, and what is added to l₀, `(batch,)`: from the mean of the last channel."""
        answer: Tensor = self.network(given, level, label).to(given.dtype)
        # Far off, one plate looks as the other: there a network's guess would outweigh all that is left.
        far = x.flatten(1).square().mean(1) / (_REACH * self.process.length(x.shape[1:])) ** 2
        return answer[:, :-1].flatten(1), 2 * answer[:, -1:].flatten(1).mean(1) / (1 + far)


def _shared(plate: GaussianPlate, size: Tensor, height: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """A Gaussian plate's log weight, and the share of x that is its mean displacement, for ‖x‖²/N = size²."""
    log_weight, across = plate.pull(size.clamp_min(1e-6).expand(-1, dimension), height)
    return log_weight, across[:, 0] / size[:, 0].clamp_min(1e-6)
