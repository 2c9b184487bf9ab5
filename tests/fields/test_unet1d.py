from __future__ import annotations

import pytest
import torch
from torch import nn

from unstir.fields import UNet1d


@pytest.mark.parametrize(("length", "levels"), [(2, 2), (16, 2), (33, 3), (64, 3), (65, 4), (5000, 6)])
def test_resolutions_by_the_length(length: int, levels: int) -> None:
    with torch.device("meta"):
        assert UNet1d((1, length)).multiple == 2 ** (levels - 1)


@pytest.mark.parametrize("length", [1, 2, 3, 17, 31, 100])
def test_any_length_goes_in_and_comes_out(length: int) -> None:
    network = UNet1d((2, 64), size="small").eval()
    with torch.no_grad():
        assert network(torch.randn(2, 2, length), torch.zeros(2)).shape == (2, 2, length)


def test_every_place_is_seen_from_every_other() -> None:
    # A signal is a whole: what happens at one end must be able to tell the other.
    torch.manual_seed(0)
    network = UNet1d((1, 300), size="small").double()
    for parameter in network.parameters():
        if not bool(parameter.any()):
            nn.init.normal_(parameter, std=0.1)
    # Group normalisations would join the ends by themselves.
    for name, module in network.named_modules():
        if isinstance(module, nn.GroupNorm):
            network.get_submodule(name.rpartition(".")[0]).register_module(
                name.rpartition(".")[2], nn.Identity()
            )
    x = torch.randn(1, 1, 300, dtype=torch.float64, requires_grad=True)
    network(x, torch.zeros(1, dtype=torch.float64).double())[0, 0, 0].backward()
    assert x.grad is not None
    assert bool((x.grad[0, 0] != 0).all())
