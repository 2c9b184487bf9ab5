from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from unstir.fields import ResidualMLP, UNet, build_network

SMALL = {"channels": (8, 16), "layers": 1}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def awake(network: nn.Module) -> nn.Module:
    """The network with its zeroed layers drawn anew, so that its output is not zero."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if not bool(parameter.any()):
            nn.init.normal_(parameter, std=0.1)
    return network.eval()


CASES = [
    pytest.param("mlp", (7,), {"width": 32, "depth": 2}, id="mlp-vector"),
    pytest.param("mlp", (1, 3, 4), {"width": 32}, id="mlp-image"),
    pytest.param("unet", (1, 8, 8), SMALL, id="unet-even"),
    pytest.param("unet", (3, 5, 7), SMALL, id="unet-odd"),
    pytest.param("unet", (1, 9, 6), {**SMALL, "channels": (8, 8, 16), "attention": False}, id="unet-plain"),
]
every = pytest.mark.parametrize(("name", "shape", "options"), CASES)


@every
def test_a_new_network_answers_zero_and_learns(
    name: str, shape: tuple[int, ...], options: dict[str, object], device: torch.device
) -> None:
    network = build_network(name, shape, options).to(device)
    x, noise = torch.randn(4, *shape, device=device), torch.linspace(-1.5, 1.5, 4, device=device)
    target = torch.randn(4, *shape, device=device)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    out = network(x, noise, None)
    assert out.shape == x.shape
    assert not bool(out.any())
    losses = []
    for _ in range(8):
        loss = (network(x, noise, None) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@every
def test_gradients_reach_every_parameter(
    name: str, shape: tuple[int, ...], options: dict[str, object]
) -> None:
    network = awake(build_network(name, shape, options))
    out = network(torch.randn(3, *shape), torch.tensor([-1.0, 0.0, 1.0]), None)
    (out**2).sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not bool(p.grad.any())]
    # Without a second token a bias on the keys changes no attention; nor do any where there is one pixel.
    assert all("to_k.bias" in n for n in silent), silent


@every
def test_the_noise_level_tells(name: str, shape: tuple[int, ...], options: dict[str, object]) -> None:
    network = awake(build_network(name, shape, options))
    x = torch.randn(1, *shape).expand(4, *shape)
    with torch.no_grad():
        out = network(x, torch.tensor([-1.5, -0.5, -0.49, 1.1]), None).flatten(1)
    scale = float(out.std())
    near, far = float((out[1] - out[2]).norm()), float((out[0] - out[3]).norm())
    assert far > 1e-3 * scale
    assert 0 < near < far


@every
def test_items_of_a_batch_do_not_mix(name: str, shape: tuple[int, ...], options: dict[str, object]) -> None:
    network = awake(build_network(name, shape, options))
    x, noise = torch.randn(5, *shape, generator=seeded()), torch.linspace(-1, 1, 5)
    with torch.no_grad():
        whole = network(x, noise, None)
        parts = torch.cat([network(x[i : i + 1], noise[i : i + 1], None) for i in range(5)])
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


def test_the_classes_by_name() -> None:
    assert isinstance(build_network("mlp", (2,)), ResidualMLP)
    assert isinstance(build_network("unet", (1, 8, 8)), UNet)


@pytest.mark.parametrize(
    ("name", "shape", "options", "words"),
    [
        ("resnet", (2,), {}, "network 'resnet' is not known; known: mlp, unet, transformer"),
        ("mlp", (2,), {"wide": 3}, "wide"),
        ("unet", (2,), {}, "it needs images, use mlp"),
    ],
)
def test_unknown_names_and_options_are_refused(
    name: str, shape: tuple[int, ...], options: dict[str, object], words: str, refused: Callable[..., str]
) -> None:
    assert words in refused(build_network, name, shape, options)
