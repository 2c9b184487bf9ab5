"""The kind `signal`: how it is told, coded, written and read back."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unstir.data import Bins, Dataset, coder_from_dict, load, save_samples, usual_coder
from unstir.data.channels import Channels
from unstir.data.curves import curves_bytes
from unstir.data.save import check_target
from unstir.errors import InputError

Refused = Callable[..., str]


def wave(*shape: int, low: float = -1, high: float = 1) -> np.ndarray:
    values = np.random.default_rng(0).random(shape)
    return (low + (high - low) * values).astype(np.float32)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (wave(4, 2, 9), "signal"),
        (wave(4, 9, 2), "signal"),
        (wave(4, 1, 9, low=0), "signal"),  # an image one pixel high is none
        (wave(4, 2, 9, low=0), "image"),  # as ever
        (wave(4, 9, 9, low=0), "image"),
        ((255 * wave(4, 2, 9, low=0)).astype(np.uint8), "image"),
        (wave(4, 2, 9, low=0) > 0.5, "image"),
        (wave(4, 9), "table"),
    ],
)
def test_what_three_axes_mean(array: np.ndarray, kind: str) -> None:
    for source in (array, torch.from_numpy(array)):
        dataset = load(source)
        assert dataset.kind == kind
        if kind == "signal":
            assert dataset.values.dtype == torch.float32
            assert np.array_equal(dataset.values.numpy(), array)


def test_square_floats_beyond_one_are_not_guessed(refused: Refused) -> None:
    assert 'for signals save an .npz with kind="signal"' in refused(load, wave(4, 9, 9))


def test_a_value_that_is_not_finite_is_named(refused: Refused) -> None:
    array = wave(4, 2, 9)
    array[1, 0, 7] = np.nan
    assert "nan at index [1, 0, 7]: 1 value is not finite" in refused(load, array)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (wave(4, 9, 9), "signal"),
        (wave(4, 2, 9, low=0), "signal"),
        (np.arange(24).reshape(2, 3, 4), "signal"),
        (wave(4, 1, 9, low=0), "image"),
    ],
)
def test_an_npz_may_say_its_kind(tmp_path: Path, array: np.ndarray, kind: str) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, waves=array, kind=kind, labels=np.arange(len(array)))
    dataset = load(path)
    assert dataset.kind == kind
    assert dataset.labels is not None
    if kind == "signal":
        assert np.array_equal(dataset.values.numpy(), array.astype(np.float32))


@pytest.mark.parametrize(
    ("array", "kind", "words"),
    [
        (wave(4, 9), "signal", "shape (4, 9), and that is no signal: give"),
        (wave(4, 2, 9), "table", "shape (4, 2, 9), and that is no table: give"),
        (wave(4, 2, 9), "sound", "is of the kind 'sound': give image, table, signal"),
        (wave(4, 2, 9), 3, "array 'kind', is no text: give image, table or signal"),
    ],
)
def test_a_kind_that_does_not_fit_is_refused(
    tmp_path: Path, array: np.ndarray, kind: object, words: str, refused: Refused
) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, samples=array, kind=np.asarray(kind))
    assert words in refused(load, path)


def test_each_channel_has_its_own_scale() -> None:
    values = torch.randn(50, 3, 20, generator=torch.Generator().manual_seed(0))
    values = values * torch.tensor([1e-3, 1.0, 1e4])[:, None] + torch.tensor([5.0, 0.0, -1e5])[:, None]
    data = Dataset("waves", "signal", values)
    coder = usual_coder(data)
    assert isinstance(coder, Channels)
    x = coder.to_model(data.values)
    deviation, mean = torch.std_mean(x.double(), (0, 2), correction=0)
    torch.testing.assert_close(mean, torch.zeros(3).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(deviation, torch.full((3,), 0.5).double(), rtol=1e-5, atol=0)
    # Affine within a channel: the shape of a signal is kept.
    for c in range(3):
        assert abs(float(torch.corrcoef(torch.stack([x[0, c], values[0, c]]))[0, 1]) - 1) < 1e-4
    torch.testing.assert_close(coder.to_data(x), values, rtol=1e-5, atol=1e-6)
    assert coder_from_dict(coder.to_dict()) == coder
    assert (coder.holds, coder.model_shape((3, 7))) == ("signal", (3, 7))
    with pytest.raises(InputError, match="knows 3 channels"):
        coder.model_shape((2, 7))


def test_coins_refuse_signals(refused: Refused) -> None:
    assert "coins take images, tables and text" in refused(Bins.fit, load(wave(4, 2, 9)), 4)


@pytest.mark.parametrize("low", [-1, 0])  # of which those from 0 would otherwise be images
def test_samples_come_back_as_signals(tmp_path: Path, low: float) -> None:
    values, labels = torch.from_numpy(wave(5, 4, 4, low=low)), torch.tensor([0, 1, 2, 0, 1])
    path = save_samples(tmp_path / "x.npz", values, labels)
    with np.load(path) as arrays:
        assert sorted(arrays) == ["kind", "labels", "samples"]
    dataset = load(path)
    assert dataset.kind == "signal"
    assert torch.equal(dataset.values, values)
    assert dataset.labels is not None
    assert torch.equal(dataset.labels, labels)


@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x.parquet", "folder"])
def test_other_files_hold_no_signals(tmp_path: Path, name: str, refused: Refused) -> None:
    assert "signals: give .npz" in refused(check_target, tmp_path / name, (4, 2, 9), kind="signal")


def test_a_picture_shows_every_signal(tmp_path: Path) -> None:
    values = torch.zeros(3, 1, 50)
    flat = Image.open(io.BytesIO(curves_bytes(values))).convert("L")
    values[1, 0, 25] = 1.0
    step = Image.open(io.BytesIO(curves_bytes(values))).convert("L")
    assert flat.size == step.size
    assert flat.tobytes() != step.tobytes()
    path = save_samples(tmp_path / "x.png", values)
    assert path.read_bytes() == curves_bytes(values)  # the same every time
    values[2, 0, :] = torch.inf  # diverged: the others are still shown
    assert Image.open(io.BytesIO(curves_bytes(values))).size == flat.size
    assert Image.open(io.BytesIO(curves_bytes(torch.randn(20, 2, 9)))).size == (960, 624)
