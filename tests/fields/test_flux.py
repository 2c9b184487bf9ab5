"""PFGM's own objective: zero for the exact field, its direction a sum over charges, its minimum the truth."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from unstir.fields import ExactField, FluxField, build_network, field_class
from unstir.physics import Pfgm, pfgm


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Told(FluxField):
    """A field whose denoiser is the exact one of its charges, or off by a factor."""

    charges: Tensor
    factor: float = 1.0

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        return self.factor * ExactField(self.process, self.charges)(x, t)


def told(process: Pfgm, charges: Tensor) -> Told:
    field = Told(nn.Linear(1, 1), process, shape=charges.shape[1:])
    field.charges = charges
    return field


def test_the_loss_vanishes_for_the_exact_field_and_for_no_other() -> None:
    charges = 0.5 * torch.randn(512, 6, generator=seeded())
    process = pfgm().prepared(charges)
    field = told(process, charges)
    assert float(field.loss(charges, seeded(1))) < 1e-9
    field.factor = 0.9
    assert float(field.loss(charges, seeded(1))) > 1e-5


def test_the_target_is_the_normalised_field_of_the_whole_batch() -> None:
    """v = −√N E/(‖E‖ + γ), E the sum over charges in units of the sum of their weights, by hand."""
    charges = 0.5 * torch.randn(64, 3, generator=seeded(), dtype=torch.float64)
    process = pfgm(gamma=2.0).prepared(charges)
    field = told(process, charges)
    x, z = process.scatter(charges[:20], seeded(2))
    z = z.double()
    away = torch.cat([x[:, None] - charges, z[:, None, None].expand(20, 64, 1)], 2)
    share = away.norm(dim=2) ** -4
    E = ((away / away.norm(dim=2, keepdim=True) ** 4).sum(1)) / share.sum(1, keepdim=True)
    expected = -math.sqrt(3) * E / (E.norm(dim=1, keepdim=True) + 2.0)
    found = field._direction(ExactField(process, charges)(x, process.time_of(z)), x, z)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_a_step_takes_many_charges_and_scatters_few() -> None:
    charges = 0.5 * torch.randn(4096, 2, generator=seeded())
    field = FluxField(build_network("mlp", (2,)), pfgm().prepared(charges), shape=(2,))
    assert field.items(128) == 4096
    seen: list[int] = []
    inner = field.network.forward

    def watch(x: Tensor, *rest: Tensor) -> Tensor:
        seen.append(len(x))
        return inner(x, *rest)

    field.network.forward = watch  # type: ignore[method-assign]
    field.loss(charges, seeded())
    assert seen == [128]


def test_training_finds_two_charges() -> None:
    charges = torch.tensor([[-0.5, 0.0], [0.5, 0.0]]).repeat(1024, 1)
    process = pfgm().prepared(charges)
    torch.manual_seed(0)
    field = field_class(process)(build_network("mlp", (2,), {"width": 64, "depth": 2}), process, shape=(2,))
    assert isinstance(field, FluxField)
    optimizer = torch.optim.Adam(field.parameters(), 3e-3)
    for step in range(400):
        loss = field.loss(charges, seeded(step))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    x = torch.tensor([[-0.6, 0.1], [0.4, -0.1], [0.0, 0.3]])
    t = process.time_of(torch.tensor([0.3, 0.3, 0.3]))
    with torch.no_grad():
        found = field(x, t)
    assert found == pytest.approx(ExactField(process, charges)(x, t).numpy(), abs=0.12)


class ToldClass(FluxField):
    """The exact field of each class's charges, and of all together for class 2."""

    charges: Tensor
    label: Tensor

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        assert label is not None
        out = torch.empty_like(x)
        for number in range(3):
            own = self.charges if number == 2 else self.charges[self.label == number]
            out[label == number] = ExactField(self.process, own)(x, t)[label == number]
        return out


def test_a_class_has_the_field_of_its_own_charges_and_none_that_of_all() -> None:
    charges = 0.5 * torch.randn(512, 6, generator=seeded())
    label = torch.arange(512) % 2
    withheld = label.masked_fill(torch.rand(512, generator=seeded(5)) < 0.3, 2)
    process = pfgm().prepared(charges)
    field = ToldClass(nn.Linear(1, 1), process, shape=(6,))
    field.classes, field.charges = 2, charges
    field.label = withheld  # of a charge whose label is withheld nobody knows the class
    assert float(field.loss(charges, seeded(1), withheld)) < 1e-9
    field.label = 1 - label  # the other class's charges
    assert float(field.loss(charges, seeded(1), withheld)) > 1e-4
