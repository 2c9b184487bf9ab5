"""Tasks: what they measure, what they take, what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from unstir.conditions import parse_task
from unstir.physics import Coarse, Hole


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_a_hole_is_that_of_the_bridge() -> None:
    x, task = images(2, 3, 10, 7), parse_task("inpaint:hole=0.5")
    observed = task.measurement((3, 10, 7))(x)
    lost = Hole(0.5)(torch.ones(1, 1, 10, 7))[0, 0] == 0
    assert observed.shape == (2, 3, 70 - int(lost.sum()))
    shown = task.shown(observed, (3, 10, 7))
    assert torch.equal(shown[..., ~lost], x[..., ~lost])
    assert bool((shown[..., lost] == 0.5).all())
    assert torch.equal(task.observed(x, (3, 10, 7)), observed)
    assert torch.equal(task.observed(observed, (3, 10, 7)), observed)


def test_random_pixels_and_a_mask_of_ones_own(tmp_path: Path) -> None:
    x = images(1, 1, 10, 10)
    assert parse_task("inpaint:share=0.7").measurement((1, 10, 10))(x).shape == (1, 1, 30)
    white = np.zeros((10, 10), np.uint8)
    white[2, 3:5] = 255
    Image.fromarray(white).save(tmp_path / "mask.png")
    seen = parse_task(f"inpaint:mask={tmp_path / 'mask.png'}").measurement((1, 10, 10))(x)
    assert torch.equal(seen, x[:, :, 2, 3:5])


def test_small_images_are_shown_as_squares() -> None:
    x, task = images(2, 1, 9, 6), parse_task("superres:factor=4")
    observed = task.measurement((1, 9, 6))(x)
    assert observed.shape == (2, 1, 3, 2)
    torch.testing.assert_close(task.shown(observed, (1, 9, 6)), Coarse(4)(x))


def test_many_angles_show_the_image_itself() -> None:
    x, task = images(1, 1, 8, 8), parse_task("sparse-ct:angles=40,noise=0.0001")
    shown = task.shown(task.measurement((1, 8, 8))(x), (1, 8, 8))
    torch.testing.assert_close(shown, x, atol=0.02, rtol=0.0)


def test_refusals(refused, tmp_path: Path) -> None:  # noqa: ANN001
    for bad in (
        "inpaint:hole=1",
        "inpaint:share=-1",
        "superres:factor=1",
        "deblur:width=0",
        "denoise:noise=-1",
    ):
        assert bad.split(":")[1].split("=")[0] in refused(parse_task, bad)
    Image.new("L", (3, 3)).save(tmp_path / "mask.png")
    task = parse_task(f"inpaint:mask={tmp_path / 'mask.png'}")
    assert "3" in refused(task.measurement, (1, 10, 10))
    assert "(1, 2, 2)" in refused(parse_task("superres").observed, images(1, 1, 8, 8), (1, 8, 8))
