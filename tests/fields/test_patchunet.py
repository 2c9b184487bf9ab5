"""The U-Net on patches: what its blocks work out at once is what its formula says."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import nn

from unstir.fields import patchunet, unet1d
from unstir.fields.norms import groups, norm
from unstir.fields.patchunet import PatchUNet
from unstir.fields.shifted import Shifted

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("given", [16, 32])
@pytest.mark.parametrize("network", [patchunet, unet1d])
def test_a_block_is_its_formula(network: ModuleType, given: int, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    block = Shifted(given, 16, 8, network._conv).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    h, e = torch.randn(3, given, 6, 5, dtype=torch.float64), torch.randn(3, 8, dtype=torch.float64)
    h.requires_grad_()
    x = h.contiguous(memory_format=layout)

    def swish(x: torch.Tensor) -> torch.Tensor:
        return x * (x + 3).clamp(0, 6) / 6

    inner = block.convolution(swish(block.first(h))) + block.shift(e)[..., None, None]
    skip = h if given == 16 else block.skip(h)
    wanted = skip + block.answer(swish(block.second(inner)))
    found = block(x, e)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(x, h)  # sums in place spoil nothing that is given
    assert found.is_contiguous(memory_format=layout)
    given_all, up = [h, *block.parameters()], torch.randn_like(wanted)
    pairs = zip(
        torch.autograd.grad(found, given_all, up), torch.autograd.grad(wanted, given_all, up), strict=True
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("width", "wanted"), [(8, 1), (16, 1), (24, 1), (64, 4), (96, 6)])
def test_no_group_of_a_norm_has_fewer_than_sixteen_features_but_where_there_are_no_more(
    width: int, wanted: int
) -> None:
    assert norm(width).num_groups == groups(width, 3 * width) == wanted


def test_layouts_and_batches_of_one_answer_alike() -> None:
    torch.manual_seed(0)
    network = PatchUNet((2, 20, 20), width=16, layers=1, middle=1, classes=3).eval()
    for parameter in network.parameters():
        if not bool(parameter.any()):
            nn.init.normal_(parameter, std=0.1)
    x, noise, label = torch.randn(3, 2, 20, 20), torch.linspace(-1, 1, 3), torch.tensor([0, 3, 2])
    with torch.no_grad():
        plain = network(x, noise, label)
        alone = [network(x[i : i + 1], noise[i : i + 1], label[i : i + 1]) for i in range(3)]
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        last = network(x.contiguous(memory_format=torch.channels_last), noise, label)
    torch.testing.assert_close(torch.cat(alone), plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)
