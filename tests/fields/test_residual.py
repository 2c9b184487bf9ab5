"""diffusers' blocks taken over: what diffusers' own network of the same weights answers, and gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import UNet2DModel
from torch import nn

from unstir.fields import build_network
from unstir.fields.residual import Residual, added, is_plain


@pytest.mark.parametrize(
    "options", [{"channels": [8, 16], "attention": True}, {"channels": [8, 8], "layers": 2}]
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_network_answers_as_diffusers_own(options: dict[str, object], layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours = build_network("unet", (2, 8, 8), options, (1, 8, 8), 3).body
    for parameter in ours.parameters():
        if not bool(parameter.any()):
            nn.init.normal_(parameter, std=0.1)
    theirs = UNet2DModel.from_config(ours.config)
    theirs.load_state_dict(ours.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert any(isinstance(module, Residual) for module in ours.modules())
    ours, theirs = (each.to(memory_format=layout) for each in (ours, theirs))
    x = torch.randn(3, 2, 8, 8).contiguous(memory_format=layout)
    level, label = torch.tensor([-50.0, 0.0, 80.0]), torch.tensor([0, 3, 1])
    answers, gradients = [], []
    for network in (ours, theirs, copy.deepcopy(ours)):
        answers.append(network(x, level, label, return_dict=False)[0])
        gradients.append(torch.autograd.grad(answers[-1].square().sum(), list(network.parameters())))
    for answer, gradient in zip(answers[1:], gradients[1:], strict=True):
        torch.testing.assert_close(answer, answers[0])
        torch.testing.assert_close(gradient, gradients[0], rtol=1e-4, atol=1e-4)


def test_what_is_not_plain_stays_diffusers_own() -> None:
    block = UNet2DModel(
        block_out_channels=(8, 8), down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4, dropout=0.1,
    ).down_blocks[0].resnets[0]  # fmt: skip
    assert not is_plain(block)
    block.dropout.p = 0.0
    assert is_plain(block)
    block.output_scale_factor = 2.0
    assert not is_plain(block)


def test_a_sum_is_never_narrower_than_its_parts() -> None:
    narrow, wide = torch.ones(2, dtype=torch.bfloat16), torch.full((2,), 1.001)
    assert added(narrow.clone(), wide).dtype == torch.float32
    made = torch.ones(2)
    assert added(made, narrow) is made
