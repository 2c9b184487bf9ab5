import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unstir.data import load
from unstir.data.shards import class_note

Refused = Callable[..., str]


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=(6, 5, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def truth(*seeds: int) -> torch.Tensor:
    arrays = [np.array(Image.open(io.BytesIO(picture(seed)))) for seed in seeds]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def shard(path: Path, *files: tuple[str, bytes | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files:
            item = tarfile.TarInfo(name)
            raw = content.encode() if isinstance(content, str) else content
            item.size = len(raw)
            archive.addfile(item, io.BytesIO(raw))
    return path


def test_numbers_stay_as_they_are_and_samples_in_their_order(tmp_path: Path) -> None:
    path = shard(
        tmp_path / "x.tar",
        ("b.cls", "7"), ("b.png", picture(0)), ("a.png", picture(1)), ("a.cls", "3\n"), ("a.json", "{}"),
    )  # fmt: skip
    dataset = load(path)
    assert torch.equal(dataset.values, truth(0, 1))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [7, 3]
    assert dataset.label_names == tuple(str(i) for i in range(8))


@pytest.mark.parametrize(("ending", "form"), [("cls", "{}"), ("json", '{{"label": "{}"}}'), ("txt", "{}\n")])
def test_names_of_classes(tmp_path: Path, ending: str, form: str) -> None:
    files = [
        part
        for i, name in enumerate(("eel 10", "cat", "eel 9", "cat", "eel 10", "eel 9"))
        for part in ((f"{i}.png", picture(i)), (f"{i}.{ending}", form.format(name)))
    ]
    dataset = load(shard(tmp_path / "x.tar", *files))
    assert dataset.label_names == ("cat", "eel 9", "eel 10")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [2, 0, 1, 0, 2, 1]
    assert torch.equal(dataset.values, truth(*range(6)))


def test_captions_are_no_classes(tmp_path: Path) -> None:
    files: list[tuple[str, bytes | str]] = []
    for i in range(4):
        told = json.dumps({"caption": "x"})
        files += [(f"{i}.png", picture(i)), (f"{i}.txt", f"the picture {i}"), (f"{i}.json", told)]
    dataset = load(shard(tmp_path / "x.tar", *files))
    assert torch.equal(dataset.values, truth(0, 1, 2, 3))
    assert dataset.labels is None


def test_several_shards(tmp_path: Path, refused: Refused) -> None:
    for k, name in enumerate(("s-008.tar", "s-009.tar.gz", "s-010.tar")):
        shard(tmp_path / name, ("0.png", picture(2 * k)), ("0.cls", str(k)),
              ("1.png", picture(2 * k + 1)), ("1.cls", "5"))  # fmt: skip
    dataset = load(tmp_path)
    assert torch.equal(dataset.values, truth(*range(6)))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 5, 1, 5, 2, 5]
    message = refused(load, tmp_path / "s-{008..010}.tar")
    assert f"stands for 3 files, and {tmp_path}/s-009.tar is not there: give the numbers" in message
    shard(tmp_path / "s-009.tar", ("0.png", picture(9)), ("0.cls", "1"))
    dataset = load(str(tmp_path / "s-{008..010}.tar"))
    assert torch.equal(dataset.values, truth(0, 1, 9, 4, 5))
    (tmp_path / "a0").touch()
    assert "a0 is no .tar file" in refused(load, tmp_path / "a{0..0}")


def test_shards_without_labels(tmp_path: Path) -> None:
    for k in range(2):
        shard(tmp_path / f"{k}.tar", ("b.png", picture(2 * k)), ("a.png", picture(2 * k + 1)))
    dataset = load(tmp_path)
    assert torch.equal(dataset.values, truth(1, 0, 3, 2))
    assert dataset.labels is None


def test_samples_without_a_class(tmp_path: Path, refused: Refused) -> None:
    path = shard(
        tmp_path / "x.tar",
        ("a/0.png", picture(0)), ("a/0.cls", "1"), ("a/1.png", picture(1)), ("a/2.png", picture(2)),
        ("b/2.cls", "1"),
    )  # fmt: skip
    message = refused(load, path)
    assert "cannot read 2 of 3 images: a/1.png (no class beside it in .cls), a/2.png (no class" in message
    dataset = load(path, skip_bad=True)
    assert torch.equal(dataset.values, truth(0))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [1]


def test_classes_out_of_range(tmp_path: Path, refused: Refused) -> None:
    for text in ("-1", "100000"):
        path = shard(tmp_path / "x.tar", ("a.png", picture(0)), ("a.cls", text))
        assert f"hold {text}: class numbers lie from 0" in refused(load, path)


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a pickle was opened",))


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    trap = pickle.dumps(Trap())
    names = ("0.pyd", "0.pickle", "0.pkl", "0.pth", "0.npy", "0.cls.pyd")
    path = shard(tmp_path / "x.tar", ("0.png", picture(0)), ("0.cls", "1"), *((name, trap) for name in names))
    assert torch.equal(load(path).values, truth(0))


def test_the_first_picture_of_a_sample(tmp_path: Path) -> None:
    path = shard(
        tmp_path / "x.tar",
        ("0.seg.png", picture(5)), ("0.png", picture(0)), ("0.jpg", b"no"), ("0.cls", "0"), (".x.png", b"no"),
    )  # fmt: skip
    assert torch.equal(load(path).values, truth(0))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.cls", b" 12\n", 12), ("a.cls", b"\xef\xbb\xbfcat", "cat"), ("a.txt", b"", None),
        ("a.cls", b"\xff\xfe", None), ("a.cls", b"x" * 201, None), ("a.cls", b"two\nlines", None),
        ("a.json", b"3", 3), ("a.json", b'{"class": 4}', 4), ("a.json", b'{"label": true}', None),
        ("a.json", b'{"label": 1.5}', None), ("a.json", b"{", None), ("a.json", b"[" * 60000, None),
        ("a.cls", b"9" * 5000, None),
    ],
)  # fmt: skip
def test_what_a_note_says(name: str, content: bytes, found: object) -> None:
    assert class_note(name, content) == found
