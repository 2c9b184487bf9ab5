"""Degradations against scipy's, and by their definitions."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from unstir.physics import Blur, Coarse, Hole, Untouched


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_blur_is_a_gaussian_filter_with_mirrored_edges() -> None:
    x = images(2, 1, 24, 17)
    blurred = Blur(1.5)(x).numpy()
    for i in range(2):
        # scipy samples its kernel where we take it whole: they differ by exp(−(π width)²/2)
        expected = gaussian_filter(x[i, 0].numpy(), 1.5, mode="reflect", truncate=8)
        assert np.abs(blurred[i, 0] - expected).max() < 1e-3
    assert np.abs(Blur(3.0)(x).numpy() - blurred).max() > 0.1


def test_coarse_shows_means_of_squares() -> None:
    x = images(3, 2, 6, 8)
    out = Coarse(2)(x)
    torch.testing.assert_close(out[:, :, 2:4, 4:6].mean((2, 3)), x[:, :, 2:4, 4:6].mean((2, 3)))
    assert torch.equal(out[:, :, ::2], out[:, :, 1::2])
    odd = images(1, 1, 5, 7)
    out = Coarse(3)(odd)
    assert out.shape == odd.shape
    torch.testing.assert_close(out[0, 0, 4, 6], odd[0, 0, 3:, 6:].mean())


def test_hole_loses_the_middle_alone() -> None:
    x = images(1, 1, 10, 10)
    out = Hole(0.4)(x)
    assert bool((out[..., 3:7, 3:7] == 0).all())
    assert int((out != x).sum()) == 16
    assert torch.equal(Untouched()(x), x)


def test_gradients_flow_through_each() -> None:
    for task in (Blur(1.0), Coarse(2), Hole(0.4), Untouched()):
        x = images(1, 1, 8, 8).requires_grad_()
        task(x).square().sum().backward()
        assert x.grad is not None
        assert float(x.grad.abs().sum()) > 0
