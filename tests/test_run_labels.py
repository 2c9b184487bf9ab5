"""A conditional run in Python and on the command line, on classes whose field is known in closed form."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.calling import call
from torch import Tensor, nn

import unstir
from unstir.classes import drawn_classes
from unstir.data import Dataset, save_samples
from unstir.run import Run
from unstir.train import make_config

Refused = Callable[..., str]

SHARES = (0.25, 0.75)
TAU = 0.3  # deviation of a class, whose centres are −1 and 1


class Known(nn.Module):
    """The exact network of two normal classes in one coordinate of two, and of both together for label 2."""

    def __init__(self, shift: float, scale: float) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))
        self.centres = [(centre - shift) / scale for centre in (-1.0, 1.0)]
        self.std = TAU / scale

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        sigma = torch.exp(4 * noise)[:, None]
        variance = 0.25 + sigma**2
        state = x * variance.sqrt()
        own = self.std**2 + sigma**2
        first = state[:, :1]
        means = torch.cat([centre + self.std**2 / own * (first - centre) for centre in self.centres], 1)
        logs = torch.cat(
            [math.log(s) - (first - c) ** 2 / (2 * own) for s, c in zip(SHARES, self.centres, strict=True)], 1
        )
        means = torch.cat([means, (torch.softmax(logs, 1) * means).sum(1, keepdim=True)], 1)
        label = torch.full((len(x),), 2) if label is None else label
        known = torch.cat([means.gather(1, label[:, None]), 0.25 / variance * state[:, 1:]], 1)
        return self.one * (known - 0.25 / variance * state) / (0.5 * sigma / variance.sqrt())


def classes() -> Dataset:
    """400 points: a quarter of class `low` about −1, the rest of class `high` about 1, spread exactly."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((400, 2), generator=generator, dtype=torch.float64)
    label = (torch.arange(400) % 4 > 0).long()
    for number in range(2):
        own = x[label == number]
        x[label == number] = (own - own.mean(0)) / own.std(0, correction=0)
    x[:, 0] = TAU * x[:, 0] + torch.where(label == 0, -1.0, 1.0)
    return Dataset("classes", "table", x.float(), label, ("low", "high"), columns=("a", "b"))


def module() -> Known:
    mean = SHARES[1] - SHARES[0]
    return Known(mean, 2 * (TAU**2 + 1 - mean**2) ** 0.5)


def fit(out: Path, data: Dataset, **options: Any) -> Run:  # noqa: ANN401
    given = {"steps": 1, "batch": 32, "lr": 1e-12, "holdout": 0} | options
    return unstir.fit("edm", data, out=out, **given)


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fit(tmp_path_factory.mktemp("runs") / "known", classes(), network=module())


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network of the library's own, which the command line can open; hardly trained."""
    options = {"network_options": {"width": 16, "depth": 1}, "lr": 1e-3, "steps": 2, "holdout": 0.2}
    path = tmp_path_factory.mktemp("runs") / "learned"
    folder = save_samples(path.with_name("data") / "data.npz", classes().values, classes().labels)
    return fit(path, folder, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on the same data without their labels."""
    options = {"network_options": {"width": 16, "depth": 1}, "labels": False, "lr": 1e-3}
    return fit(tmp_path_factory.mktemp("runs") / "plain", classes(), **options)


def share_of_high(samples: Tensor) -> float:
    return float((samples[:, 0] > 0).double().mean())


@pytest.mark.parametrize(("label", "centre"), [("low", -1.0), (1, 1.0), ("high", 1.0)])
def test_a_class_by_name_and_number(known: Run, label: int | str, centre: float) -> None:
    samples = known.sample(1000, label=label, solver="heun")
    assert float(samples[:, 0].mean()) == pytest.approx(centre, abs=4 * TAU / 1000**0.5)
    assert samples.std(0).tolist() == pytest.approx([TAU, 1], rel=4 / 2000**0.5)


def test_classes_have_the_data_s_shares_unless_asked_for(known: Run) -> None:
    samples, labels = known.sample(1000, seed=5), known.labels(1000, seed=5)
    assert labels is not None
    assert torch.equal(labels, drawn_classes((100, 300), 1000, seed=5))
    assert float((labels.bool() == (samples[:, 0] > 0)).double().mean()) > 0.99  # 3.3 deviations apart
    assert share_of_high(samples) == pytest.approx(0.75, abs=4 * (0.25 * 0.75 / 1000) ** 0.5)
    together = known.sample(1000, label="none")
    assert share_of_high(together) == pytest.approx(0.75, abs=4 * (0.25 * 0.75 / 1000) ** 0.5)
    assert known.labels(4, label="none") is None


def test_a_sample_and_its_class_depend_on_seed_and_index_alone(known: Run) -> None:
    samples = known.sample(20, seed=2)
    assert torch.allclose(known.sample(8, seed=2, first=7, batch=3), samples[7:15], atol=1e-5)
    # Asked for by name, sample i is the same that was drawn of this class.
    labels = known.labels(20, seed=2)
    assert labels is not None
    high = known.sample(20, seed=2, label="high")
    assert torch.allclose(high[labels == 1], samples[labels == 1], atol=1e-5)


def test_a_class_each_and_classes_in_turn(known: Run) -> None:
    each = known.sample(6, label=["low", 1, 1, "high", 0, 0])
    assert (each[:, 0] > 0).tolist() == [False, True, True, True, False, False]
    turns = known.sample(5, label="all", first=1)
    assert (turns[:, 0] > 0).tolist() == [True, False, True, False, True]


def test_guidance_draws_away_from_the_other_class(known: Run) -> None:
    """As w grows, p(x) p(c | x)^w moves away from the border, which lies between the classes."""
    means = [float(known.sample(300, label="low", guidance=w)[:, 0].mean()) for w in (1.0, 2.0, 4.0)]
    assert means == sorted(means, reverse=True)
    assert means[0] == pytest.approx(-1, abs=4 * TAU / 300**0.5)
    assert torch.equal(known.sample(9, label="low", guidance=1), known.sample(9, label="low"))
    assert torch.allclose(
        known.sample(99, label="low", guidance=0), known.sample(99, label="none"), atol=1e-4
    )
    # Outside every noise level there is nothing to guide.
    apart = known.sample(9, label="low", guidance=4, guidance_interval=(1e6, math.inf))
    assert torch.equal(apart, known.sample(9, label="low"))
    whole = known.sample(9, label="low", guidance=4, guidance_interval=(0, math.inf))
    assert torch.equal(whole, known.sample(9, label="low", guidance=4))


def test_autoguidance_by_itself_changes_nothing_and_by_a_weaker_run_does(known: Run, plain: Run) -> None:
    alone = known.sample(9, label="low")
    assert torch.allclose(known.sample(9, label="low", guide=known, guidance=3), alone, atol=1e-4)
    assert not torch.allclose(known.sample(9, label="low", guide=plain), alone, atol=1e-2)
    usual, two = known.sample(9, guide=plain), known.sample(9, guide=plain, guidance=2)
    assert torch.equal(usual, two)
    # A run without classes is guided too, by what has them or not.
    assert not torch.equal(plain.sample(9, guide=known), plain.sample(9))


def test_an_earlier_checkpoint_of_the_same_run_guides(tmp_path: Path) -> None:
    run = fit(tmp_path / "run", classes(), steps=1, network_options={"width": 16, "depth": 1}, lr=1e-2)
    config = run.path / "config.yaml"
    config.write_text(config.read_text().replace("steps: 1\n", "steps: 60\n"))
    later = unstir.fit("edm", classes(), out=run.path, resume=True)
    early = unstir.load(run.path / "checkpoints" / "step-000001")
    assert (early.step, later.step, early.path) == (1, 60, run.path)
    assert not torch.allclose(later.sample(9, guide=early), later.sample(9))


def test_the_likelihood_is_that_of_all_classes_or_of_one(known: Run) -> None:
    values = classes().values[:40].double()
    law = torch.distributions.Normal
    own = torch.stack([law(c, TAU).log_prob(values[:, 0]) for c in (-1.0, 1.0)], 1)
    rest = law(0.0, 1.0).log_prob(values[:, 1])
    whole = (own + torch.tensor(SHARES).log()).logsumexp(1) + rest
    assert torch.allclose(known.log_likelihood(values.float()), whole, atol=4e-2)
    found = known.log_likelihood(values.float(), label=classes().labels[:40])  # type: ignore[index]
    label = torch.arange(40) % 4 > 0
    assert torch.allclose(found, torch.where(label, own[:, 1], own[:, 0]) + rest, atol=4e-2)


def test_evaluating_draws_the_data_s_shares(learned: Run) -> None:
    plainly = learned.evaluate(60, seed=1)
    expected = unstir.evaluation.compare(learned.sample(60, seed=1), *learned.data(), seed=1)
    assert replace(plainly, classes=None) == expected
    assert learned.evaluate(60, seed=1, guidance=3.0) != plainly


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": "hgih"}, "label='hgih': is no class of this run; did you mean high?"),
        ({"label": 2}, "label=2: is no class of this run; give 0 to 1, or one of low, high"),
        ({"label": [0, 1]}, "label: has 2 classes for 3 samples"),
        ({"guidance": -1}, "guidance=-1: give a weight from 0"),
        ({"guidance": math.nan}, "guidance=nan: give a weight from 0"),
        ({"label": "none", "guidance": 2}, "guidance=2: there is no class to guide by; give label"),
        ({"guidance_interval": (0, 1)}, "guidance_interval: there is no guidance; give guidance too"),
        ({"guidance": 2, "guidance_interval": (2, 1)}, "guidance_interval=2,1: give two noise levels"),
    ],
)
def test_arguments_out_of_range(known: Run, refused: Refused, options: dict[str, Any], said: str) -> None:
    assert refused(known.sample, 3, **options).startswith(said)


def test_a_run_without_classes_refuses_them(plain: Run, refused: Refused) -> None:
    assert plain.labels(3) is None
    assert refused(plain.sample, 3, label=1).startswith("label=1: the run was trained without labels")
    assert refused(plain.sample, 3, guidance=2).startswith("guidance=2: there is no class to guide by")


def test_guides_of_another_kind_are_refused(known: Run, tmp_path: Path, refused: Refused) -> None:
    options = {"network_options": {"width": 8, "depth": 1}}
    data = classes()
    other = unstir.fit("vp", data, out=tmp_path / "vp", steps=1, holdout=0, **options)
    assert "has process vp, the run edm; give one that has the same" in refused(known.sample, 3, guide=other)
    wide = fit(tmp_path / "wide", replace(data, values=data.values.repeat(1, 2), columns=()), **options)
    assert "has shape (4,), the run (2,)" in refused(known.sample, 3, guide=wide)
    named = fit(tmp_path / "named", replace(data, label_names=("a", "b")), **options)
    assert "has classes ('a', 'b'), the run ('low', 'high')" in refused(known.sample, 3, guide=named)
    moved = fit(tmp_path / "moved", replace(data, values=data.values + 1), **options)
    assert "was trained on other data" in refused(known.sample, 3, guide=moved)


def test_without_withheld_labels_nothing_is_known_of_all_together(tmp_path: Path, refused: Refused) -> None:
    run = fit(tmp_path / "run", classes(), network=module(), label_dropout=0.0)
    run.sample(3)
    for options in ({"label": "none"}, {"guidance": 2}):
        assert "label_dropout=0, and does not know all classes together" in refused(run.sample, 3, **options)
    assert "label_dropout=0" in refused(run.log_likelihood, classes().values[:3])


def test_a_guide_is_not_asked_for_what_it_never_learned(
    known: Run, plain: Run, tmp_path: Path, refused: Refused
) -> None:
    guide = fit(tmp_path / "guide", classes(), network=module(), label_dropout=0.0)
    said = f"guide {guide.path}: was trained with label_dropout=0, and does not know all classes together; "
    assert refused(known.sample, 3, label="none", guide=guide) == said + "give a label, or another guide"
    assert (
        refused(plain.sample, 3, guide=guide) == said + "give another guide"
    )  # which has no classes to give
    for options in ({}, {"label": "low"}):
        assert torch.isfinite(known.sample(3, guide=guide, **options)).all()


def test_the_command_line_saves_what_each_sample_is_of(learned: Run, tmp_path: Path) -> None:
    def saved(*options: object) -> dict[str, np.ndarray]:
        status, _, err = call("sample", learned.path, "-n", 6, "--out", tmp_path / "f.npz", *options)
        assert status == 0, err
        return dict(np.load(tmp_path / "f.npz"))

    drawn = learned.labels(6, seed=3)
    assert drawn is not None
    assert saved("--seed", 3)["labels"].tolist() == drawn.tolist()
    turns = saved("--label", "all", "--first", 1)
    assert turns["labels"].tolist() == [1, 0, 1, 0, 1, 0]
    assert np.array_equal(turns["samples"], learned.sample(6, label="all", first=1).numpy())
    assert saved("--label", "1,1,0")["labels"].tolist() == [1, 1, 0, 1, 1, 0]
    assert "labels" not in saved("--label", "none")
    guided = saved("--label", "1", "--guidance", 3, "--guidance-interval", "0.1,2")
    expected = learned.sample(6, label=1, guidance=3, guidance_interval=(0.1, 2))
    assert np.array_equal(guided["samples"], expected.numpy())
    weaker = learned.path / "checkpoints" / "step-000002"
    assert saved("--guide", weaker)["samples"].shape == (6, 2)
    # Tables in other formats hold no labels, and are written as ever.
    assert call("sample", learned.path, "-n", 6, "--out", tmp_path / "f.csv", "--label", 1)[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--label", "7"), "label='7': is no class of this run"),
        (("--guidance", "-2"), "guidance=-2: give a weight"),
        (
            ("--guidance", "2", "--guidance-interval", "low,high"),
            "guidance-interval='low,high': give two noise",
        ),
        (("--guide", "nowhere"), "run nowhere: is no run folder"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    learned: Run, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    status, out, err = call("sample", learned.path, "-n", 2, "--out", tmp_path / "f.npz", *options)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert f"error: {said}" in err
    assert not (tmp_path / "f.npz").exists()


def test_images_go_into_folders_by_class_where_that_was_asked_for(tmp_path: Path) -> None:
    options = {"network_options": {"width": 8}, "steps": 1, "batch": 8}
    run = unstir.fit("edm", "digits", out=tmp_path / "run", **options)
    assert run.classes == tuple("0123456789")
    assert run.info.label_counts == tuple(
        np.bincount(run.data()[0].labels.numpy()).tolist()  # type: ignore[union-attr]
    )
    sampling = ("sample", run.path, "-n", 4, "--steps", 2)
    assert call(*sampling, "--out", tmp_path / "flat")[0] == 0
    assert sorted(p.name for p in (tmp_path / "flat").iterdir()) == [f"{i:06d}.png" for i in range(4)]
    assert call(*sampling, "--label", "3,8", "--out", tmp_path / "parted")[0] == 0
    assert sorted(p.name for p in (tmp_path / "parted").iterdir()) == ["3", "8"]


def test_a_prior_of_training_items_is_of_no_one_class(tmp_path: Path) -> None:
    run = unstir.fit(
        "heat",
        "digits",
        out=tmp_path / "run",
        steps=1,
        batch=4,
        labels=True,
        network_options={"width": 8},
    )
    assert run.labels(3) is None
    asked = run.labels(3, label=4)
    assert asked is not None
    assert asked.tolist() == [4, 4, 4]
    assert torch.equal(run.sample(2, steps=2), run.sample(2, steps=2, label="none"))


def test_items_to_start_from_are_of_no_known_class(tmp_path: Path) -> None:
    options = {"network_options": {"width": 16, "depth": 1}, "partner": "two-moons"}
    run = unstir.fit("capacitor", "gaussians8", out=tmp_path / "run", steps=1, batch=64, **options)
    start = torch.zeros(3, 2)
    assert run.labels(3) is not None
    assert run.labels(3, given=True) is None
    assert torch.equal(run.sample(3, start=start), run.sample(3, start=start, label="none"))
    moved = run.sample(3, start=start, label="0 degrees", guidance=2)
    assert bool(moved.isfinite().all())


@pytest.mark.parametrize(
    "process", ["pfgm", "capacitor", "kac", "langevin", "coins", "blurring", "heat", "bridge"]
)
def test_every_family_is_guided(tmp_path: Path, process: str) -> None:
    pixels = torch.randint(256, (60, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    data = Dataset("pictures", "image", pixels, torch.arange(60) % 2, ("even", "odd"))
    options = {"network_options": {"width": 8, "depth": 1}, "network": "mlp", "labels": True, "lr": 0.02}
    run = unstir.fit(process, data, out=tmp_path / "run", steps=20, batch=16, **options)
    plain, one, far = (run.sample(24, label=1, steps=4, guidance=w) for w in (None, 1.0, 8.0))
    assert torch.equal(plain, one)
    assert not torch.equal(plain, far)


def test_labels_are_an_option_like_any(tmp_path: Path) -> None:
    run = unstir.fit(
        "edm",
        "digits",
        out=tmp_path / "run",
        steps=1,
        batch=4,
        labels=False,
        network_options={"width": 8},
    )
    assert run.classes == ()
    assert run.config == make_config(run.config.model_dump())


def test_a_drawn_class_says_nothing_of_the_noise_it_starts_from() -> None:
    from unstir.classes import drawn_classes
    from unstir.flow.streams import Streams

    drawn = drawn_classes((1, 1), 2000)
    noise = Streams(0, 0, 2000).draw(lambda g: torch.randn(1, 8, generator=g))
    sides = drawn.double() * 2 - 1
    shares = (sides[:, None] * noise).mean(0)
    assert float(shares.abs().max()) < 0.12  # 0.8 of a deviation where both come of the same bits
