"""Nothing is written where it would be read as data; what would not be read may lie there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.calling import call

import unstir
from unstir.data import load
from unstir.data.apart import check_apart

Refused = Callable[..., str]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hundred and forty images of 8x8 in `photos/`, beside which the tests work."""
    monkeypatch.chdir(tmp_path)
    digits = unstir.data.load("digits").values[:140, 0].numpy()
    for i, pixels in enumerate(digits):
        path = tmp_path / "photos" / "roll" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


@pytest.mark.parametrize("target", ["grid.png", "roll/a.JPG", "new", "deep/er/new", "s.tar.gz", "t.parquet"])
def test_what_would_be_read_is_refused(photos: Path, refused: Refused, target: str) -> None:
    for name in ("photos", "photos/:size=8", f"{photos}", f"{photos.parent}/./photos"):
        told = refused(check_apart, Path("photos") / target, [name])
        aside = Path(target).name
        assert told.endswith(f"would be among the data from then on: give a place outside, such as {aside}")
    check_apart(Path(aside), ["photos"])  # which is one


@pytest.mark.parametrize("target", ["scores.csv", "a.npz", ".cache/a.png", "report.html"])
def test_what_would_not_be_read_is_not(photos: Path, target: str) -> None:
    before = load("photos").values
    check_apart(Path("photos") / target, ["photos"])
    (photos / target).parent.mkdir(exist_ok=True)
    (photos / target).write_bytes(b"anything")
    assert bool((load("photos").values == before).all())


def test_other_places_are_open(photos: Path) -> None:
    (photos.parent / "photos2").mkdir()
    for target in ("photos2/a.png", "a.png", "photos.png", "../a.png"):
        check_apart(Path(target), ["photos", "digits", "nowhere", "", "photos/roll/*.png"])


def test_data_are_not_overwritten(photos: Path, refused: Refused) -> None:
    np.savez("x.npz", np.zeros((3, 8, 8), dtype=np.uint8))
    (photos.parent / "link.npz").symlink_to("x.npz")
    for target in ("x.npz", "photos/../x.npz", "link.npz"):
        assert "would be overwritten: give another name" in refused(check_apart, Path(target), ["x.npz"])


def test_verbs_keep_away_from_what_they_read(photos: Path) -> None:
    small = ("--process", "edm", "--steps", 1, "--batch", 4, "--network", "mlp", "--device", "cpu")
    told = "would be among the data from then on"
    # A run's folder holds pictures. This is what --data . led to, whose run lies in runs/ beside the images.
    assert told in call("train", "--data", ".", *small).refusal
    pair = ("--processes", "edm ve", "--steps", 2, "--out", "photos/c")
    assert told in call("compare", "--data", "photos", *pair).refusal
    unstir.fit("edm", "photos/:size=8", steps=1, batch=4, network="mlp", device="cpu", out="run")
    grid, few = Path("photos") / "grid.png", ("-n", 4, "--steps", 2)
    for verb in (
        ("sample", "run", *few),
        ("sample", "--exact", "photos", *few),
        ("edit", "run", "roundtrip"),
        ("restore", "run", "--task", "denoise", "--degrade"),
        ("score", "run"),
        ("novelty", "--run", "run"),
    ):
        assert told in call(*verb, "--out", grid).refusal, verb
    assert told in call("evaluate", "run", "-n", 20, "--picture", grid).refusal
    one = photos.parent / "one.png"
    one.write_bytes((photos / "roll" / "3.png").read_bytes())
    assert "would be overwritten" in call("edit", "run", "roundtrip", "--input", one, "--out", one).refusal
    assert len(load("photos")) == 140
    assert call("sample", "run", *few, "--out", "grid.png").status == 0
