from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from unstir.data import Dataset, limits, load

Refused = Callable[..., str]

DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(256, size=(60, 9, 10, 3), dtype=np.uint8)
NUMBERS = DRAW.standard_normal((500, 7)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.data.mapped._PART", 2000)


def both(path: Path, array: np.ndarray, monkeypatch: pytest.MonkeyPatch, memory: int) -> Dataset:
    """The data set where the machine has `memory` bytes, equal to the one read in full."""
    np.save(path, array)
    full = load(path)
    with monkeypatch.context() as patch:
        patch.setattr(limits, "physical_memory", lambda: memory)
        small = load(path)
    assert small.values.dtype == full.values.dtype
    assert torch.equal(small.values, full.values)
    assert (small.kind, small.shape, small.columns) == (full.kind, full.shape, full.columns)
    return small


READY = {
    "last": PIXELS,
    "grey": PIXELS[..., 0].copy(),
    "one": PIXELS[..., :1].copy(),
    "first": PIXELS.transpose(0, 3, 1, 2).copy(),
    "table": NUMBERS,
    "signal": NUMBERS.reshape(50, 10, 7) * 9,
}
UNREADY = {
    "floats": (PIXELS / 255).astype(np.float32),
    "integers": PIXELS.astype(np.int64),
    "booleans": PIXELS[..., 0] > 100,
    "doubles": NUMBERS.astype(np.float64),
    "columns": np.asfortranarray(NUMBERS),
    "other bytes": NUMBERS.astype(">f4"),
}


@pytest.mark.parametrize("name", READY)
def test_what_needs_no_work_stays_on_disk(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    small = both(path, READY[name], monkeypatch, 100)
    # The values are those of the file: what changes there changes them.
    content = np.load(path, mmap_mode="r+")
    content[3] = 1
    content.flush()
    assert (small.values[3] == 1).all()


@pytest.mark.parametrize("name", UNREADY)
def test_what_needs_work_is_converted_where_it_fits(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    path, array = tmp_path / "x.npy", UNREADY[name]
    image = array.ndim > 2
    size = array.size * (1 if image else 4)
    if array.nbytes > size:
        both(path, array, monkeypatch, 4 * size)
    np.save(path, array)
    monkeypatch.setattr(limits, "physical_memory", lambda: 100)
    wanted = "uint8" if image else "float32"
    assert f"of memory: save it as {wanted} with np.save, and it stays on disk" in refused(load, path)


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
    assert "is no whole .npy array of numbers (the magic string is not correct" in refused(load, path)
    np.save(path, np.float32(3))
    path.write_bytes(path.read_bytes() + bytes(500))
    assert str(path) in refused(load, path)
