import json
from collections.abc import Callable

import pytest
import torch

from unstir.data.builtin import make
from unstir.data.dataset import Dataset
from unstir.data.scaling import STD, Scaling

Refused = Callable[..., str]


def images(values: torch.Tensor) -> Dataset:
    return Dataset("t", "image", values.to(torch.uint8))


def table(values: torch.Tensor) -> Dataset:
    return Dataset("t", "table", values.float())


def test_images_get_mean_0_and_deviation_half() -> None:
    dataset = make("digits")
    scaling = Scaling.fit(dataset)
    x = scaling.to_model(dataset.values)
    assert x.dtype == torch.float32
    assert abs(x.double().mean()) < 1e-6
    assert abs(x.double().std(correction=0) - STD) < 1e-6
    assert len(scaling.shift) == len(scaling.scale) == 1
    assert torch.equal(scaling.to_data(x), dataset.values)


def test_the_numbers_by_hand() -> None:
    scaling = Scaling.fit(images(torch.tensor([[[[0, 100]]], [[[100, 200]]]])))
    assert scaling.shift == (100.0,)
    assert scaling.scale == pytest.approx((5000**0.5 / 0.5,), rel=1e-15)
    columns = Scaling.fit(table(torch.tensor([[1.0, 5.0], [3.0, 5.0]])))
    assert columns == Scaling("table", (2.0, 5.0), (2.0, 1.0), (0, 1))
    assert columns.to_model(torch.tensor([[1.0, 5.0]])).tolist() == [[-0.5, 0.0]]


def test_every_column_of_a_table() -> None:
    generator = torch.Generator().manual_seed(0)
    units = torch.tensor([1e-20, 1.0, 1e20, 3.0])
    values = torch.randn(500, 4, generator=generator) * units + torch.tensor([0.0, -7.0, 0.0, 1e4])
    scaling = Scaling.fit(table(values))
    x = scaling.to_model(values)
    assert x.double().mean(0).abs().max() < 1e-6
    assert (x.double().std(0, correction=0) - STD).abs().max() < 1e-6
    torch.testing.assert_close(scaling.to_data(x) / units, values / units, rtol=1e-6, atol=1e-6)


def test_values_near_the_largest_float() -> None:
    values = torch.tensor([[3e38], [-3e38]])
    assert Scaling.fit(table(values)).to_model(values).tolist() == [[0.5], [-0.5]]


def test_what_is_constant_divides_by_1() -> None:
    # The mean of 1,000 times float32(0.1) is off by rounding, so the deviation is not exactly 0.
    values = torch.full((1000, 1), 0.1)
    scaling = Scaling.fit(table(values))
    assert scaling.scale == (1.0,)
    assert scaling.to_model(values).abs().max() < 1e-12
    assert Scaling.fit(images(torch.full((5, 1, 3, 3), 77))) == Scaling("image", (77.0,), (1.0,))


def test_one_row() -> None:
    assert Scaling.fit(table(torch.tensor([[4.0]]))) == Scaling("table", (4.0,), (1.0,), (0,))


def test_images_are_rounded_and_clamped() -> None:
    scaling = Scaling("image", (0.0,), (1.0,))
    x = torch.tensor([-1e30, -0.6, 0.4, 0.6, 254.6, 300.0, float("inf")]).reshape(1, 1, 1, 7)
    assert scaling.to_data(x).flatten().tolist() == [0, 0, 0, 1, 255, 255, 255]


def test_nan_is_no_pixel(refused: Refused) -> None:
    scaling = Scaling("image", (0.0,), (1.0,))
    assert "x has 2 pixels that are NaN" in refused(
        scaling.to_data, torch.tensor([[[[torch.nan, 1, torch.nan]]]])
    )
    assert Scaling("table", (0.0,), (1.0,)).to_data(torch.tensor([[torch.nan]])).isnan().all()


def test_other_columns_are_refused(refused: Refused) -> None:
    scaling = Scaling("table", (0.0, 0.0), (1.0, 1.0))
    for call in (scaling.to_model, scaling.to_data):
        assert "shape (4, 1): the scaling knows 2 columns" in refused(call, torch.zeros(4, 1))


def test_a_trip_through_json_loses_nothing() -> None:
    for scaling in (Scaling.fit(make("digits")), Scaling.fit(make("swissroll"))):
        assert Scaling.from_dict(json.loads(json.dumps(scaling.to_dict()))) == scaling


GOOD = {"kind": "table", "shift": [0.0], "scale": [1]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([1], "scaling: list, give kind, shift and scale"),
        ({"kind": "table", "shift": [0]}, "scaling: ['kind', 'shift'], give"),
        (GOOD | {"more": 1}, "give kind, shift and scale"),
        (GOOD | {"kind": "sound"}, "kind='sound', give image or table"),
        (GOOD | {"kind": ["table"]}, "give image or table"),
        (GOOD | {"shift": 0.0}, "shift='0.0', give a list of numbers"),
        (GOOD | {"shift": ["0"]}, "give a list of numbers"),
        (GOOD | {"shift": [True]}, "give a list of numbers"),
        (GOOD | {"shift": [float("nan")]}, "shift[0]=nan, give a finite number"),
        (GOOD | {"shift": [10**400]}, "give numbers that a float can hold"),
        (GOOD | {"scale": [0.0]}, "scale[0]=0.0, give a finite number above 0"),
        (GOOD | {"scale": [-1.0]}, "scale[0]=-1.0"),
        (GOOD | {"scale": [float("inf")]}, "scale[0]=inf"),
        (GOOD | {"scale": [1.0, 1.0]}, "1 shifts and 2 scales"),
        (GOOD | {"shift": [], "scale": []}, "0 shifts and 0 scales"),
        ({"kind": "image", "shift": [0, 0], "scale": [1, 1]}, "one of each for images"),
    ],
)
def test_bad_dictionaries(data: object, words: str, refused: Refused) -> None:
    assert words in refused(Scaling.from_dict, data)


def test_a_good_dictionary() -> None:
    assert Scaling.from_dict(GOOD) == Scaling("table", (0.0,), (1.0,))
