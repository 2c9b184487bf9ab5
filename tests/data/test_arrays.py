from collections.abc import Callable

import numpy as np
import pytest
import torch

from unstir.data.arrays import from_array, from_tensor
from unstir.data.dataset import Dataset

Refused = Callable[..., str]


def read(array: np.ndarray, **options: object) -> Dataset:
    return from_array(array, "name", what="x.npy", **options)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 4, 7), None),
        ((5, 1, 4, 7), None),
        ((5, 3, 4, 7), None),
        ((5, 4, 7, 1), (0, 3, 1, 2)),
        ((5, 4, 7, 3), (0, 3, 1, 2)),
    ],
)
def test_shapes_of_images(shape: tuple[int, ...], axes: tuple[int, ...] | None) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    dataset = read(array)
    truth = array[:, None] if array.ndim == 3 else array.transpose(axes) if axes else array
    assert dataset.kind == "image"
    assert dataset.values.dtype == torch.uint8
    assert dataset.values.is_contiguous()
    assert np.array_equal(dataset.values.numpy(), truth)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_that_were_bytes_come_back_as_them(dtype: np.dtype) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert np.array_equal(read((levels / 255).astype(dtype)).values[:, 0].numpy(), levels)


def test_other_integers_and_booleans() -> None:
    levels = np.array([[[0, 16], [200, 255]]])
    assert read(levels.astype(">i4")).values.flatten().tolist() == [0, 16, 200, 255]
    assert read(levels > 100).values.flatten().tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, ">f8", bool])
def test_two_axes_are_a_table(dtype: np.dtype) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    dataset = read(array)
    assert dataset.kind == "table"
    assert dataset.values.dtype == torch.float32
    assert dataset.values.tolist() == [[0, 1, 1], [1, 0, 1]]
    assert dataset.columns == ("x0", "x1", "x2")


def test_memory_is_its_own() -> None:
    for array in (np.zeros((2, 2), np.float32), np.zeros((2, 2, 2), np.uint8)):
        dataset = read(array)
        array[:] = 1
        assert not dataset.values.any()


def test_odd_strides() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(read(array[::-1, ::2]).values.numpy(), array[::-1, ::2])
    images = np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    assert np.array_equal(read(images[:, ::-1]).values[:, 0].numpy(), images[:, ::-1])


def test_labels_and_columns() -> None:
    dataset = read(np.zeros((2, 2)), labels=np.array([1, 0]), columns=["a", "b"])
    assert dataset.labels is not None
    assert (dataset.labels.tolist(), dataset.label_names) == ([1, 0], ("0", "1"))
    assert dataset.columns == ("a", "b")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[None, 1]]), "dtype object (Python objects, never unpickled): give numbers"),
        (np.array([["1", "2"]]), "dtype <U1: give numbers"),
        (np.ones((2, 2), complex), "dtype complex128"),
        (np.zeros((2, 2), "M8[s]"), "dtype datetime64[s]"),
        (
            np.zeros(5),
            "shape (5,), neither images, a table nor signals: reshape one column to (n, 1), or cut",
        ),
        (np.float32(1), "shape (), neither images, a table nor signals: give (n, columns)"),
        (np.zeros((2, 3, 4, 5, 6)), "shape (2, 3, 4, 5, 6), neither"),
        (np.zeros((0, 2)), "shape (0, 2), so it is empty: give at least one"),
        (np.zeros((2, 0, 4), np.uint8), "shape (2, 0, 4), so it is empty"),
        (
            np.zeros((2, 8, 8, 4), np.uint8),
            "no axis of 1 or 3 channels: if the fourth is transparency, give array[..., :3]",
        ),
        (
            np.zeros((2, 4, 8, 8), np.uint8),
            "shape (2, 4, 8, 8), no axis of 1 or 3 channels: give (n, columns)",
        ),
        (np.zeros((2, 3, 8, 3), np.uint8), "channels first or last: give a Dataset"),
        (np.full((2, 2, 2), 256), "pixels from 256 to 256: give pixels as uint8"),
        (np.full((2, 2, 2), -1), "pixels from -1 to -1: give"),
        (np.linspace(-1, 1, 8).reshape(2, 2, 2), "values from -1 to 1: scale images to [0, 1]"),
        (np.full((2, 2, 2), 255.0), "values from 255 to 255: scale"),
        (np.full((2, 8, 8, 3), 255.0), "pixels from 255 to 255: scale"),
    ],
)
def test_refusals(array: np.ndarray, words: str, refused: Refused) -> None:
    message = refused(read, np.asarray(array))
    assert message.startswith("x.npy ")
    assert words in message


def test_where_a_table_is_not_finite(refused: Refused) -> None:
    array = np.zeros((4, 2))
    array[2, 1], array[3, 0] = np.nan, np.inf
    message = refused(read, array, columns=["a", "b"])
    assert "holds nan in row 3, column 'b': 2 values are not finite" in message
    big = np.array([[1.0], [1e39]])
    assert "holds 1e+39 in row 2, column 'x0': 1 value is not finite" in refused(read, big)


def test_where_an_image_is_not_finite(refused: Refused) -> None:
    array = np.zeros((2, 4, 4, 3), np.float32)
    array[1, 2, 3, 0] = -np.inf
    assert "holds -inf at index [1, 2, 3, 0]: 1 value is not finite" in refused(read, array)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int32])
def test_tensors_of_any_dtype(dtype: torch.dtype) -> None:
    tensor = torch.tensor([[1, 2], [3, 4]], dtype=dtype)
    assert from_tensor(tensor, "t", what="t").values.tolist() == [[1, 2], [3, 4]]


def test_tensors_that_are_no_plain_block() -> None:
    learned = torch.ones(2, 2, requires_grad=True)
    assert not from_tensor(learned, "t", what="t").values.requires_grad
    assert from_tensor(torch.eye(2).to_sparse(), "t", what="t").values.tolist() == [[1, 0], [0, 1]]
    plain = torch.zeros(2, 2)
    dataset = from_tensor(plain, "t", what="t")
    plain += 1
    assert not dataset.values.any()


def test_tensors_without_numbers(refused: Refused) -> None:
    meta = torch.empty(2, 2, device="meta")
    assert "the tensor of torch.float32 cannot be read" in refused(from_tensor, meta, "t", what="the tensor")
    rotated = torch.ones(2, 2, dtype=torch.complex64).conj()
    assert "complex64" in refused(from_tensor, rotated, "t", what="the tensor")
