import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from unstir.data import image_grid
from unstir.data.picture import GAP, WIDTH, grid_layout, png_bytes, scatter_bytes

Refused = Callable[..., str]


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_stands_in_its_place(channels: int) -> None:
    values = noise(5, channels, 3, 4)
    grid = np.asarray(image_grid(values, columns=2, scale=3)).reshape(3 * 9 + 2 * GAP, 2 * 12 + GAP, channels)
    for i, value in enumerate(values):
        top, left = i // 2 * (9 + GAP), i % 2 * (12 + GAP)
        block = grid[top : top + 9, left : left + 12]
        for dy in range(3):
            for dx in range(3):
                assert np.array_equal(block[dy::3, dx::3], value.permute(1, 2, 0).numpy())
    assert (grid[9 : 9 + GAP] == 255).all()
    assert (grid[:, 12 : 12 + GAP] == 255).all()
    assert (grid[-9:, 14:] == 255).all()  # no sixth image


@pytest.mark.parametrize(
    ("n", "size", "layout"),
    [(64, 8, (8, 8, 8)), (1, 8, (1, 1, 64)), (10, 28, (4, 3, 5)), (4, 300, (2, 2, 1)), (2, 8, (2, 1, 32))],
)
def test_square_and_at_least_512_wide(n: int, size: int, layout: tuple[int, int, int]) -> None:
    assert grid_layout((n, 1, size, size)) == layout
    assert image_grid(noise(n, 1, size, size)).width >= WIDTH


def test_columns_beyond_the_images_are_left_out() -> None:
    assert image_grid(noise(2, 1, 4, 4), columns=9, scale=1).size == (8 + GAP, 4)


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (torch.zeros(2, 1, 4, 4), {}, "images of torch.float32 and shape (2, 1, 4, 4): give uint8"),
        (noise(2, 4, 4), {}, "shape (2, 4, 4): give uint8 (n, 1 or 3, h, w)"),
        (noise(2, 2, 4, 4), {}, "shape (2, 2, 4, 4)"),
        (noise(0, 1, 4, 4), {}, "shape (0, 1, 4, 4)"),
        (noise(2, 1, 4, 4), {"columns": 0}, "columns=0: a grid has at least 1"),
        (noise(2, 1, 4, 4), {"scale": 0}, "scale=0"),
        (noise(2, 1, 4, 4), {"scale": 3000}, "2 images of 4x4 make a grid of 288 megapixels, above 64"),
    ],
)
def test_refusals(values: torch.Tensor, options: dict[str, int], words: str, refused: Refused) -> None:
    assert words in refused(image_grid, values, **options)


def test_png_keeps_every_pixel() -> None:
    grid = image_grid(noise(4, 3, 8, 8))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png_bytes(grid)))), np.asarray(grid))
    assert png_bytes(grid) == png_bytes(grid)


def dark(content: bytes) -> np.ndarray:
    """Where the picture is blue, (h, w)."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    return (pixels[..., 2] - pixels[..., 0]) > 60


def test_points_are_drawn_where_they_are() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    content = scatter_bytes(points)
    assert content == scatter_bytes(points)
    y, x = np.nonzero(dark(content))
    lower_right, upper_left = (x > 400) & (y > 400), (x < 360) & (y < 360)
    lower_left = (x < 360) & (y > 400)
    assert lower_left.any()
    across, along = x[lower_right].mean() - x[lower_left].mean(), y[lower_left].mean() - y[upper_left].mean()
    assert across == pytest.approx(along, rel=0.02)  # one unit is as long both ways
    assert lower_left.sum() + lower_right.sum() + upper_left.sum() == len(x)


def test_points_of_unlike_units_fill_the_picture() -> None:
    noise = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
    y, x = np.nonzero(dark(scatter_bytes(noise * torch.tensor([80.0, 60_000.0]), columns=("age", "income"))))
    assert np.ptp(x) > 400
    assert np.ptp(y) > 400


@pytest.mark.parametrize("count", [2, 5, 40])
def test_categories_stand_apart_each_in_its_place(count: int) -> None:
    names = tuple(f"town {i}" if i else "" for i in range(count))
    codes = torch.arange(200) % count
    points = torch.stack(
        [torch.rand(200, generator=torch.Generator().manual_seed(0)) * 1e5, codes.float()], 1
    )
    content = scatter_bytes(points, categories=(None, names))
    shown = dark(content).any(1)
    rows = int((shown[1:] & ~shown[:-1]).sum())
    assert rows == count
    assert (content == scatter_bytes(points)) == (count > 12)  # so many have no room for their names


def test_labels_have_colours_of_their_own() -> None:
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    two = scatter_bytes(points, torch.arange(50) % 2)
    pixels = np.asarray(Image.open(io.BytesIO(two)).convert("HSV"))
    hues = pixels[..., 0][pixels[..., 1] > 150]
    assert len(np.unique(hues // 16)) >= 2


@pytest.mark.parametrize("worst", [torch.nan, torch.inf, 3e38, -3e38, 1e-45])
def test_points_from_the_end_of_the_world(worst: float) -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 1.0], [worst, 0.0]])
    assert scatter_bytes(points, torch.tensor([0, 1, 1])).startswith(b"\x89PNG")
    assert scatter_bytes(points[2:]).startswith(b"\x89PNG")
