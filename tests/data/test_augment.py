"""Augmentation: each transformation against scipy, shares against probabilities, and nothing for nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform, gaussian_filter
from torch import Tensor

from unstir.data.augment import Augment, Flip, augmentation

Refused = Callable[..., str]

NOTHING = Augment(p=1.0, mirror=0.0, upside=False, scale=0.0, turn=0.0, stretch=0.0, shift=0.0)


def noise(n: int, channels: int = 1, height: int = 12, width: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_scipy(x: np.ndarray, told: np.ndarray, what: Augment) -> np.ndarray:
    """One image `(h, w)` transformed by what its nine numbers say, in rows and columns as scipy's."""
    height, width = x.shape
    a = told.astype(np.float64)
    x = x[:, ::-1] if a[0] else x
    x = x[::-1] if a[1] else x

    def rotated(angle: float) -> np.ndarray:  # in (column, row)
        return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    zoom, turn = 2 ** (what.scale * a[2]), math.atan2(a[4], a[3] + 1)
    long, along = math.hypot(a[5], a[6]), math.atan2(a[6], a[5]) / 2
    stretch = np.diag([2 ** (what.stretch * long), 2 ** (-what.stretch * long)])
    forward = rotated(along) @ stretch @ rotated(-along) @ rotated(turn) * zoom
    shift = what.shift * np.array([width * a[7], height * a[8]])
    back = np.linalg.inv(forward)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = middle - back @ (middle + shift)
    # scipy's coordinates are (row, column).
    return affine_transform(x, back[::-1, ::-1], offset[::-1], order=1, mode="reflect")


@pytest.mark.parametrize(
    "change",
    [{"mirror": 1.0}, {"upside": True}, {"scale": 0.2}, {"turn": 1.0}, {"stretch": 0.2}, {"shift": 0.125}],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("size", [(12, 9), (8, 8)])
def test_each_transformation_is_scipys(change: dict[str, float], size: tuple[int, int]) -> None:
    what, x = replace(NOTHING, **change), noise(12, 2, *size).double()
    found, told = what.apply(x, generator())
    assert told.shape == (12, 9)
    assert not torch.equal(found, x)
    for image, ours, numbers in zip(x.numpy(), found.numpy(), told.numpy(), strict=True):
        for plane, result in zip(image, ours, strict=True):
            np.testing.assert_allclose(result, by_scipy(plane, numbers, what), atol=1e-9)


def test_all_together_are_scipys() -> None:
    what, x = Augment(p=0.7), noise(40).double()
    found, told = what.apply(x, generator())
    for image, ours, numbers in zip(x.numpy(), found.numpy(), told.numpy(), strict=True):
        np.testing.assert_allclose(ours[0], by_scipy(image[0], numbers, what), atol=1e-9)


def test_a_blob_goes_where_it_should() -> None:
    """In closed form: a Gaussian blob right of the centre, moved to 2^{scale a₂} R of its place, shifted."""
    blob = np.zeros((65, 65))
    blob[32, 36] = 1
    x = torch.from_numpy(gaussian_filter(blob, 2))[None, None].expand(30, 1, 65, 65)
    what = replace(NOTHING, scale=0.1, turn=1.0, shift=0.02)
    found, told = what.apply(x, generator())
    place = torch.arange(65, dtype=torch.float64) - 32
    mass = found.sum((1, 2, 3))
    column = (found.sum((1, 2)) * place).sum(1) / mass
    row = (found.sum((1, 3)) * place).sum(1) / mass
    reach = 4 * 2 ** (0.1 * told[:, 2])
    torch.testing.assert_close(column, reach * (told[:, 3] + 1) + 0.02 * 65 * told[:, 7], atol=0.06, rtol=0)
    torch.testing.assert_close(row, reach * told[:, 4] + 0.02 * 65 * told[:, 8], atol=0.06, rtol=0)


def test_a_quarter_turn_is_exact() -> None:
    x = noise(1, 3, 6, 6).double()
    what = Augment(p=0.0, mirror=0.0)
    turn = torch.tensor([math.pi / 2], dtype=torch.float64)
    from unstir.data import augment

    grid = torch.nn.functional.affine_grid(
        augment._rotation(-turn)[:, :2], list(x.shape), align_corners=False
    )
    found = torch.nn.functional.grid_sample(x, grid, align_corners=False)
    torch.testing.assert_close(found, x.rot90(-1, (2, 3)))
    assert torch.equal(what.apply(x, generator())[0], x)


@pytest.mark.parametrize("what", [Augment(), Augment(p=0.5), Flip()])
def test_shares_are_the_probabilities(what: Augment | Flip) -> None:
    n = 20_000
    x = torch.arange(4.0).reshape(1, 1, 2, 2).expand(n, 1, 2, 2)
    found, told = what.apply(x, generator())
    if isinstance(what, Flip):
        mirrored = (found[:, 0, 0, 0] == 1).double().mean()
        assert float(mirrored) == pytest.approx(0.5, abs=4 * (0.25 / n) ** 0.5)
        assert told.shape == (n, 0)
        return
    groups = [told[:, :1], told[:, 1:2], told[:, 2:3], told[:, 3:5], told[:, 5:7], told[:, 7:]]
    shares = [float((group != 0).any(1).double().mean()) for group in groups]
    for share, expected in zip(shares, [0.5, what.p / 2, *[what.p] * 4], strict=True):
        assert share == pytest.approx(expected, abs=4 * (expected / n) ** 0.5)
    # The laws of what is drawn: a₂ is normal, and the angle uniform.
    scale = told[:, 2][told[:, 2] != 0]
    assert float(scale.std()) == pytest.approx(1, abs=0.06)
    angle = torch.atan2(told[:, 4], told[:, 3] + 1)[told[:, 4] != 0]
    assert float(angle.abs().mean()) == pytest.approx(math.pi / 2, abs=0.08)


def test_where_nothing_was_drawn_nothing_changes() -> None:
    x = noise(400)
    found, told = Augment(p=0.1).apply(x, generator())
    plain = (told == 0).all(1)
    assert 50 < int(plain.sum()) < 250
    assert torch.equal(found[plain], x[plain])
    assert bool((found[~plain] != x[~plain]).flatten(1).any(1).all())
    untouched, zeros = NOTHING.apply(x, generator())
    assert torch.equal(untouched, x)
    assert int((zeros != 0).sum()) == 0


def test_the_same_seed_gives_the_same() -> None:
    x, what = noise(50), Augment(p=0.5)
    before = x.clone()
    first, second, other = (what.apply(x, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(x, before)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[1], other[1])
    # As many draws are taken whatever they say.
    a, b = generator(), generator()
    what.apply(x, a)
    NOTHING.apply(x, b)
    assert torch.equal(a.get_state(), b.get_state())


def test_names_are_read_back(refused: Refused) -> None:
    for what in (Flip(), Augment(), Augment(p=0.15, mirror=0.0, upside=False)):
        assert augmentation(what.name) == what
    assert augmentation("edm:p=0.2").width == 9
    assert "augment 'edn' is not known" in refused(augmentation, "edn")
    assert "p=1.5 lies outside [0, 1]" in refused(augmentation, "edm:p=1.5")
    assert "shift=-1.0, give a finite number" in refused(augmentation, "edm:shift=-1")
    assert "are no images; leave augment out" in refused(Augment().apply, torch.zeros(4, 2), generator())


def test_dtype_is_kept() -> None:
    for dtype in (torch.float32, torch.float64):
        found, told = Augment(p=0.9).apply(noise(8).to(dtype), generator())
        assert found.dtype == told.dtype == dtype
