"""Data in all their forms."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from unstir.errors import InputError
from unstir.lab.points import KEPT, DataSpec, Items


def items(**given: Any) -> Items:  # noqa: ANN401
    return DataSpec.model_validate_json(json.dumps(given)).items()


def model(found: Items) -> torch.Tensor:
    assert found.scaling is not None
    return found.scaling.to_model(found.dataset.values)


def encoded(image: Image.Image, kind: str = "PNG") -> str:
    out = io.BytesIO()
    image.save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("name", ["swissroll", "two-moons", "gaussians8", "checkerboard"])
def test_presets_have_deviation_one_half_and_keep_their_shape(name: str) -> None:
    found = items(preset=name)
    x = model(found)
    assert len(x) == KEPT
    assert float(x.var(0, correction=0).mean()) == pytest.approx(0.25, rel=1e-4)
    spread = found.dataset.values.std(0)
    torch.testing.assert_close(x.std(0) / x.std(0)[0], spread / spread[0])


def test_drawn_points_stay_where_they_are() -> None:
    points = [[0.5, 1.0], [-2.0, 0.25], [0.0, 0.0]]
    x = model(items(points=points))
    assert sorted(x.tolist()) == sorted(points)


def test_a_word_is_wider_than_high_and_reads_upright() -> None:
    x = model(items(word="lll___"))
    assert float(x[:, 0].std()) > 1.5 * float(x[:, 1].std())
    left, right = x[x[:, 0] < -0.3], x[x[:, 0] > 0.3]
    assert float(left[:, 1].mean()) > float(right[:, 1].mean())  # letters above, strokes at the foot


def test_the_dark_of_a_picture_is_filled() -> None:
    image = Image.new("RGB", (300, 200), "white")
    image.paste((0, 0, 0), (0, 0, 150, 100))  # the upper left quarter
    x = items(picture=encoded(image)).dataset.values
    assert float(x[:, 0].max()) <= 129
    assert float(x[:, 1].min()) >= 84
    # Of a dark picture, the bright part.
    flipped = Image.eval(image, lambda v: 255 - v)
    bright = items(picture=encoded(flipped)).dataset.values
    torch.testing.assert_close(bright.mean(0), x.mean(0), atol=3, rtol=0)
    torch.testing.assert_close(bright.std(0), x.std(0), atol=2, rtol=0)


@pytest.mark.parametrize("text", ["1,2\n3,4", "x;y\n1;2\n3;4", "a\tb\n1\t2\n\n3\t4\n", " 1  2 \n 3 4 ,"])
def test_numbers_are_read_as_people_paste_them(text: str) -> None:
    values = items(numbers=text).dataset.values
    assert sorted(values.tolist()) == [[1.0, 2.0], [3.0, 4.0]]


def test_one_place_alone_has_scale_one() -> None:
    found = items(numbers="7, -3")
    assert found.scaling is not None
    assert found.scaling.scale == (1.0, 1.0)
    assert model(found).tolist() == [[0.0, 0.0]]
    assert items(numbers="7, -3\n7, -3").scaling == found.scaling


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"preset": "../etc/passwd"}, "preset"),
        ({"images": "/etc"}, "images"),
        ({"numbers": "1,2\n3"}, "line 2"),
        ({"numbers": "1,2\n3,inf"}, "line 2"),
        ({"numbers": "a,b"}, "no line"),
        ({"numbers": "1e39,2"}, "line 1"),
        ({"word": "  "}, "word"),
        ({"word": "\u200b\u0007"}, "word"),
        ({"picture": "!!!"}, "base64"),
        ({"picture": base64.b64encode(b"GIF89a nonsense").decode()}, "cannot be read"),
        ({"picture": encoded(Image.new("L", (50, 50), 128))}, "nothing dark"),
        ({"picture": encoded(Image.new("1", (5000, 5000)))}, "pixels"),
    ],
)
def test_bad_data_are_refused(given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        items(**given)


def test_a_damaged_picture_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60), dtype=np.uint8)
    whole = base64.b64decode(encoded(Image.fromarray(noise)))
    for end in (10, 40, len(whole) // 2):
        with pytest.raises(InputError, match="picture"):
            items(picture=base64.b64encode(whole[:end]).decode())


def test_the_key_tells_data_apart() -> None:
    keys = {
        DataSpec.model_validate(given).key
        for given in (
            {"word": "a"},
            {"word": "b"},
            {"preset": "a"},
            {"points": [(0.0, 1.0)]},
            {"numbers": "a"},
        )
    }
    assert len(keys) == 5
