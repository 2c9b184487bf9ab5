"""Field lines from plate to plate: they end on charges, in the right shares, and lead back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unstir.fields import ExactPlates
from unstir.flow import Path, Streams, parse_solver, sample
from unstir.flow.plates import Lines, _Way
from unstir.physics import capacitor


def mixture(n: int, seed: int) -> Tensor:
    """Two clusters, of 0.7 and 0.3, with mean 0 and deviation about ½ in all."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(n, 1, generator=generator) < 0.7
    centre = torch.where(first, torch.tensor([0.45, 0.1]), torch.tensor([-1.05, -0.2]))
    return (centre + 0.12 * torch.randn(n, 2, generator=generator)).double()


def test_lines_from_the_gaussian_end_on_the_data_in_their_shares() -> None:
    data = mixture(300, 0)
    process = capacitor()
    x = sample(process, ExactPlates(process, data), 500, (2,), dtype=torch.float64)
    nearest = torch.cdist(x, data).amin(1)
    assert float((nearest < 0.02).double().mean()) > 0.98
    assert abs(float((x[:, 0] > -0.3).double().mean()) - float((data[:, 0] > -0.3).double().mean())) < 0.06
    assert float((x.mean(0) - data.mean(0)).abs().max()) < 0.08
    assert float((torch.cov(x.T) - torch.cov(data.T)).abs().max()) < 0.06


def test_in_the_slab_alone_lines_are_lost_where_the_plates_are_near() -> None:
    data = mixture(100, 0)
    process = capacitor(1.0)
    field = ExactPlates(process, data)
    lost = {}
    for name in ("lines", "heun"):
        x = sample(process, field, 200, (2,), solver=name, steps=60, dtype=torch.float64)
        lost[name] = float((torch.cdist(x, data).amin(1) > 0.05).double().mean())
    assert lost["lines"] < 0.03
    assert lost["heun"] > 0.1


def test_lines_from_the_data_make_the_gaussian() -> None:
    data = mixture(400, 0)
    process = capacitor()
    x = sample(
        process,
        ExactPlates(process, data),
        400,
        (2,),
        solver=Lines("forward"),
        start=data,
        dtype=torch.float64,
    )
    assert float(x.mean(0).abs().max()) < 0.1
    assert float((torch.cov(x.T) - 0.25 * torch.eye(2)).abs().max()) < 0.06
    assert float((x.norm(dim=1) < 0.5 * 1.1774).double().mean()) == pytest.approx(0.5, abs=0.08)


def test_all_lines_of_one_set_of_charges_come_to_the_other_evenly() -> None:
    angle = torch.arange(8, dtype=torch.float64) * torch.pi / 4
    near = 0.7 * torch.stack([angle.cos(), angle.sin()], 1)
    far = mixture(12, 3)
    process = capacitor(1.5).prepared(near, far)
    field = ExactPlates(process, near)
    for direction, start, charges in (("backward", None, near), ("forward", near.repeat(60, 1), far)):
        n = 480
        solver = Lines(direction, side="both")
        x = sample(process, field, n, (2,), solver=solver, steps=80, start=start, dtype=torch.float64)
        distance, at = torch.cdist(x, charges.to(x)).min(1)
        assert float((distance < 0.02).double().mean()) > 0.94
        share = torch.bincount(at, minlength=len(charges)).double() / n
        assert float((share - 1 / len(charges)).abs().max()) < 4 * (1 / len(charges) / n) ** 0.5


def test_a_line_leads_back_to_where_it_came_from() -> None:
    near, far = mixture(20, 0), mixture(15, 3) * torch.tensor([1.0, -1.0])
    process = capacitor(2.0).prepared(near, far)
    path = Path(process, ExactPlates(process, near), [1.0, 0.0])
    out, back = (_Way(path, torch.Size([2]), torch.float64, None, sign) for sign in (1.0, -1.0))
    ray = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    place = torch.cat([near, torch.zeros(20, 1)], 1) + 0.01 * ray / ray.norm(dim=1, keepdim=True)
    for way in (out, back):
        for _ in range(700):
            slope, _ = way.slope(place)
            place = place + 0.01 * 0.5 * (slope + way.slope(place + 0.01 * slope)[0])
    start = torch.cdist(place[:, :2], near)
    assert float((start.argmin(1) == torch.arange(20)).double().mean()) >= 0.9


def test_lines_start_where_they_should(refused: Callable[..., str]) -> None:
    process = capacitor()
    L = process.length((2,))
    x = torch.zeros(400, 2)
    for direction, z in (("backward", L), ("forward", 0.0)):
        heights = Lines(direction)._launched(x, L, Streams(0, 0, 400))[:, 2] - z
        assert bool((heights < 0).all() if direction == "backward" else (heights > 0).all())
        both = Lines(direction, side="both", launch=0.1)._launched(x, L, Streams(0, 0, 400))[:, 2] - z
        # in three dimensions the height of a point on a sphere is uniform
        assert abs(float(both.mean())) < 0.1 * 0.05
        assert float(both.abs().max()) < 0.05
        assert abs(float(both.var()) - 0.05**2 / 3) < 0.1 * 0.05**2 / 3
    assert "direction" in refused(parse_solver, "lines:direction=up", process)
    assert "side" in refused(parse_solver, "lines:side=left", process)
    assert "launch" in refused(parse_solver, "lines:launch=2", process)
