from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial import KDTree
from torch import Tensor

from unstir.errors import InputError
from unstir.measure import memorised, nearest, nearest_picture


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def images(n: int, seed: int, channels: int = 1, size: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("n", "m", "d"), [(30, 50, 2), (2100, 4200, 3), (90, 60, 100)])
def test_nearest_agrees_with_a_tree(n: int, m: int, d: int) -> None:
    samples, train = normal(n, d, 0), normal(m, d, 1)
    index, distance = nearest(samples, train)
    expected, place = KDTree(train.double().numpy()).query(samples.double().numpy())
    torch.testing.assert_close(distance, torch.as_tensor(expected))
    assert index.tolist() == place.tolist()


def test_a_copy_is_at_exactly_zero() -> None:
    train = images(300, 0)
    index, distance = nearest(train[[250, 7]], train)
    assert index.tolist() == [250, 7]
    assert distance.tolist() == [0.0, 0.0]


def test_by_hand() -> None:
    train = torch.tensor([[0.0], [10.0]])
    heldout = torch.tensor([[2.0], [9.0], [14.0]])  # 2, 1, 4 away: median 2
    found = memorised(torch.tensor([[0.5], [10.0], [13.0]]), train, heldout)  # 0.5, 0, 3 away
    assert found.ratio == pytest.approx(0.25)
    assert found.share == pytest.approx(2 / 3)


def test_copies_new_draws_and_what_lies_between() -> None:
    train, heldout = normal(500, 4, 0), normal(500, 4, 1)
    copies = memorised(train[:200], train, heldout)
    assert copies == (0.0, 1.0)
    new = memorised(normal(500, 4, 2), train, heldout)
    assert new.ratio == pytest.approx(1, abs=0.1)
    assert new.share == pytest.approx(0.5, abs=0.08)
    near = memorised(train[:200] + 0.05 * normal(200, 4, 3), train, heldout)
    assert near.ratio is not None
    assert 0 < near.ratio < 0.3
    assert near.share == 1
    half = memorised(torch.cat([train[:100], normal(100, 4, 4)]), train, heldout)
    assert half.share == pytest.approx(0.75, abs=0.06)


def test_held_out_copies_leave_no_ratio() -> None:
    train = normal(20, 2, 0)
    assert memorised(normal(20, 2, 1), train, train) == (None, 0.0)


def test_bad_sets_are_refused() -> None:
    with pytest.raises(InputError, match="train has"):
        nearest(torch.zeros(3, 2), torch.zeros(0, 2))
    with pytest.raises(InputError, match=r"samples has items of shape \(2,\), heldout of \(3,\)"):
        memorised(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 3))
    with pytest.raises(InputError, match="samples is NaN"):
        nearest(torch.zeros(3, 2) / 0, torch.zeros(3, 2))


# --- the picture


def test_the_picture_shows_each_sample_above_its_nearest_with_whole_pixels(tmp_path: Path) -> None:
    train, samples = images(40, 0), images(20, 1)
    samples[13] = train[31]
    path = nearest_picture(samples, train, tmp_path / "new" / "pairs.png", pairs=8)
    with Image.open(path) as file:
        canvas = np.asarray(file.convert("RGB"))
    assert canvas.shape[1] >= 600
    tile = train[31, 0].numpy().repeat(10, 0).repeat(10, 1)  # the copy comes first, twice
    found = [
        (y, x)
        for y in range(canvas.shape[0] - 79)
        for x in range(100, 140)
        if (canvas[y, x] == tile[0, 0]).all() and (canvas[y : y + 80, x : x + 80, 1] == tile).all()
    ]
    assert len(found) == 2
    assert found[0][1] == found[1][1]
    assert found[0][0] + 80 <= found[1][0] <= found[0][0] + 90
    assert [p.name for p in path.parent.iterdir()] == ["pairs.png"]


@pytest.mark.parametrize(("n", "channels", "size"), [(1, 1, 8), (3, 3, 16), (30, 3, 100), (9, 1, 300)])
def test_the_picture_fits_any_count_and_size(tmp_path: Path, n: int, channels: int, size: int) -> None:
    path = nearest_picture(
        images(n, 0, channels, size), images(12, 1, channels, size), tmp_path / "a.png", pairs=20
    )
    with Image.open(path) as file:
        assert 600 <= file.width <= 1700
        pixels = np.asarray(file)
    assert (pixels[[0, -1]] == 255).all()  # nothing runs over the edge
    assert (pixels[:, [0, -1]] == 255).all()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        nearest_picture(images(3, 0), images(3, 1), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    good = images(3, 0)
    with pytest.raises(InputError, match=r"samples is torch.float32.*give uint8"):
        nearest_picture(good.float(), good, tmp_path / "a.png")
    with pytest.raises(InputError, match=r"train is torch.uint8 of shape \(3, 64\)"):
        nearest_picture(good, good.flatten(1), tmp_path / "a.png")
    with pytest.raises(InputError, match=r"ends in \.png"):
        nearest_picture(good, good, tmp_path / "a.jpg")
    with pytest.raises(InputError, match="pairs=0"):
        nearest_picture(good, good, tmp_path / "a.png", pairs=0)
    with pytest.raises(InputError, match="samples has items of shape"):
        nearest_picture(good, images(3, 0, 3), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
