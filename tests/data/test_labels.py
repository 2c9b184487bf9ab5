from collections.abc import Callable

import numpy as np
import pytest

from unstir.data import labels
from unstir.data.labels import MAX_CLASSES, from_array, from_names, natural_key

Refused = Callable[..., str]


def test_natural_order() -> None:
    names = ["b10", "b9", "B1", "a", "10", "2", "02", "x²"]
    assert sorted(names, key=natural_key) == ["02", "2", "10", "a", "B1", "b9", "b10", "x²"]


def test_names_are_numbered_in_natural_order() -> None:
    numbers, names = from_names(["10", "2", "10", "1"])
    assert names == ("1", "2", "10")
    assert numbers.tolist() == [2, 1, 2, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, ">i4"])
def test_numbers_stay_as_they_are(dtype: np.dtype) -> None:
    numbers, names = from_array(np.array([3, 0, 3], dtype=dtype), 3, "labels")
    assert numbers.tolist() == [3, 0, 3]
    assert names == ("0", "1", "2", "3")


@pytest.mark.parametrize("array", [[[3], [0], [3]], [3.0, 0.0, 3.0], [[3.0], [-0.0], [3.0]]])
def test_whole_numbers_in_other_guises(array: list[object]) -> None:
    """As Keras and MedMNIST keep them: a column of one, or floats."""
    for dtype in (np.uint8, np.float16, np.float64):
        numbers, names = from_array(np.array(array).astype(dtype), 3, "labels")
        assert (numbers.tolist(), names) == ([3, 0, 3], ("0", "1", "2", "3"))
        assert str(numbers.dtype) == "torch.int64"


def test_text_is_named_classes() -> None:
    numbers, names = from_array(np.array(["rose", "iris", "rose"]), 3, "labels")
    assert (numbers.tolist(), names) == ([1, 0, 1], ("iris", "rose"))


def test_booleans_are_two_classes() -> None:
    assert from_array(np.array([True, False]), 2, "labels")[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([0, 1]), "shape (2,) for 3 items"),
        (np.eye(3, dtype=int), "shape (3,), of rows with one 1 their argmax(1); where"),
        (np.zeros((1, 3), int), "shape (1, 3) for 3 items: give one label per item, shape (3,)"),
        (np.array([0.5, 1, 2]), "hold 0.5: give integers from 0, or text; leave out what is no class"),
        (np.array([0, np.nan, 2]), "hold nan: give integers"),
        (np.array([0, 1, np.inf], np.float32), "hold inf: give integers"),
        (np.array([0, 1, 1e300]), "hold 1e+300: class numbers lie from 0"),
        (np.array([1j, 0, 1]), "complex128: give integers from 0, or text"),
        (np.array([0, -1, 2]), "hold -1"),
        (np.array([0, 1, MAX_CLASSES]), f"hold {MAX_CLASSES}"),
    ],
)
def test_refusals(array: np.ndarray, words: str, refused: Refused) -> None:
    message = refused(labels.from_array, array, 3, "f.npz, array 'y',")
    assert message.startswith("f.npz, array 'y', h")
    assert words in message


def test_numbers_of_any_length_have_their_order() -> None:
    """Python makes no number of a text of more than 4,300 digits."""
    names = ["a" + "9" * 5000, "a1" + "0" * 5000, "a12"]
    assert sorted(names, key=natural_key) == [names[2], names[0], names[1]]
