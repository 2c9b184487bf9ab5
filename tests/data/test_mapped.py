from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from unstir.data import limits, load

Refused = Callable[..., str]

DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(256, size=(60, 9, 10, 3), dtype=np.uint8)
NUMBERS = DRAW.standard_normal((500, 7)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.data.mapped._PART", 2000)


def both(
    tmp_path: Path, array: np.ndarray, monkeypatch: pytest.MonkeyPatch, memory: int
) -> tuple[object, ...]:
    """The data set read in full, and where the machine has `memory` bytes."""
    path = tmp_path / "x.npy"
    np.save(path, array)
    full = load(path)
    with monkeypatch.context() as patch:
        patch.setattr(limits, "physical_memory", lambda: memory)
        small = load(path)
    assert small.values.dtype == full.values.dtype
    assert torch.equal(small.values, full.values)
    assert (small.kind, small.shape, small.columns) == (full.kind, full.shape, full.columns)
    return path, small


@pytest.mark.parametrize(
    "array",
    [
        PIXELS,
        PIXELS[..., 0],
        PIXELS[..., :1],
        PIXELS.transpose(0, 3, 1, 2),
        NUMBERS,
        NUMBERS.reshape(50, 10, 7) * 9,
    ],
    ids=["last", "grey", "one", "first", "table", "signal"],
)
def test_what_needs_no_work_stays_on_disk(
    tmp_path: Path, array: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, small = both(tmp_path, np.ascontiguousarray(array), monkeypatch, 100)
    # The values are those of the file: what changes there changes them.
    content = np.load(path, mmap_mode="r+")
    content[3] = 1
    content.flush()
    assert (small.values[3] == 1).all()


@pytest.mark.parametrize(
    "array",
    [
        (PIXELS / 255).astype(np.float32), PIXELS.astype(np.int64), PIXELS[..., 0] > 100, NUMBERS.astype(np.float64),
        np.asfortranarray(NUMBERS), NUMBERS.astype(">f4"),
    ],
    ids=["floats", "integers", "booleans", "doubles", "columns", "other bytes"],
)  # fmt: skip
def test_what_needs_work_is_converted_where_it_fits(
    tmp_path: Path, array: np.ndarray, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    size = PIXELS.nbytes if array.ndim > 2 else NUMBERS.nbytes
    if array.nbytes > size:
        both(tmp_path, array, monkeypatch, 4 * size)
    np.save(tmp_path / "x.npy", array)
    monkeypatch.setattr(limits, "physical_memory", lambda: 100)
    kind = "uint8" if array.ndim > 2 else "float32"
    assert f"of memory: save it as {kind} with np.save, and it stays on disk" in refused(
        load, tmp_path / "x.npy"
    )


def test_rows_that_are_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    bad = NUMBERS.copy()
    bad[321, 2] = np.nan
    np.save(tmp_path / "x.npy", bad)
    monkeypatch.setattr(limits, "physical_memory", lambda: 100)
    assert "holds a number that is not finite in row 322" in refused(load, tmp_path / "x.npy")


def test_pixels_out_of_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    bad = PIXELS.astype(np.int16)
    bad[50, 2, 2, 2] = 300
    np.save(tmp_path / "x.npy", bad)
    monkeypatch.setattr(limits, "physical_memory", lambda: 4 * PIXELS.nbytes)
    assert "300: give pixels as uint8 from 0 to 255" in refused(load, tmp_path / "x.npy")


def test_damaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    path = tmp_path / "x.npy"
    np.save(path, NUMBERS)
    whole = path.read_bytes()
    monkeypatch.setattr(limits, "physical_memory", lambda: 100)
    for content in (whole[:-1], whole[:600], b"hello" * 200, whole.replace(b"(500, 7)", b"(-50,7)")):
        path.write_bytes(content)
        assert str(path) in refused(load, path)
    np.save(path, np.array([{}] * 200, dtype=object), allow_pickle=True)
    assert "is no whole .npy array of numbers" in refused(load, path)
    with path.open("wb") as stream:
        np.savez(stream, x=NUMBERS)
    assert "holds several arrays: call it .npz" in refused(load, path)
    np.save(path, np.float32(3))
    path.write_bytes(path.read_bytes() + bytes(500))
    assert str(path) in refused(load, path)
