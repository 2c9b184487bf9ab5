"""Fields of a capacitor: Gauss's law through closed surfaces, and what the network is given to learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unstir.fields import ExactPlates, PlateField, build_network
from unstir.physics import Capacitor, PointPlate, capacitor
from unstir.physics.plate import Plate
from unstir.physics.process import per_item

NEAR = torch.tensor([[0.5, 0.1], [-0.6, 0.3], [0.1, -0.4]], dtype=torch.float64)
FAR = torch.tensor([[0.7, -0.5], [-0.2, 0.6], [-0.5, -0.1], [0.0, 0.2]], dtype=torch.float64)
L = 4.0


def flux(field: ExactPlates, centre: Tensor, radius: float) -> float:
    """Out of a sphere, by Gauss's rule in the cosine of latitude and the trapezoid's in longitude."""
    u, w = np.polynomial.legendre.leggauss(60)
    longitude = 2 * math.pi * torch.arange(120, dtype=torch.float64) / 120
    cosine = torch.from_numpy(u)[:, None].expand(-1, 120)
    sine = (1 - cosine**2).sqrt()
    outward = torch.stack([sine * longitude.cos(), sine * longitude.sin(), cosine], -1).reshape(-1, 3)
    through = (field.electric(centre + radius * outward, L) * outward).sum(1).reshape(60, 120)
    return float((torch.from_numpy(w) * through.mean(1)).sum()) * 2 * math.pi * radius**2


def test_flux_through_closed_surfaces_is_the_charge_inside() -> None:
    field = ExactPlates(capacitor(), NEAR, FAR)
    near, far = torch.zeros(3, dtype=torch.float64), torch.tensor([0, 0, L], dtype=torch.float64)
    assert abs(flux(field, near, 1.5) - 1) < 1e-3
    assert abs(flux(field, far, 1.5) + 1) < 1e-3
    assert abs(flux(field, 0.5 * far, 5.0)) < 1e-3
    assert abs(flux(field, 0.5 * far, 0.9)) < 1e-3
    assert abs(flux(field, torch.tensor([0.5, 0.1, 0.0], dtype=torch.float64), 0.2) - 1 / 3) < 1e-3
    # the plates' own normalisation apart is no electric field
    heavier = ExactPlates(capacitor(), torch.cat([NEAR, 2 * NEAR]), FAR)
    assert abs(flux(heavier, near, 0.9) - 1) > 0.1


def test_both_plates_send_half_their_flux_into_the_slab() -> None:
    field = ExactPlates(capacitor(), NEAR, FAR)
    side = torch.sinh(torch.linspace(-9, 9, 401, dtype=torch.float64))
    for z in (0.2 * L, 0.5 * L, 0.9 * L):
        x, y = torch.meshgrid(side, side, indexing="ij")
        places = torch.stack([x, y, torch.full_like(x, z)], -1).reshape(-1, 3)
        through = field.electric(places, L)[:, 2].reshape(401, 401)
        total = torch.trapezoid(torch.trapezoid(through, side), side)
        assert abs(float(total) - 1) < 1e-2  # a half of each; the plane is cut at 4000


class Answer(nn.Module):
    """A network of one fixed answer."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = nn.Parameter(value)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        return self.value.expand(len(x), *self.value.shape[1:])


def test_a_network_of_zeros_is_two_gaussian_plates() -> None:
    process = capacitor(3.0)
    field = PlateField(Answer(torch.zeros(1, 5)), process, (4,))
    gaussian = ExactPlates(process, torch.zeros(1, 4), None)
    gaussian.near = process.far_plate()
    generator = torch.Generator().manual_seed(0)
    t = torch.tensor([0.3, 0.5, 0.8, 0.95, -0.1])
    x = process.on_lines(
        0.5 * torch.randn(5, 4, generator=generator), t, generator, 0.8, torch.full_like(t, 0.5)
    )
    with torch.no_grad():
        got, wanted = field(x, t), gaussian(x, t)
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3)


def test_what_the_network_learns_has_variance_about_one() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(10, 16, generator=generator)
    y = centres[torch.randint(10, (1000,), generator=generator)]
    y = 0.5 * (y - y.mean(0)) / y.std() + 0.05 * torch.randn(1000, 16, generator=generator)
    process = capacitor(2.0)
    field = PlateField(build_network("mlp", (17,)), process, (16,))
    for t in (-0.05, 0.003, 0.03, 0.2, 0.5):
        time = torch.full((1000,), t)
        x = process.on_lines(y, time, generator, 0.8, torch.full_like(time, 0.5))
        logit, across = process.pulled(PointPlate(y), process.far_plate(), x, time)
        mean, _, out, given, level = field._known(x, time)
        F = (torch.tanh(0.5 * logit)[:, None] * x - across - mean) / out[:, None]
        assert 0.3 < float(F.square().mean().sqrt()) < 1.5
        assert 0.5 < float(given[:, :-1].square().mean().sqrt()) < 1.5
        assert float(level.abs().max()) < 2


def test_lines_run_on_between_the_plates_whatever_a_network_answers() -> None:
    process, generator = capacitor(2.0), torch.Generator().manual_seed(0)
    field = PlateField(Answer(10 * torch.randn(1, 5, generator=generator)), process, (4,))
    t = torch.rand(500, generator=generator)
    x = per_item(10 ** (4 * torch.rand(500, generator=generator) - 2), t[:, None]) * torch.randn(
        500, 4, generator=generator
    )
    with torch.no_grad():
        assert float(field(x, t)[:, -1].amin()) > 0


def test_a_network_learns_the_same_lines_by_heart() -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.tensor([[-0.5], [0.5]])[torch.randint(2, (1024,), generator=generator)]
    process = capacitor()
    torch.manual_seed(0)
    field = PlateField(build_network("mlp", (2,), {"width": 64, "depth": 2}), process, (1,))
    assert field.items(128) == 1024
    assert field.sizes(process, (3, 8, 8)) == ((4, 8, 8), (4, 8, 8))

    def error() -> float:
        with torch.no_grad():
            return float(field.loss(y, torch.Generator().manual_seed(9)))

    before, optimizer = error(), torch.optim.Adam(field.parameters(), 3e-3)
    for _ in range(100):
        loss = field.loss(y, torch.Generator().manual_seed(9))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert error() < 0.4 * before


def test_far_from_both_plates_a_networks_guess_weighs_nothing() -> None:
    process = capacitor(2.0)
    answer = torch.zeros(1, 5)
    answer[:, -1] = 2.0
    x = 1e4 * torch.nn.functional.normalize(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)))
    t = torch.linspace(-0.5, 1.5, 50)
    with torch.no_grad():
        got, known = (PlateField(Answer(a), process, (4,))(x, t) for a in (answer, torch.zeros(1, 5)))
    assert float(nn.functional.cosine_similarity(got, known).min()) > 0.99
    with torch.no_grad():  # near by it does
        got, known = (PlateField(Answer(a), process, (4,))(1e-4 * x, t) for a in (answer, torch.zeros(1, 5)))
    assert float(nn.functional.cosine_similarity(got, known).min()) < 0.95


def test_a_class_is_learned_from_its_own_charges(monkeypatch: pytest.MonkeyPatch) -> None:
    process, classes = capacitor(), 2
    data = 0.5 * torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    label = torch.arange(64) % 3  # 2 stands for none
    field = PlateField(build_network("mlp", (3,), {"width": 8, "depth": 1}), process, shape=(2,))
    field.classes = classes
    seen: list[tuple[Tensor, int]] = []
    inner = type(process).pulled

    def watch(self: Capacitor, near: Plate, far: Plate, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(near, PointPlate)
        seen.append((near.points, len(x)))
        return inner(self, near, far, x, t)

    monkeypatch.setattr(type(process), "pulled", watch)
    field.loss(data, torch.Generator().manual_seed(1), label)
    assert [places for _, places in seen] == [3, 3, 2]  # of the first 8 items
    for (charges, _), own in zip(seen, (label == 0, label == 1, label >= 0), strict=True):
        assert torch.equal(charges, data[own])
