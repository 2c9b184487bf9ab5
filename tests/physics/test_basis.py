from __future__ import annotations

import torch

from unstir.physics import Pixel


def test_pixels_are_their_own_coordinates() -> None:
    x = torch.arange(12.0).reshape(2, 2, 3)
    assert torch.equal(Pixel().coordinates(x), x)
    assert torch.equal(Pixel().state(x), x)
