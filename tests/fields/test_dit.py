from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from unstir.fields import DiT
from unstir.fields.dit import places


@pytest.mark.parametrize(
    ("shape", "patch", "patches"),
    [((1, 8, 8), 2, 16), ((1, 16, 40), 2, 160), ((1, 28, 28), 4, 49), ((3, 32, 30), 4, 64)],
)
def test_patches_by_the_size_of_the_image(shape: tuple[int, ...], patch: int, patches: int) -> None:
    network = DiT(shape, size="small")
    assert (network.patch, len(network.place)) == (patch, patches)


def test_a_place_is_two_rotations() -> None:
    # Vaswani 2017, section 3.5: a step along an axis turns each pair (sin, cos) by its own angle, anywhere.
    table = places(4, 5, 24).double().reshape(4, 5, 2, 2, 6)
    for axis in (0, 1):
        pairs = table[:, :, axis]
        turned = torch.complex(pairs[:, :, 1], pairs[:, :, 0])
        steps = turned.diff(dim=axis) / 1  # the same modulus everywhere
        ratio = turned[1:] / turned[:-1] if axis == 0 else turned[:, 1:] / turned[:, :-1]
        speed = 10_000 ** -(torch.arange(6, dtype=torch.float64) / 6)
        assert torch.allclose(ratio.angle(), speed.expand_as(ratio.angle()), atol=1e-5)
        assert torch.allclose(steps.abs(), (2 * (speed / 2).sin()).expand_as(steps.abs()), atol=1e-5)
        other = turned if axis == 1 else turned.transpose(0, 1)
        assert torch.allclose(other[:1].expand_as(other), other)  # nothing of the other axis


def test_a_block_is_the_published_one() -> None:
    # Peebles & Xie 2023, figure 3, with torch's own multi-head attention in place of ours.
    torch.manual_seed(0)
    block = DiT((1, 4, 4), width=8, depth=1, heads=2).blocks[0].double()
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    attention = nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        attention.in_proj_weight.copy_(block.asked.weight)  # type: ignore[union-attr, arg-type]
        attention.in_proj_bias.zero_()
        attention.out_proj.load_state_dict(block.told.state_dict())  # type: ignore[union-attr, operator]
        h, c = torch.randn(3, 5, 8).double(), torch.randn(3, 1, 8).double()
        shift_scale_gate = block.modulation(c).chunk(6, 2)  # type: ignore[operator]
        s1, b1, g1, s2, b2, g2 = shift_scale_gate
        norm = nn.LayerNorm(8, elementwise_affine=False).double()
        seen = norm(h) * (1 + s1) + b1
        wanted = h + g1 * attention(seen, seen, seen)[0]
        wanted = wanted + g2 * block.layers(norm(wanted) * (1 + s2) + b2)  # type: ignore[operator]
        torch.testing.assert_close(block(h, c), wanted)


def test_a_patch_is_answered_where_it_lies() -> None:
    # With no attention and no place, patches do not know of each other: one pixel moves its own patch alone.
    torch.manual_seed(0)
    network = DiT((1, 7, 9), patch=4, width=8, depth=1, heads=2)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    nn.init.zeros_(network.blocks[0].told.weight)  # type: ignore[union-attr, arg-type]
    x, moved = torch.zeros(1, 1, 7, 9), torch.zeros(1, 1, 7, 9)
    moved[..., 5, 2] = 1
    with torch.no_grad():
        change = (network(moved, torch.zeros(1)) - network(x, torch.zeros(1)))[0, 0] != 0
    assert bool(change[4:, :4].all())
    assert int(change.sum()) == 3 * 4


def test_attention_is_over_all_patches() -> None:
    torch.manual_seed(0)
    network = DiT((1, 8, 8), width=8, depth=1, heads=2)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)
    network(x, torch.zeros(1))[0, 0, 0, 0].backward()
    assert x.grad is not None
    assert math.isclose(float((x.grad != 0).double().mean()), 1)
