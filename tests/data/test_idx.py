import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unstir.data.idx import is_idx, labels_beside, read_idx

Refused = Callable[..., str]

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def encode(array: np.ndarray, dtype: str = "u1") -> bytes:
    axes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, CODES[dtype], array.ndim]) + axes + array.astype(dtype).tobytes()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content, 1, mtime=0) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
    ],
)
def test_mnist_with_its_labels(tmp_path: Path, images: str, labels: str) -> None:
    path = write(tmp_path / images, encode(IMAGES))
    assert is_idx(path)
    assert labels_beside(path) is None
    assert read_idx(path, "bare").labels is None
    write(tmp_path / labels, encode(np.array([7, 0, 2])))
    dataset = read_idx(path, "mnist")
    assert np.array_equal(dataset.values[:, 0].numpy(), IMAGES)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [7, 0, 2]


def test_the_bytes_of_mnist(tmp_path: Path) -> None:
    # The format's own description: magic 0x00000803, then counts of images, rows and columns.
    content = bytes.fromhex("00000803 00000001 00000002 00000003".replace(" ", "")) + bytes(
        [0, 50, 100, 150, 200, 250]
    )
    dataset = read_idx(write(tmp_path / "a-idx3-ubyte", content), "a")
    assert dataset.values.tolist() == [[[[0, 50, 100], [150, 200, 250]]]]


@pytest.mark.parametrize("dtype", list(CODES))
def test_tables_of_every_type(tmp_path: Path, dtype: str) -> None:
    table = np.array([[1, 2, 3], [4, 5, 100]])
    path = write(tmp_path / "x.idx", encode(table, dtype))
    assert read_idx(path, "x").values.tolist() == table.tolist()


def test_names() -> None:
    yes = ["train-images-idx3-ubyte", "X-IDX3-UBYTE.GZ", "x.idx", "x.idx.gz", "x.idx2-ubyte", "x-idx1-byte"]
    no = ["x.gz", "x.csv.gz", "idx.npz", "x"]
    assert all(is_idx(Path(name)) for name in yes)
    assert not any(is_idx(Path(name)) for name in no)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "starts with 0x, no idx file"),
        (b"GIF89a", "starts with 0x47494638, no idx file (0x00000803 for images)"),
        (b"\0\0\x07\x03", "starts with 0x00000703"),
        (b"\0\0\x08\x00", "starts with 0x00000800"),
        (encode(IMAGES)[:9], "is cut short within its header"),
        (encode(IMAGES)[:-1], "its header promises 60 bytes and fewer follow"),
        (encode(IMAGES) + b"!", "holds more than the 60 bytes its header promises"),
        (encode(np.array([1, 2, 3])), "holds one axis of 3 numbers, as labels do: give the images file"),
    ],
)
def test_damage(tmp_path: Path, refused: Refused, ending: str, content: bytes, words: str) -> None:
    path = write(tmp_path / f"x-idx3-ubyte{ending}", content)
    message = refused(read_idx, path, "x")
    assert message.startswith(str(path))
    assert words in message


def test_a_promise_of_exabytes_takes_no_memory(tmp_path: Path, refused: Refused) -> None:
    content = bytes([0, 0, 0x0E, 3]) + b"\xff" * 12 + bytes(100)
    plain = write(tmp_path / "x-idx3-ubyte", content)
    assert "cut short: its header promises" in refused(read_idx, plain, "x")
    packed = write(tmp_path / "y-idx3-ubyte.gz", content)
    assert "decompression bombs do: if you trust it, unpack it with gunzip" in refused(read_idx, packed, "y")


def test_a_bomb_is_read_no_further_than_promised(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "x-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(encode(IMAGES) + bytes(2**24), mtime=0))
    assert "holds more than the 60 bytes" in refused(read_idx, path, "x")


def test_an_honest_looking_bomb(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.data.limits.FREE_EXPANSION", 2**16)
    path = write(tmp_path / "x-idx3-ubyte.gz", encode(np.zeros((100, 100, 100), np.uint8)))
    assert "would grow from" in refused(read_idx, path, "x")


def test_damaged_gzip(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "x-idx3-ubyte.gz"
    whole = gzip.compress(encode(IMAGES), mtime=0)
    path.write_bytes(encode(IMAGES))
    assert "cannot be read (Not a gzipped file" in refused(read_idx, path, "x")
    path.write_bytes(whole[:-20])
    assert "cannot be read" in refused(read_idx, path, "x")
    flipped = bytearray(whole)
    flipped[-6] ^= 1
    path.write_bytes(flipped)
    assert "CRC check failed" in refused(read_idx, path, "x")


def test_labels_that_do_not_fit(tmp_path: Path, refused: Refused) -> None:
    path = write(tmp_path / "train-images-idx3-ubyte", encode(IMAGES))
    beside = write(tmp_path / "train-labels-idx1-ubyte", encode(np.array([1, 2])))
    assert f"labels in {beside} have shape (2,) for 3 items" in refused(read_idx, path, "x")
    beside.write_bytes(b"junk")
    assert f"{beside} starts with 0x6a756e6b" in refused(read_idx, path, "x")
