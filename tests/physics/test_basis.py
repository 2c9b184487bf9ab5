from __future__ import annotations

import torch

from unstir.physics import CosineModes, Pixel


def test_pixels_are_their_own_coordinates() -> None:
    x = torch.arange(12.0).reshape(2, 2, 3)
    assert torch.equal(Pixel().coordinates(x), x)
    assert torch.equal(Pixel().state(x), x)


def test_modes_stay_exact_while_a_network_computes_in_bfloat16() -> None:
    x = torch.randn(3, 1, 8, 6, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        modes = CosineModes().coordinates(x)
    assert modes.dtype == torch.float32
    torch.testing.assert_close(CosineModes().state(modes), x)
