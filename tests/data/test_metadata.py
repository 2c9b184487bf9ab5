"""Files of metadata beside images: the classes they tell, and what is said of those that tell none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.packing import laid, pack, picture

from unstir.data import load
from unstir.data.apart import check_apart

Refused = Callable[..., str]

PLACES = ["f", "x.zip", "x.tar", "x.tgz"]
everywhere = pytest.mark.parametrize("place", PLACES)


def with_images(*names: str, **files: str) -> dict[str, bytes]:
    images = {name: picture(i) for i, name in enumerate(names)}
    return images | {name.replace("__", "/"): text.encode() for name, text in files.items()}


ROWS = [("1.png", "dog"), ("2.png", "cat"), ("more/3.png", "dog")]
TEXTS = {
    "metadata.csv": "\ufefffile_name,label\r\n" + "".join(f"{name},{label}\r\n" for name, label in ROWS),
    "Metadata.CSV": 'caption,class,file_name\n"a, b",dog,1.png\n,cat,./2.png\nx,dog,more/3.png\n',
    "metadata.jsonl": "\n".join(json.dumps({"file_name": name, "label": label}) for name, label in ROWS)
    + "\n\n",
}


@everywhere
@pytest.mark.parametrize("name", TEXTS)
def test_it_tells_the_classes(tmp_path: Path, place: str, name: str) -> None:
    files = with_images("1.png", "2.png", "more/3.png") | {name: TEXTS[name].encode()}
    data = load(laid(tmp_path / place, files))
    assert data.labels is not None
    assert (data.labels.tolist(), data.label_names, data.skipped) == ([1, 0, 1], ("cat", "dog"), ())


@everywhere
def test_it_comes_before_folders_and_numbers_stay(tmp_path: Path, place: str) -> None:
    text = "file_name,label\na/1.png,3\nb/1.png,0\ngone.png,7\n"
    data = load(laid(tmp_path / place, with_images("a/1.png", "b/1.png", **{"metadata.csv": text})))
    assert data.labels is not None
    assert (data.labels.tolist(), data.label_names) == ([3, 0], ("0", "1", "2", "3"))


@everywhere
def test_one_for_each_part_or_one_for_all(tmp_path: Path, place: str) -> None:
    images = ("train/1.png", "train/2.png", "test/1.png")
    own = {"train__metadata.csv": "file_name,label\n1.png,a\n2.png,b\n",
           "test__metadata.csv": "file_name,label\n1.png,c\n"}  # fmt: skip
    common = {"metadata.csv": "file_name,label\ntrain/1.png,a\ntrain/2.png,b\ntest/1.png,c\n"}
    for number, texts in enumerate((own, common)):
        data = load(laid(tmp_path / f"{number}{place}", with_images(*images, **texts)))
        assert data.labels is not None
        assert (data.labels.tolist(), data.label_names) == ([0, 1], ("a", "b"))
        assert [line.split(": ")[1] for line in data.skipped] == [
            "1 image beside train, the part that is read"
        ]


@everywhere
def test_images_without_a_class_are_named(tmp_path: Path, place: str, refused: Refused) -> None:
    text = "file_name,label\n1.png,a\n2.png,\n4.png,-1\n"
    path = laid(tmp_path / place, with_images("1.png", "2.png", "3.png", "4.png", **{"metadata.csv": text}))
    message = refused(load, path)
    assert "cannot read 3 of 4 images: 2.png (no class in the metadata beside it), 3.png (" in message
    data = load(path, skip_bad=True)
    assert (len(data), data.label_names) == (1, ("a",))


@everywhere
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("file_name,text\na/1.png,a cat\n", "it has no column of classes (label, labels, class, cls, y)"),
        ("image,label\na/1.png,cat\n", "it has no column file_name"),
        ("file_name,label\nother.png,cat\n", "none of its file_name is an image here that has a label"),
        ("", "none of its file_name is an image here that has a label"),
    ],
)
def test_it_is_passed_over_in_a_line(tmp_path: Path, place: str, text: str, why: str) -> None:
    path = laid(tmp_path / place, with_images("a/1.png", "b/1.png", **{"metadata.csv": text}))
    data = load(path)
    assert data.label_names == ("a", "b")
    assert data.skipped == (f"{path}/metadata.csv: {why}",)


def test_damaged_ones_are_passed_over(tmp_path: Path) -> None:
    for number, (name, content) in enumerate(
        [
            ("metadata.csv", b"file_name,label\n\xff.png,1\n"),
            ("metadata.csv", b'file_name,label\n"' + b"x" * 200_000),
            ("metadata.jsonl", b'{"file_name": "1.png"'),
            ("metadata.jsonl", b"[1]"),
            ("metadata.jsonl", b"[" * 100_000),
            ("metadata.parquet", b"PAR1"),
        ]
    ):
        path = laid(tmp_path / str(number), with_images("1.png", "2.png") | {name: content})
        data = load(path)
        assert (len(data), data.labels, len(data.skipped)) == (2, None, 1)
        assert data.skipped[0].startswith(f"{path}/{name}: ")
        assert data.skipped[0].isprintable()


def test_numbers_that_are_no_classes(tmp_path: Path, refused: Refused) -> None:
    path = laid(tmp_path / "f", with_images("1.png", **{"metadata.csv": "file_name,y\n1.png,123456\n"}))
    assert refused(load, path).startswith(
        f"{path}: the classes in its metadata hold 123456: class numbers lie from 0"
    )


def test_of_several_archives_it_is_not_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pack(
            tmp_path / f"{name}.tar",
            with_images(f"{name}.png", **{"metadata.csv": f"file_name,label\n{name}.png,1\n"}),
        )
    data = load(tmp_path)
    assert (len(data), data.labels) == (2, None)
    assert data.skipped == (f"{tmp_path}/metadata.csv: is read of a lone archive, not of several",)


def test_nothing_is_written_that_would_be_taken_for_it(tmp_path: Path, refused: Refused) -> None:
    laid(tmp_path / "f", with_images("1.png"))
    assert "lies in" in refused(check_apart, tmp_path / "f" / "metadata.csv", [str(tmp_path / "f")])
    check_apart(tmp_path / "f" / "table.csv", [str(tmp_path / "f")])
