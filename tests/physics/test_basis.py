from __future__ import annotations

import scipy.fft
import torch

from unstir.physics import CosineModes, HeatProcess, Pixel, parse
from unstir.physics.basis import eigenvalues


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


def test_the_channels_of_a_signal_are_rods_apart() -> None:
    x = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    modes = CosineModes().coordinates(x)
    truth = scipy.fft.dct(x.numpy(), type=2, norm="ortho", axis=-1)
    torch.testing.assert_close(modes, torch.from_numpy(truth))
    torch.testing.assert_close(CosineModes().state(modes), x)
    rod = eigenvalues((7,))
    assert torch.equal(eigenvalues((3, 7)).expand(3, 7), rod.expand(3, 7))
    assert not torch.equal(eigenvalues((1, 3, 7))[0], rod.expand(3, 7))  # an image is a plate


def test_heat_on_signals_is_heat_on_each_channel() -> None:
    process, t = parse("heat"), torch.tensor([0.3, 0.7], dtype=torch.float64)
    assert isinstance(process, HeatProcess)
    together = process.signal(t, (3, 40)).expand(2, 3, 40)
    torch.testing.assert_close(together, process.signal(t, (40,))[:, None].expand(2, 3, 40))
