"""Parts called train, test and validation: the first is read, and the others are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.calling import call
from tests.data.packing import laid, pack, picture

from unstir.data import load
from unstir.data.splits import split_of

Refused = Callable[..., str]

PLACES = ["f", "x.zip", "x.tar", "x.tgz"]
everywhere = pytest.mark.parametrize("place", PLACES)


def named(*names: str) -> dict[str, bytes]:
    return {name: picture(i) for i, name in enumerate(names)}


@everywhere
@pytest.mark.parametrize(
    ("parts", "around"),
    [
        (("train", "test"), ""),
        (("Train", "val", "test"), "pets/"),
        (("training_set", "test_set"), ""),
        (("train2017", "val2017"), "coco/images/"),
        (("train", "validation", "extra"), ""),  # what is called test is no class, whatever else there is
    ],
)
def test_train_is_read_with_the_classes_below(
    tmp_path: Path, place: str, parts: tuple[str, ...], around: str
) -> None:
    inner = ("cat/1.png", "cat/2.png", "dog/1.png")
    files = named(*(f"{around}{part}/{name}" for part in parts for name in inner))
    data = load(laid(tmp_path / place, files))
    alone = load(laid(tmp_path / "alone", dict(zip(inner, files.values(), strict=False))))
    assert torch.equal(data.values, alone.values)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 1]
    assert data.label_names == ("cat", "dog")
    assert data.files == tuple(f"{around}{parts[0]}/{name}" for name in inner)
    assert sorted(data.skipped) == sorted(
        f"{tmp_path / place}/{around}{part}: 3 images beside {parts[0]}, the part that is read"
        for part in parts[1:]
    )


@everywhere
def test_train_without_folders_has_no_classes(tmp_path: Path, place: str) -> None:
    files = named("train/1.png", "train/2.png", "test/1.png", "cover.png")
    data = load(laid(tmp_path / place, files))
    assert (len(data), data.labels, data.label_names) == (2, None, ())
    assert len(data.skipped) == 2  # the part, and the picture outside


@everywhere
def test_parts_without_train_are_refused(tmp_path: Path, place: str, refused: Refused) -> None:
    path = laid(tmp_path / place, named("val/cat/1.png", "test/cat/2.png"))
    message = refused(load, path)
    assert message.startswith(f"{path} has the parts ")
    assert message.endswith(", and none is train: give one of them alone")


@everywhere
@pytest.mark.parametrize(
    "names",
    [
        ("train/1.png", "plane/1.png"),  # vehicles
        ("test tube/1.png", "flask/1.png"),
        ("val/1.png", "pat/1.png", "dev/1.png"),  # people
        ("train/cat/1.png", "train/dog/1.png"),
    ],
)
def test_classes_are_classes(tmp_path: Path, place: str, names: tuple[str, ...]) -> None:
    data = load(laid(tmp_path / place, named(*names)))
    assert (len(data), len(data.label_names), data.skipped) == (len(names), len(names), ())


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("TRAIN", "train"),
        ("train_images", "train"),
        ("trainset", "train"),
        ("dev", "validation"),
        ("test-2", "test"),
        ("contest", None),
        ("train station", None),
        ("", None),
        ("set", None),
    ],
)
def test_what_a_name_says(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_shards_called_so(tmp_path: Path, refused: Refused) -> None:
    for number, name in enumerate(("train-000", "train-001", "val-000")):
        pack(tmp_path / "s" / f"{name}.tar", {f"{number}.png": picture(number), f"{number}.cls": b"1"})
    data = load(tmp_path / "s")
    assert len(data) == 2
    assert data.skipped == (f"{tmp_path / 's'}, validation: 1 file beside train, the part that is read",)
    for number in range(2):
        (tmp_path / "s" / f"train-00{number}.tar").rename(tmp_path / "s" / f"test-00{number}.tar")
    assert "holds the parts test, validation, and none is train" in refused(load, tmp_path / "s")


def test_the_command_line_says_what_it_leaves(tmp_path: Path) -> None:
    laid(tmp_path / "pets", named(*(f"{part}/{i}.png" for part in ("train", "test") for i in range(8))))
    _, _, err = call("baseline", "--data", tmp_path / "pets")  # too few to compare, which it says afterwards
    assert f"passed over {tmp_path / 'pets'}/test: 8 images beside train, the part that is read" in err
