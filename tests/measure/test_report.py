from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict

import pytest
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure import (
    Figures,
    evaluate,
    feature_space,
    frechet_distance,
    gaussian_fit,
    median_bandwidth,
    mmd,
    overlap,
    sliced_wasserstein,
)


def moons(n: int, seed: int) -> Tensor:
    """Two arcs: as far from a Gaussian as a table gets."""
    generator = torch.Generator().manual_seed(seed)
    angle = torch.pi * torch.rand(n, generator=generator)
    side = torch.randint(0, 2, (n,), generator=generator)
    arc = torch.stack([angle.cos(), angle.sin()], 1)
    points = torch.where(side[:, None] == 0, arc, torch.tensor([1.0, 0.5]) - arc)
    return points + 0.05 * torch.randn(n, 2, generator=generator)


def test_a_perfect_model_is_at_the_floor_and_beats_the_gaussian() -> None:
    found = evaluate(moons(600, 0), moons(500, 1), train=moons(900, 2))
    assert found.floor is not None
    assert found.n == 500
    assert (found.n_samples, found.n_reference, found.n_train) == (600, 500, 900)
    assert found.baseline_fit == "train"
    for name in ("energy_distance", "mmd", "wasserstein"):
        ours, base, floor = (getattr(x, name) for x in (found.samples, found.baseline, found.floor))
        assert max(ours, floor) < 0.6 * base, name
    for name in ("precision", "density", "coverage"):
        ours, base, floor = (getattr(x, name) for x in (found.samples, found.baseline, found.floor))
        assert ours == pytest.approx(floor, abs=0.12), name
        assert min(ours, floor) > base + 0.15, name
    assert found.memorisation_ratio == pytest.approx(1, abs=0.2)
    assert found.memorisation_share == pytest.approx(0.5, abs=0.1)


def test_copies_of_the_training_set_are_seen_where_distances_see_nothing() -> None:
    train = moons(400, 2)
    found = evaluate(train, moons(400, 1), train=train)
    assert found.samples == found.floor
    assert (found.memorisation_ratio, found.memorisation_share) == (0, 1)


def test_a_wrong_model_is_worse_in_every_figure() -> None:
    good = evaluate(moons(300, 0), moons(300, 1)).samples
    bad = evaluate(moons(300, 0) * 0.2 + 3, moons(300, 1)).samples
    for name, value in asdict(good).items():
        worse = getattr(bad, name)
        assert (
            (worse < value) if name in {"precision", "recall", "density", "coverage"} else (worse > value)
        ), name


def test_figures_are_those_of_the_functions() -> None:
    samples, reference = moons(200, 0), moons(200, 1)
    found = evaluate(samples, reference, features="standard", projections=40, k=3, seed=9)
    space = feature_space("standard", reference)
    a, b = space(samples), space(reference)
    assert found.samples.sliced_wasserstein == sliced_wasserstein(a, b, projections=40, seed=9)
    assert found.samples.frechet_distance == frechet_distance(a, b)
    assert found.samples.mmd == mmd(a, b, bandwidth=found.bandwidth)
    assert found.bandwidth == median_bandwidth(b)
    assert found.samples.recall == overlap(a, b, k=3).recall
    draws = space(gaussian_fit(reference).sample(200, 9))
    assert found.baseline.frechet_distance == frechet_distance(draws, b)
    assert (found.features, found.k, found.projections, found.seed) == ("standard", 3, 40, 9)


def test_the_baseline_is_fitted_to_the_training_set() -> None:
    reference, train = moons(50, 1), moons(80, 2)
    found = evaluate(moons(50, 0), reference, train=train, seed=4)
    assert found.baseline.frechet_distance == frechet_distance(gaussian_fit(train).sample(50, 4), reference)


def test_without_a_training_set_the_rest_stands() -> None:
    found = evaluate(moons(60, 0), moons(80, 1))
    assert (found.floor, found.memorisation_ratio, found.memorisation_share, found.n_train) == (
        None,
        None,
        None,
        0,
    )
    assert found.baseline_fit == "reference"
    assert found.n == 60


def test_the_same_seed_gives_the_same_record_ready_for_json() -> None:
    sets = moons(150, 0), moons(120, 1)
    train = moons(130, 2)
    one, two = (evaluate(*sets, train=train, limit=100, seed=3) for _ in range(2))
    assert one == two
    assert one.n == 100
    assert one.samples != evaluate(*sets, train=train, limit=100, seed=4).samples
    again = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert Figures(**again["samples"]) == one.samples
    assert again["memorisation_ratio"] == one.memorisation_ratio
    with pytest.raises(FrozenInstanceError):
        one.n = 3  # type: ignore[misc]


def test_exact_transport_stops_at_its_limit() -> None:
    sets = moons(50, 0), moons(50, 1)
    assert evaluate(*sets, exact_limit=50).samples.wasserstein is not None
    assert evaluate(*sets, exact_limit=49).samples.wasserstein is None


def test_images_as_bytes_equal_images_as_floats() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 256, (40, 1, 4, 4), dtype=torch.uint8, generator=generator) for _ in range(2))
    one, two = evaluate(a, b, train=b.flip(0)), evaluate(a / 255, b / 255, train=b.flip(0) / 255)
    assert asdict(one.samples) == pytest.approx(asdict(two.samples))
    assert one.memorisation_share == 0
    assert one.memorisation_ratio is None  # here the training set holds the reference


def test_logits_take_the_references_labels_and_a_fitted_space_needs_none() -> None:
    reference = torch.cat([moons(60, 0), moons(60, 1) + 5])
    labels = torch.arange(120) // 60
    found = evaluate(reference[::2], reference, labels=labels, features="logits")
    assert found.features_note.startswith("held-out accuracy 1.000")
    space = feature_space("logits", reference, labels)
    assert evaluate(reference[::2], reference, features=space) == found


def test_bad_input_is_refused() -> None:
    good = moons(20, 0)
    with pytest.raises(InputError, match="samples has items of shape"):
        evaluate(torch.zeros(20, 3), good)
    with pytest.raises(InputError, match="train has items of shape"):
        evaluate(good, good, train=torch.zeros(20, 3))
    with pytest.raises(InputError, match=r"samples has shape \(5, 2\): give at least 6"):
        evaluate(good[:5], good)
    with pytest.raises(InputError, match="train is NaN"):
        evaluate(good, good, train=torch.cat([good, good[:1] / 0]))
    with pytest.raises(InputError, match=r"samples is torch.float32, reference torch.uint8"):
        evaluate(good, good.abs().to(torch.uint8))
    with pytest.raises(InputError, match="is unknown: give one of pixels"):
        evaluate(good, good, features="inception")
    with pytest.raises(InputError, match="limit=5"):
        evaluate(good, good, limit=5)
    with pytest.raises(InputError, match="exact_limit=5001"):
        evaluate(good, good, exact_limit=5001)


def test_import_brings_in_none_of_the_heavy_libraries() -> None:
    heavy = "{'sklearn', 'scipy', 'ot', 'matplotlib', 'PIL'}"
    code = f"import sys, unstir.measure; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
