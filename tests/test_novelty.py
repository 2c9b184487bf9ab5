"""Quality against novelty: the figures against SciPy's, and the report through the command line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.distance import cdist
from torch import Tensor

from unstir import physics
from unstir.cli import main
from unstir.data import Dataset, load
from unstir.errors import InputError
from unstir.novelty import Novelty, Place, compare_novelty, conclusion
from unstir.novelty_page import named_above
from unstir.run import Run


@pytest.fixture(scope="module")
def parts() -> tuple[Dataset, Dataset]:
    return load("digits").select(torch.arange(400)).split(0.4, 0)


class Copier:
    """What a run is to the report: this one gives held-out images."""

    path, process, classes = Path("tiny"), physics.parse("edm"), ()

    def __init__(self, images: Tensor) -> None:
        self.images, self.info = images, SimpleNamespace(shape=tuple(images.shape[1:]))

    def sample(self, n: int, *, seed: int) -> Tensor:
        return self.images[-n:]


@pytest.fixture(scope="module")
def run(parts: tuple[Dataset, Dataset]) -> Run:
    return cast("Run", Copier(parts[1].values))


@pytest.fixture(scope="module")
def found(parts: tuple[Dataset, Dataset], run: Run) -> Novelty:
    return compare_novelty(*parts, run=run, n=40, features="pca:8", seed=3)


def place_of(found: Novelty, name: str) -> Place:
    return next(place for place in found.places if place.name == name)


def test_fields_stand_where_they_must(found: Novelty) -> None:
    assert [place.name for place in found.places] == [
        "exact", "local", "run tiny", "held-out images", "training images",
    ]  # fmt: skip
    assert found.process == "edm"  # the run's
    exact, local = place_of(found, "exact"), place_of(found, "local")
    assert exact.copies == exact.share == 1
    assert exact.novelty < 0.01
    assert local.copies < 0.3
    assert 0.4 < local.novelty < 1.2
    assert place_of(found, "training images").novelty == 0
    # The run gives the very images that are placed beside it, in another order.
    assert 0.8 < place_of(found, "run tiny").novelty < 1.2
    for one in found.places:
        assert one.frechet_low is not None
        assert one.frechet_high is not None
        assert one.frechet_low <= one.frechet <= one.frechet_high or one.frechet_low == 0


def test_novelty_is_the_ratio_of_median_distances(found: Novelty, parts: tuple[Dataset, Dataset]) -> None:
    train, heldout = (part.values.flatten(1).double().numpy() / 255 for part in parts)
    half = len(heldout) // 2
    yardstick = np.quantile(cdist(heldout[:half], train).min(1), 0.5, method="lower")
    distances = cdist(heldout[half : half + 40], train).min(1) / yardstick
    place = place_of(found, "held-out images")
    assert place.novelty == pytest.approx(np.median(distances))
    assert place.novelty_low == pytest.approx(np.quantile(distances, 0.25))
    assert place.share == pytest.approx((distances < 1).mean())


def test_the_nearest_images_are_shown_below_the_samples(
    found: Novelty, parts: tuple[Dataset, Dataset]
) -> None:
    samples, nearest = found.shown["held-out images"]
    train = parts[0].values.flatten(1).numpy()
    index = cdist(samples.flatten(1).numpy(), train).argmin(1)
    assert torch.equal(nearest, parts[0].values[index])


def test_what_is_said_follows_the_figures() -> None:
    floor = Place("held-out images", True, 1.0, 0.8, 1.2, 1.0, 0.9, 1.1, 0.5, 0.0)
    copy = Place("exact", False, 1.1, 0.9, 1.3, 0.0, 0.0, 0.0, 1.0, 0.99)
    far = Place("local", False, 3.0, 2.5, 3.5, 0.85, 0.8, 0.9, 0.7, 0.0)
    found = Novelty((copy, far, floor), {}, "pca:8", "", "edm", 9, 9, 9, 0)
    lines = conclusion(found)
    assert "99 % of its images are copies" in lines[0]
    assert "within noise" in lines[0]
    assert "0.85 times as far" in lines[1]
    assert "3.0 times that of real images" in lines[1]
    assert "shown" not in found.to_dict()


@pytest.mark.parametrize("below", ["exact", "training images"])
def test_names_do_not_stand_between_two_marks(below: str) -> None:
    """Copies lie where the training images do, and either may be the lower one."""

    def at(name: str, novelty: float, frechet: float) -> Place:
        return Place(name, False, frechet, frechet, frechet, novelty, novelty, novelty, 0.5, 0.0)

    exact, training = at("exact", 0.0, 8.8), at("training images", 0.0, 9.3)
    if below == "training images":
        exact, training = at("exact", 0.0, 9.3), at("training images", 0.0, 8.8)
    local, held = at("local", 0.8, 9.0), at("held-out images", 1.0, 14.0)
    places = (exact, local, held, training)
    assert {place.name for place in places if not named_above(place, places)} == {below}


def test_a_page_and_a_picture_through_the_command_line(
    parts: tuple[Dataset, Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "some.npz"
    np.savez(data, samples=load("digits").values[:200, 0].numpy())

    def command(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["unstir", "novelty", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    common = ("--data", str(data), "--holdout", "0.3", "-n", "20", "--process", "edm")
    assert command(*common, "--out", str(tmp_path / "new.png"), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in report["places"]][:2] == ["exact", "local"]
    assert report["features"] == "pca:16"  # there are no labels
    with Image.open(report["out"]) as picture:
        assert picture.width > 1000
    assert command(*common, "--out", str(tmp_path / "new.html")) == 0
    page = (tmp_path / "new.html").read_text("utf-8")
    assert page.count('alt="samples of ') == 4
    assert "default-src 'none'" in page
    assert "copies of training images" in capsys.readouterr().out
    assert command(*common, "--out", str(tmp_path / "new.pdf")) == 2
    assert "give a name in .html or .png" in capsys.readouterr().err
    assert command("--out", str(tmp_path / "new.png")) == 2
    assert "data: is missing" in capsys.readouterr().err


def test_what_cannot_be_placed_is_refused(parts: tuple[Dataset, Dataset], run: Run) -> None:
    train, heldout = parts
    with pytest.raises(InputError, match="too few"):
        compare_novelty(train, heldout.select(torch.arange(30)))
    with pytest.raises(InputError, match="are no images"):
        compare_novelty(*load("two-moons").split(0.2, 0))
    narrow = [dataclasses.replace(part, values=part.values[..., :6]) for part in parts]
    with pytest.raises(InputError, match="makes items of"):
        compare_novelty(narrow[0], narrow[1], run=run)
    with pytest.raises(InputError, match="copies of training images"):
        compare_novelty(train, train.select(torch.arange(80)))
