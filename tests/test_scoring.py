"""Outlier scores: on a law whose errors are known, and what they are held against."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import mannwhitneyu
from torch import Tensor, nn

import unstir
from unstir.run import Run
from unstir.scoring import Reference, auroc, errors, score

Refused = Callable[..., str]


class Nothing(nn.Module):
    """F = 0, with a parameter so that it can be trained: then D = c_skip x, exact for Gaussian data."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        return x * self.zero


def normal(n: int, seed: int = 0) -> Tensor:
    return torch.randn((n, 8), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on normal points of deviation 1, whose field is exact."""
    path = tmp_path_factory.mktemp("runs") / "normal"
    options = {"steps": 1, "network": Nothing(), "network_options": {}, "lr": 1e-12, "holdout": 0}
    return unstir.fit("edm", normal(400), out=path, **options)  # type: ignore[arg-type]


def test_errors_are_those_of_the_exact_denoiser(run: Run) -> None:
    found = errors(run, normal(40, 1), levels=3, draws=200).exp()
    # In model units y has deviation ½: with σ, E‖D − y‖²/N = σ⁴y²/(¼ + σ²)² + σ²(¼)²/(¼ + σ²)²
    y = run.scaling.to_model(normal(40, 1)).double()
    for k, sigma in enumerate(torch.logspace(math.log10(0.05), math.log10(4), 3).tolist()):
        expected = (sigma**4 * y.square().mean(1) + sigma**2 / 16) / (0.25 + sigma**2) ** 2
        assert float((found[:, k] / expected - 1).abs().mean()) < 0.05


def test_usual_items_score_about_one_and_others_more(run: Run) -> None:
    found = score(run, normal(400, 1), normal(200, 2))
    assert float(found.scores.square().mean()) == pytest.approx(1, abs=0.25)
    assert found.auroc == pytest.approx(0.5, abs=0.08)
    assert float(found.percentiles.mean()) == pytest.approx(50, abs=8)
    assert found.share_above(95) == pytest.approx(0.05, abs=0.045)
    # Too wide, and too narrow: a likelihood would take the latter for the most usual of all.
    for factor in (3.0, 0.0):
        other = score(run, normal(400, 1), factor * normal(60, 2))
        assert other.auroc is not None
        assert other.auroc > 0.95
        assert other.share_above(99) > 0.5


def test_the_reference_is_scored_by_the_half_without_it(run: Run) -> None:
    values = normal(400, 1)
    values[7] *= 10
    found = score(run, values)
    assert found.auroc is None
    assert int(found.scores.argmax()) == 7
    assert float(found.percentiles[7]) == pytest.approx(100 * 399 / 400)
    half = Reference.of(errors(run, values)[::2])
    torch.testing.assert_close(found.scores[1::2], half.score(errors(run, values)[1::2]))


def test_a_score_depends_on_the_seed_and_the_index_alone(run: Run) -> None:
    whole = errors(run, normal(270, 1), seed=2, draws=1)
    torch.testing.assert_close(
        errors(run, normal(270, 1)[250:260], seed=2, first=250, draws=1), whole[250:260]
    )
    assert not torch.allclose(errors(run, normal(270, 1)[:9], seed=3, draws=1), whole[:9], atol=1e-3)


def test_auroc_is_mann_and_whitneys(run: Run) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 9, (size,), generator=generator).double() for size in (40, 70))
    assert auroc(a + 1, b) == pytest.approx(mannwhitneyu(a + 1, b).statistic / (40 * 70))
    assert auroc(a, a) == 0.5


@pytest.mark.parametrize("name", ["vp", "heat_poisson", "heat", "langevin", "kac", "capacitor", "coins:T=20"])
def test_every_family_tells_noise_from_stripes(name: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    low = torch.randint(0, 100, (120, 1, 1, 8), generator=generator)
    stripes = (low + 0 * low.mT + 80).expand(-1, 1, 8, 8).to(torch.uint8).contiguous()
    options: dict[str, Any] = {"steps": 20, "network_options": {"width": 8, "layers": 1, "middle": 1}}
    if name.startswith("coins"):  # that know nothing to begin with
        options = {"steps": 300, "network": "mlp", "network_options": {"width": 32}, "lr": 5e-3}
    run = unstir.fit(name, stripes, batch=16, out=tmp_path, **options)
    noise = torch.randint(0, 256, (20, 1, 8, 8), generator=generator).to(torch.uint8)
    found = score(run, stripes[:60], noise, levels=4, draws=2)
    assert found.auroc is not None
    assert found.auroc > 0.8


@pytest.mark.parametrize(
    ("usual", "options", "words"),
    [
        (normal(9), {}, "reference: has 9 items; give 20 or more"),
        (normal(40), {"levels": 0}, "levels=0, draws=4: give 1 or more"),
        (torch.zeros(40, 3), {}, "give items of (8,)"),
    ],
)
def test_bad_input_is_named(
    run: Run, usual: Tensor, options: dict[str, int], words: str, refused: Refused
) -> None:
    assert words in refused(score, run, usual, **options)


def test_a_bridge_has_no_score(tmp_path: Path, refused: Refused) -> None:
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    options = {"width": 8, "layers": 1, "middle": 1}
    run = unstir.fit("bridge", images, steps=1, batch=8, out=tmp_path, network_options=options)
    assert "has no score" in refused(score, run, images)
