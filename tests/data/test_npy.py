import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unstir.data import limits, load, npy
from unstir.data.npy import read_npy, read_npz

Refused = Callable[..., str]

IMAGES = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
TABLE = np.array([[1.5, -2.0], [0.25, 1e6], [3.0, 4.0]])


def header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_npy_of_both_versions(tmp_path: Path, version: tuple[int, int]) -> None:
    path = tmp_path / "x.npy"
    with path.open("wb") as stream:
        np.lib.format.write_array(stream, np.asfortranarray(TABLE.astype(">f8")), version=version)
    dataset = read_npy(path, "mine")
    assert np.array_equal(dataset.values.numpy(), TABLE.astype(np.float32))
    assert (dataset.name, dataset.kind) == ("mine", "table")


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("key", ["samples", "images", "x", "data", "whatever"])
@pytest.mark.parametrize("label", ["labels", "label", "y"])
def test_npz_names(tmp_path: Path, write: Callable[..., None], key: str, label: str) -> None:
    path = tmp_path / "x.npz"
    write(path, **{key: IMAGES, label: np.array([4, 0])})
    dataset = read_npz(path, "x.npz")
    assert np.array_equal(dataset.values[:, 0].numpy(), IMAGES)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [4, 0]


@pytest.mark.parametrize(
    ("x", "y"), [("x_train", "y_train"), ("X_train", "Y_train"), ("train_images", "train_labels")]
)
def test_npz_of_parts(tmp_path: Path, x: str, y: str) -> None:
    """As Keras and MedMNIST have them: for training, for testing."""
    path, test = tmp_path / "mnist.npz", {key.replace("rain", "est"): key for key in (x, y)}
    labels = np.array([[4], [0]], np.uint8)
    np.savez(path, **{x: IMAGES, y: labels}, **{key: np.zeros(5) for key in test}, note=np.zeros(3))
    dataset = read_npz(path, "m")
    assert np.array_equal(dataset.values[:, 0].numpy(), IMAGES)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [4, 0]
    assert dataset.skipped == tuple(
        f"{path}, array '{key}': beside {x}, the part that is read" for key in test
    )
    np.savez(path, **{x: IMAGES})
    assert read_npz(path, "m").labels is None


def test_samples_come_first_and_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, data=TABLE, samples=IMAGES, note=np.array([{"an": "object"}]))
    assert read_npz(path, "x").kind == "image"


def test_npz_that_does_not_say_which(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=TABLE, b=TABLE)
    message = refused(read_npz, path, "x")
    assert message.startswith(
        f"{path} holds 'a', 'b': name the array of data one of samples, images, signals, x, data"
    )
    np.savez(path, y=TABLE)
    assert "holds 'y': name" in refused(read_npz, path, "x")


def test_labels_of_another_length(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=TABLE, labels=np.zeros(2, int))
    assert f"{path}, array 'labels', have shape (2,) for 3 items" in refused(read_npz, path, "x")


def test_objects_are_never_unpickled(tmp_path: Path, refused: Refused) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "exploded",)

    array = np.array([[Bomb()]])
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=array)
    assert "x.npy holds Python objects, which are never unpickled" in refused(
        read_npy, tmp_path / "x.npy", "x"
    )
    assert "array 'x' holds Python objects" in refused(read_npz, tmp_path / "x.npz", "x")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("shape", [(10**9, 10**9), (2**62, 2**62), (3, 2)])
def test_headers_that_promise_more_than_there_is(
    tmp_path: Path, refused: Refused, shape: tuple[int, ...]
) -> None:
    content = header(shape) + bytes(16)
    (tmp_path / "x.npy").write_bytes(content)
    message = refused(read_npy, tmp_path / "x.npy", "x")
    assert "x.npy is cut short: its header promises" in message
    assert "16 bytes follow" in message
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    assert "array 'x' is cut short" in refused(read_npz, tmp_path / "x.npz", "x")


def test_headers_of_less_than_nothing(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "x.npy").write_bytes(header((-1, 2)) + bytes(16))
    assert "shape (-1, 2) in its header" in refused(read_npy, tmp_path / "x.npy", "x")


def test_bytes_after_the_array_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(header((1, 2)) + np.array([1.0, 2.0]).tobytes() + b"more")
    assert read_npy(tmp_path / "x.npy", "x").values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"not numpy at all",
        b"\x93NUMPY\x01\x00\xff\xff{",
        header((2,))[:-5],
        b"\x93NUMPY\x01\x00\x04\x00{[]:",
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 5000) + b"(" * 5000,
        b"\x93NUMPY\x09\x00" + bytes(100),
        header((1, 2), "V16") + bytes(32),
    ],
)
def test_what_is_no_array(tmp_path: Path, refused: Refused, content: bytes) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    assert refused(read_npy, path, "x").startswith(str(path))


def test_records_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "x.npy"
    records = np.zeros((2, 2), dtype=[("λ", "f4")])
    with pytest.warns(UserWarning, match="3.0"):
        np.save(path, records)
    assert "holds records: save a plain array" in refused(read_npy, path, "x")


def test_a_bomb_is_refused_before_it_grows(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.zeros((1000, 1000)))
    assert len(read_npz(path, "x")) == 1000  # small enough to be let through
    monkeypatch.setattr("unstir.data.limits.FREE_EXPANSION", 2**20)
    monkeypatch.setattr(npy, "_read", lambda *_: pytest.fail("it was unpacked"))
    message = refused(read_npz, path, "x")
    assert "would grow from" in message
    assert "decompression bombs do: if you trust it, write it uncompressed with np.savez" in message


def test_a_flipped_bit_is_noticed(tmp_path: Path, refused: Refused) -> None:
    stream = io.BytesIO()
    np.savez(stream, x=TABLE)
    content = bytearray(stream.getvalue())
    content[content.index(TABLE.tobytes())] ^= 1
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    message = refused(read_npz, path, "x")
    assert message.startswith(f"{path} is no whole .npz file (Bad CRC-32")
    assert message.endswith("write it again with np.savez")


def test_a_cut_zip_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=TABLE)
    path.write_bytes(path.read_bytes()[:-30])
    assert f"{path} is no whole .npz file" in refused(read_npz, path, "x")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("letter", [0x110000, 0xFFFFFFFF, 0xD800])
def test_text_that_is_none_is_refused(tmp_path: Path, refused: Refused, order: str, letter: int) -> None:
    """NumPy makes strings of it that Python itself breaks on."""
    stream = io.BytesIO()
    np.save(stream, np.array(["cat", "dog"], dtype=f"{order}U3"))
    names = np.array([[0x63, 0x61, letter], [0x64, 0x6F, 0x67]], dtype=f"{order}u4").tobytes()
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("labels.npy", stream.getvalue()[:-24] + names)
        stream = io.BytesIO()
        np.save(stream, IMAGES)
        archive.writestr("x.npy", stream.getvalue())
    message = refused(read_npz, tmp_path / "x.npz", "x")
    assert f"array 'labels' holds text with the letter 0x{letter:x}, which is none" in message


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_bare_array_is_read_or_refused(tmp_path: Path, refused: Refused, name: str) -> None:
    path, values = tmp_path / name, np.arange(24.0).reshape(1, 2, 3, 4)
    if name == "x.npy":
        np.save(path, values)
    else:
        np.savez(path, other=values + 1, observed=values)
        assert np.array_equal(npy.read_bare(path), values + 1)
    assert np.array_equal(npy.read_bare(path, "observed"), values)
    whole = path.read_bytes()
    for content in (b"", whole[:50], b"PK\x03\x04" + bytes(30), whole[:-60]):
        path.write_bytes(content)
        assert str(path) in refused(npy.read_bare, path, "observed")


@pytest.mark.parametrize("memory", [None, 100])
def test_labels_beside_an_npy(
    tmp_path: Path, memory: int | None, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    path, beside = tmp_path / "x.npy", tmp_path / "x-labels.npy"
    np.save(path, np.arange(40 * 20, dtype=np.uint8).reshape(40, 4, 5))
    assert load(path).labels is None
    if memory is not None:
        monkeypatch.setattr(limits, "physical_memory", lambda: 800)  # the images stay on disk, labels fit
    np.save(beside, np.arange(40, dtype=np.uint8)[:, None] % 3)
    found = load(path)
    assert found.labels is not None
    assert found.labels.tolist() == [i % 3 for i in range(40)]
    assert found.label_names == ("0", "1", "2")
    np.save(beside, np.array(["no", "yes"] * 20))
    assert load(path).label_names == ("no", "yes")
    np.save(beside, np.arange(39))
    said = refused(load, path)
    assert "x-labels.npy have shape (39,) for 40 items: give one label per item" in said
    beside.write_bytes(b"hello")
    assert "x-labels.npy is no whole .npy array" in refused(load, path)
