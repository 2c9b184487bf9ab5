"""The law that a capacitor's lines carry from its data to the plane before the far plate.

Between the plates E_z > 0, so that every line crosses every plane, and the flux through a plane is a law

    p_z = ½ (p₊ * K_z + p₋ * K_{L−z})      dx/dz = E_x/E_z      ln p_z(x) = ln p_z'(x') + ∫ div(E_x/E_z) dz

E_z is the flux of both plates' charges: of a : 1 − a in the sum of weights they have a z : (1 − a)(L − z). So
at the data's plate p₊ * K_z = 2 p_z × their share, the density of data with the noise z, and near the far one
p_z = ½ p₋ * K_{L−z} (1 + the ratio of the two), where p₋ is known. That lines go astray, and come to plates
from behind, matters to neither.

A learned ratio need not belong to a law of mass 1. ∫ p₊ * K_z there is found by draws from a Gaussian plate's
law, which is near it since far off one plate looks as the other; the ratio is divided by it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unstir.fields import Field
from unstir.flow.ascending import Entry, TimeAscent
from unstir.flow.streams import Streams
from unstir.physics import DATA_STD, Capacitor
from unstir.physics.capacitor import log_flux
from unstir.physics.plate import GaussianPlate

_START = 0.01  # z where it begins, over the data's deviation: as near as the sampler's lines come
_END = 0.9  # of L
_DRAWS = 1024  # of the mass


class SlabAscent(TimeAscent[Capacitor]):
    """x on ln(t/(1 − t)), where near a plate dx/ds is no more than the distance to a charge."""

    def __init__(self, process: Capacitor, field: Field, shape: tuple[int, ...]) -> None:
        super().__init__(process, field, shape)
        self._L = process.length(shape)
        self._times = torch.tensor([_START * DATA_STD / self._L, _END], dtype=torch.float64)
        self.clock = self._times.logit()
        self._start = torch.empty(0)
        self._label: Tensor | None = None

    def signal(self) -> Tensor:
        return torch.ones(1, dtype=torch.float64)

    def enter(self, x: Tensor, streams: Streams | None) -> Entry:
        self._start = x
        return Entry(x, 0.0)

    def slope(self, s: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        self._label = label
        t = s.clamp(self.clock[0], self.clock[1]).sigmoid()
        velocity = self.process.velocity(z, t.expand(len(z)), self.field.at(float(t))(z, label))
        return (float(t * (1 - t)) * velocity).to(z.dtype)

    def leave(self, z: Tensor) -> Entry:
        """Of the law where the flow begins only the share of the data's own charges is their density."""
        near, _ = self._fluxes(self._start, 0, self._label)
        return Entry(z, -math.log(2) - near)

    def log_prior(self, x: Tensor) -> Tensor:
        near, far = self._fluxes(x, 1, self._label)
        known = self._log_far(x)
        return known - math.log(2) + torch.logaddexp(torch.zeros_like(far), near - far - self._log_mass())

    def _fluxes(self, x: Tensor, end: int, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """ln of the shares of the near and the far plate's flux, float64 `(batch,)`."""
        t = float(self._times[end])
        z, rest = t * self._L, (1 - t) * self._L
        along = self.field.at(t)(x.to(self._start.dtype), label)[:, -1].double()
        a = ((along - rest) / (z - rest)).clamp(1e-30, 1 - 1e-12)
        return (a * z / along).log(), ((1 - a) * rest / along).log()

    def _log_far(self, x: Tensor) -> Tensor:
        """ln of p₋ * K at the flow's end."""
        rest = (1 - self._times[1]) * self._L
        return log_flux(self.process.far_plate(), x.flatten(1).double(), rest.to(x.device))

    def _log_mass(self) -> Tensor:
        """ln ∫ p₊ * K over the plane where the flow ends, by the label's class."""
        if self._label is None:
            return self._mass_of(None, self._start)
        found = {c: self._mass_of(c, self._start) for c in set(self._label.tolist())}
        return torch.stack([found[c] for c in self._label.tolist()])

    def _mass_of(self, label: int | None, like: Tensor) -> Tensor:
        process, generator = self.process, torch.Generator().manual_seed(0)
        y = DATA_STD * torch.randn((_DRAWS, *self.shape), generator=generator, dtype=torch.float64)
        t = self._times[1].expand(_DRAWS)
        x = process.on_lines(y, t, generator, math.inf, torch.ones_like(t)).to(like.device)
        of = None if label is None else torch.full((_DRAWS,), label, device=like.device)
        near, far = self._fluxes(x, 1, of)
        proposed = log_flux(GaussianPlate(DATA_STD), x.flatten(1), self._times[1].to(like.device) * self._L)
        return torch.logsumexp(self._log_far(x) + near - far - proposed, 0) - math.log(_DRAWS)
