"""Bits per dimension of a run: cells of whole numbers, labels, errors, and the verb."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import unstir
from unstir.data import Dataset
from unstir.flow.bound import bits_per_dimension, nats_bound
from unstir.flow.streams import Streams
from unstir.likelihood import BATCH, likelihood, log_density
from unstir.physics import CoinProcess
from unstir.run import Run

Refused = Callable[..., str]

STD = 3.0  # in grey levels: a cell is a third of it


class Nothing(nn.Module):
    """F = 0, with a parameter so that it can be trained: then D = c_skip x, exact for Gaussian data."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        return x * self.zero


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of images whose pixels are, for it, normal about their mean with their deviation."""
    path = tmp_path_factory.mktemp("runs") / "grey"
    pixels = (128 + STD * torch.randn((400, 1, 2, 2), generator=torch.Generator().manual_seed(0))).round()
    data = Dataset("grey", "image", pixels.clamp(0, 255).to(torch.uint8))
    options = {"steps": 1, "network": Nothing(), "network_options": {}, "lr": 1e-12, "batch": 32}
    return unstir.fit("edm", data, out=path, **options)  # type: ignore[arg-type]


def exact_bits(run: Run, values: Tensor) -> tuple[Tensor, Tensor]:
    """Of each item: the bound −E log₂ p(v + u) over its cell, and −log₂ of the cell's mass, a number."""
    mean, std = run.scaling.to_dict()["shift"][0], 0.5 * run.scaling.to_dict()["scale"][0]
    away = values.double().flatten(1) - mean
    # E (away + u)² = away² + 1/12
    bound = (away.square() + 1 / 12) / (2 * std**2) + math.log(std * math.sqrt(2 * math.pi))
    law = torch.distributions.Normal(0.0, std)
    mass = law.cdf(away + 0.5) - law.cdf(away - 0.5)
    return bound.mean(1) / math.log(2), -mass.log2().mean(1)


@pytest.fixture(scope="module")
def images(grey: Run) -> Tensor:
    return torch.randint(119, 138, (300, 1, 2, 2), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def test_bits_of_a_known_law_are_its_bound_and_above_its_own(grey: Run, images: Tensor) -> None:
    found = likelihood(grey, images, draws=16)
    bound, truth = exact_bits(grey, images)
    assert found.size == 4
    assert "upper bound" in found.meaning
    error = found.bits_error.square().mean().sqrt() / math.sqrt(len(images))
    assert abs(float((found.bits - bound).mean())) < 4 * float(error) + 1e-3
    assert found.mean == pytest.approx(float(bound.mean()), abs=4 * float(error) + 1e-3)
    assert float((bound - truth).min()) > 0
    assert found.mean > float(truth.mean())


def test_the_error_of_an_item_covers_what_it_should(grey: Run, images: Tensor) -> None:
    found = likelihood(grey, images, draws=8, seed=3)
    bound, _ = exact_bits(grey, images)
    z = (found.bits - bound) / found.bits_error
    # Student's law of 7 degrees of freedom: 91.4 % within 2 errors, 64.9 % within 1.
    assert float((z.abs() < 2).double().mean()) == pytest.approx(0.914, abs=0.05)
    assert float((z.abs() < 1).double().mean()) == pytest.approx(0.649, abs=0.09)


def test_the_error_of_the_mean_covers_the_truth(grey: Run) -> None:
    mean, std = grey.scaling.to_dict()["shift"][0], 0.5 * grey.scaling.to_dict()["scale"][0]
    pixels = mean + std * torch.randn((40 * 50, 1, 2, 2), generator=torch.Generator().manual_seed(2)).double()
    items = pixels.round().to(torch.uint8)
    found = likelihood(grey, items)
    # Of pixels rounded from the law itself: their variance is its own and that of a cell.
    truth = 0.5 * (1 + (2 / 12) / std**2) + math.log(std * math.sqrt(2 * math.pi))
    inside = 0
    for part in torch.split(found.bits, 50):
        error = float(part.std()) / math.sqrt(len(part))
        inside += abs(float(part.mean()) - truth / math.log(2)) < 2 * error
    assert 33 <= inside <= 40  # 95.4 % of 40 is 38
    assert found.mean_error == pytest.approx(float(found.bits.std()) / math.sqrt(2000))
    assert math.isnan(float(likelihood(grey, items[:1]).mean_error))


def test_one_draw_has_no_error_and_the_density_no_cell(grey: Run, images: Tensor) -> None:
    one = likelihood(grey, images[:5])
    assert bool(one.error.isnan().all())
    mean, std = grey.scaling.to_dict()["shift"][0], 0.5 * grey.scaling.to_dict()["scale"][0]
    law = torch.distributions.Normal(torch.tensor(mean).double(), torch.tensor(std).double())
    expected = law.log_prob(images[:5].double()).flatten(1).sum(1)
    torch.testing.assert_close(log_density(grey, images[:5]), expected, rtol=0, atol=4e-3)


def test_an_item_depends_on_the_seed_and_its_index_alone(grey: Run, images: Tensor) -> None:
    whole = likelihood(grey, images, draws=2, seed=5).nats
    part = likelihood(grey, images[BATCH - 2 : BATCH + 3], draws=2, seed=5, first=BATCH - 2).nats
    torch.testing.assert_close(part, whole[BATCH - 2 : BATCH + 3], rtol=0, atol=1e-4)
    assert not torch.allclose(likelihood(grey, images[:9], draws=2, seed=6).nats, whole[:9], atol=1e-3)


def test_a_tables_columns_of_whole_numbers_have_cells_and_others_a_density(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    table = 2.0 * torch.randn((400, 2), generator=generator)
    table[:, 1] = table[:, 1].round()
    options = {"steps": 1, "network": Nothing(), "network_options": {}, "lr": 1e-12, "holdout": 0}
    run = unstir.fit("edm", table, out=tmp_path / "run", **options)  # type: ignore[arg-type]
    found = likelihood(run, table[:60], draws=40)
    scaling = run.scaling.to_dict()
    mean, std = torch.tensor(scaling["shift"]).double(), 0.5 * torch.tensor(scaling["scale"]).double()
    away = (table[:60].double() - mean).square() + torch.tensor([0, 1 / 12]).double()
    expected = -(away / (2 * std**2) + (std * math.sqrt(2 * math.pi)).log()).sum(1)
    within = (found.nats - expected).abs() < 4 * found.error + 2e-2
    assert bool(within.all())
    assert "density" in found.meaning


def test_coins_have_their_bound(tmp_path: Path) -> None:
    values = torch.randint(0, 256, (40, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    run = unstir.fit(
        "coins:T=10", values, steps=2, out=tmp_path, network="mlp", network_options={"width": 16}
    )
    process = run.process
    assert isinstance(process, CoinProcess)
    found = likelihood(run, values, seed=2)
    states = run.scaling.to_model(values)
    expected = nats_bound(process, run.field, states, Streams(2, 0, len(values)))
    torch.testing.assert_close(found.bits, bits_per_dimension(expected, (16,)))
    assert found.meaning == "an upper bound on -log2 P per coin"


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (torch.zeros(0, 1, 2, 2), {}, "give one item or more of (1, 2, 2)"),
        (torch.zeros(3, 1, 3, 3), {}, "give one item or more of (1, 2, 2)"),
        (torch.zeros(3, 1, 2, 2), {"draws": 0}, "draws=0, probes=1: give 1 or more"),
        (torch.zeros(3, 1, 2, 2), {"label": "3"}, "trained without labels"),
    ],
)
def test_bad_input_is_named(
    grey: Run, values: Tensor, options: dict[str, object], words: str, refused: Refused
) -> None:
    assert words in refused(likelihood, grey, values.to(torch.uint8), **options)


def test_a_bridge_tells_clean_images_given_degraded_ones(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (40, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    options = {"steps": 2, "batch": 8, "network_options": {"width": 8, "layers": 1, "middle": 1}}
    run = unstir.fit("bridge:task=denoise,noise=0.05", pixels, out=tmp_path, **options)  # type: ignore[arg-type]
    found = likelihood(run, pixels[:4], draws=2)
    assert "given degraded ones" in found.meaning
    # Noise of a twentieth of 2 · 128 grey levels leaves far less to tell than the images' eight bits.
    std = 0.05 * run.scaling.to_dict()["scale"][0]
    assert found.mean == pytest.approx(math.log2(std * math.sqrt(2 * math.pi * math.e)), abs=0.4)
    again = likelihood(run, pixels[2:4], draws=2, first=2)
    torch.testing.assert_close(again.nats, found.nats[2:], rtol=0, atol=1e-3)


def test_a_run_of_a_capacitor_has_one_of_each_class(tmp_path: Path) -> None:
    options = {"width": 8, "layers": 1, "middle": 1}
    run = unstir.fit("capacitor", "digits", steps=2, batch=32, out=tmp_path / "run", network_options=options)
    values = run.data()[1].values[:3]
    found = likelihood(run, values, label="3", draws=2)
    assert bool(found.nats.isfinite().all())
    assert 4 < found.mean < 9  # bits of a byte, of a field that is hardly more than two Gaussian plates
    # An item's own figure depends on nothing that is asked beside it.
    alone = likelihood(run, values[1:2], label="3", draws=2, first=1)
    torch.testing.assert_close(alone.nats[0], found.nats[1], rtol=0, atol=1e-3)
