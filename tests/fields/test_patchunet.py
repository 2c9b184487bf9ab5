"""The U-Net on patches: what its blocks work out at once is what its formula says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unstir.fields.patchunet import PatchUNet, _modulated

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_modulated_norm_is_the_norm_and_then_the_modulation(layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    norm = nn.GroupNorm(8, 24).double()
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    h, scale, shift = draw(3, 24, 6, 5), draw(3, 24), draw(3, 24)
    x = h.contiguous(memory_format=layout)
    found = _modulated(norm, x, scale, shift)
    wanted = norm(h) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
    torch.testing.assert_close(found, wanted)
    assert found.is_contiguous(memory_format=layout)
    up = draw(*found.shape).detach()
    given = [h, scale, shift, *norm.parameters()]
    pairs = zip(torch.autograd.grad(found, given, up), torch.autograd.grad(wanted, given, up), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs)


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
