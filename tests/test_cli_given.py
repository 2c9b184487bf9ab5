from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unstir.cli.given import given_items, untrained_field
from unstir.errors import InputError
from unstir.untrained import exact


def test_an_image_of_another_size_is_told_how_to_fit(tmp_path: Path) -> None:
    file = tmp_path / "a photo.png"
    Image.fromarray(np.full((30, 40), 9, dtype=np.uint8)).save(file)
    digits = untrained_field("digits", None, "edm", "cpu")
    with pytest.raises(InputError, match=r"items of \(1, 30, 40\), the run of \(1, 8, 8\);") as told:
        given_items(digits, str(file))
    fitting = str(told.value).partition("; ")[2].removesuffix(" crops and scales them")
    assert fitting == f"{file}:size=8"
    for place in (fitting, f"{tmp_path}:size=8"):
        assert given_items(digits, place).values.unique().tolist() == [9]


def test_only_what_can_be_scaled_is_told_so(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros((3, 20, 20), dtype=np.uint8))
    digits = untrained_field("digits", None, "edm", "cpu")
    with pytest.raises(InputError, match=r"the run of \(1, 8, 8\)$"):
        given_items(digits, str(tmp_path / "large.npy"))


@pytest.mark.parametrize(("channels", "wanted"), [(3, "grey"), (1, "colour")])
def test_images_of_the_right_size_are_told_of_colour(tmp_path: Path, channels: int, wanted: str) -> None:
    pixels = np.full((8, 8, 3), (9, 99, 9) if channels == 3 else 9, dtype=np.uint8)
    image = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
    image.save(tmp_path / "a.png")
    data = "digits" if channels == 3 else np.full((20, 8, 8, 3), 7, dtype=np.uint8)
    run = exact("edm", data, device="cpu")
    with pytest.raises(InputError, match=f"; make them {wanted} images, as the run's are$"):
        given_items(run, str(tmp_path / "a.png"))
