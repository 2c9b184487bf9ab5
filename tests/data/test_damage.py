"""Whatever is done to a file, it is read or refused in one line; nothing else escapes."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unstir.data import load, save_samples
from unstir.data.builtin import make
from unstir.errors import InputError

ROUNDS = 25


def write(folder: Path, name: str) -> Path:
    """A small whole file of each format."""
    path = folder / name
    points = make("gaussians8").values[:20]
    pixels = np.random.default_rng(0).integers(256, size=(6, 5, 3), dtype=np.uint8)
    if name in ("x.npz", "x.csv", "x.parquet"):
        return save_samples(path, points, columns=("a", "b"))
    if name in ("x.zip", "x.tar", "x.tar.gz"):
        return pack(path, [Image.fromarray(pixels + i) for i in range(6)])
    if name == "x.npy":
        np.save(path, points.numpy())
    elif name.startswith("x-idx"):
        content = bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 5, 0, 0, 0, 3]) + pixels.tobytes()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    else:
        Image.fromarray(pixels).save(path)
    return path


def pack(path: Path, pictures: list[Image.Image]) -> Path:
    """An archive of images."""
    files = {}
    for i, picture in enumerate(pictures):
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        files[f"c{i % 2}/{i}.png"] = stream.getvalue()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return path


FILES = [
    "x.npz", "x.npy", "x.csv", "x.parquet", "x-idx3-ubyte", "x-idx3-ubyte.gz",
    "x.zip", "x.tar", "x.tar.gz",
    "x.png", "x.jpg", "x.bmp", "x.gif", "x.webp", "x.tif",
]  # fmt: skip


def flip(content: bytearray, draw: np.random.Generator) -> bytes:
    for i in draw.integers(len(content), size=draw.integers(1, 5)):
        content[i] = draw.integers(256)
    return bytes(content)


def flip_head(content: bytearray, draw: np.random.Generator) -> bytes:
    return flip(content[:100], draw) + bytes(content[100:])


def cut(content: bytearray, draw: np.random.Generator) -> bytes:
    return bytes(content[: draw.integers(len(content))])


def drop(content: bytearray, draw: np.random.Generator) -> bytes:
    start, stop = sorted(draw.integers(len(content), size=2))
    return bytes(content[:start] + content[stop:])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [flip, flip_head, cut, drop])
def test_damaged_files(
    tmp_path: Path, name: str, damage: Callable[[bytearray, np.random.Generator], bytes]
) -> None:
    path = write(tmp_path, name)
    image = path.suffix in (".png", ".jpg", ".bmp", ".gif", ".webp", ".tif")
    whole = path.read_bytes()
    draw = np.random.default_rng(1)
    messages = []
    assert len(load(tmp_path if image else path)) in (1, 6, 20)
    for _ in range(ROUNDS):
        path.write_bytes(damage(bytearray(whole), draw))
        try:
            dataset = load(tmp_path if image else path)
        except InputError as error:
            messages.append(str(error))
        else:
            assert dataset.values.isfinite().all()
    assert messages
    assert all(message.isprintable() and str(tmp_path) in message for message in messages)
