"""One suite for every registered network; what only one of them has is in its own file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from unstir.fields import NETWORKS, UNet, build_network

Shape = tuple[int, ...]
Options = dict[str, object]

TINY: dict[str, Options] = {
    "mlp": {"width": 16, "depth": 2},
    "patch-unet": {"width": 8, "layers": 1, "middle": 1},
    "unet": {"channels": (8, 16), "layers": 1},
    "dit": {"width": 16, "depth": 2, "heads": 2},
    "unet1d": {"channels": (8, 16), "layers": 1},
    "transformer": {"width": 16, "depth": 2, "heads": 2},
}
# For each an item, and one of an odd shape that is answered in another.
SHAPES: dict[str, list[tuple[Shape, Shape]]] = {
    "mlp": [((7,), (7,)), ((1, 3, 5), (2, 3, 5))],
    "patch-unet": [((1, 8, 8), (1, 8, 8)), ((3, 5, 7), (2, 5, 7))],
    "unet": [((1, 8, 8), (1, 8, 8)), ((3, 5, 7), (2, 5, 7))],
    "dit": [((1, 8, 8), (1, 8, 8)), ((3, 5, 7), (2, 5, 7))],
    "unet1d": [((1, 16), (1, 16)), ((3, 13), (2, 13))],
    "transformer": [((6, 4), (6, 4)), ((5, 3), (5, 7))],
}
CASES = [
    pytest.param(name, given, answer, id=f"{name}-{'x'.join(map(str, given))}")
    for name in NETWORKS
    for given, answer in SHAPES[name]
]
every = pytest.mark.parametrize(("name", "shape", "answer"), CASES)
CLASSES = 3


def made(name: str, shape: Shape, answer: Shape, classes: int = CLASSES, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(name, shape, TINY[name], answer, classes)


def awake(network: nn.Module) -> nn.Module:
    """The network with its zeroed layers drawn anew, so that its output is not zero."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if not bool(parameter.any()):
            nn.init.normal_(parameter, std=0.1)
    return network.eval()


@every
def test_a_new_network_answers_zero_and_learns(
    name: str, shape: Shape, answer: Shape, device: torch.device
) -> None:
    network = made(name, shape, answer).to(device)
    x, noise = torch.randn(4, *shape, device=device), torch.linspace(-1.5, 1.5, 4, device=device)
    label = torch.tensor([0, 1, 2, 3], device=device)
    target = torch.randn(4, *answer, device=device)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    out = network(x, noise, label)
    assert out.shape == target.shape
    assert not bool(out.any())
    losses = []
    for _ in range(8):
        loss = (network(x, noise, label) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@every
def test_gradients_reach_every_parameter(name: str, shape: Shape, answer: Shape) -> None:
    network = awake(made(name, shape, answer))
    noise, label = torch.tensor([-1.0, 0.0, 1.0, 0.5]), torch.tensor([0, 1, 2, 3])
    (network(torch.randn(4, *shape), noise, label) ** 2).sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert not silent
    table = [p.grad for p in network.parameters() if p.shape[0] == CLASSES + 1 and p.ndim == 2]
    assert any(rows is not None and bool(rows.any(1).all()) for rows in table)  # the row of no class too


@every
def test_the_noise_level_tells(name: str, shape: Shape, answer: Shape) -> None:
    network = awake(made(name, shape, answer))
    x = torch.randn(1, *shape).expand(4, *shape)
    with torch.no_grad():
        out = network(x, torch.tensor([-1.5, -0.5, -0.49, 1.1]), None).flatten(1)
    near, far = float((out[1] - out[2]).norm()), float((out[0] - out[3]).norm())
    assert far > 1e-3 * float(out.std())
    assert 0 < near < far


@every
def test_the_label_tells_and_the_last_number_is_no_label(name: str, shape: Shape, answer: Shape) -> None:
    network = awake(made(name, shape, answer))
    x, noise = torch.randn(1, *shape).expand(4, *shape), torch.zeros(4)
    with torch.no_grad():
        out = network(x, noise, torch.tensor([0, 1, 2, 3])).flatten(1)
        none = network(x, noise, None).flatten(1)
    scale = float(out.std())
    for i in range(4):
        for j in range(i):
            assert float((out[i] - out[j]).norm()) > 1e-3 * scale
    torch.testing.assert_close(none, out[3:].expand_as(none), rtol=1e-4, atol=1e-5)


@every
def test_without_classes_labels_are_ignored_and_nothing_else_is_built(
    name: str, shape: Shape, answer: Shape
) -> None:
    plain = awake(made(name, shape, answer, classes=0))
    x, noise = torch.randn(2, *shape), torch.zeros(2)
    with torch.no_grad():
        assert torch.equal(plain(x, noise, torch.tensor([0, 7])), plain(x, noise, None))
    told = made(name, shape, answer)
    extra = [p for n, p in told.named_parameters() if n not in dict(plain.named_parameters())]
    assert [len(p) for p in extra] == [CLASSES + 1]


@every
def test_items_of_a_batch_do_not_mix(name: str, shape: Shape, answer: Shape) -> None:
    network = awake(made(name, shape, answer))
    x, noise = torch.randn(4, *shape), torch.linspace(-1, 1, 4)
    label = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        whole = network(x, noise, label)
        parts = [network(x[i : i + 1], noise[i : i + 1], label[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(whole, torch.cat(parts), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_decides_all_weights(name: str) -> None:
    shape, answer = SHAPES[name][0]
    one, same, other = (made(name, shape, answer, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_grow_and_base_is_the_default(name: str) -> None:
    shape = SHAPES[name][0][0]
    with torch.device("meta"):  # shapes alone
        plain, *sized = (
            sum(p.numel() for p in build_network(name, shape, options).parameters())
            for options in ({}, *({"size": size} for size in ("small", "base", "large")))
        )
    assert 2 * sized[0] < sized[1] == plain
    assert 2 * sized[1] < sized[2]


# Another default size would refuse the runs of before.
@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("mlp", (2,), 1_661_698),
        ("unet", (1, 8, 8), 634_273),
        ("unet", (1, 28, 28), 1_045_729),
        ("transformer", (16, 12), 625_164),
    ],
)
def test_the_default_sizes_stay(name: str, shape: Shape, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build_network(name, shape).parameters()) == parameters


def test_options_stand_in_place_of_the_sizes() -> None:
    network = build_network("unet", (1, 8, 8), {"size": "large", "layers": 1})
    assert isinstance(network, UNet)
    assert (network.body.config["block_out_channels"], network.body.config["layers_per_block"]) == (
        (64, 128),
        1,
    )


def test_classes_may_be_an_option() -> None:
    one, two = build_network("mlp", (2,), {"classes": 4}), build_network("mlp", (2,), classes=4)
    assert [p.shape for p in one.parameters()] == [p.shape for p in two.parameters()]
    assert len(list(one.parameters())) == len(list(build_network("mlp", (2,)).parameters())) + 1


def test_an_unknown_network_is_refused(refused: Callable[..., str]) -> None:
    known = f"network 'resnet' is not known; known: {', '.join(NETWORKS)}"
    assert known in refused(build_network, "resnet", (2,))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wide": 3}, "wide"),
        ({"size": "huge"}, "size='huge' is not known; give small, base, large"),
        ({"size": 3}, "size=3 is not known"),
    ],
)
def test_bad_options_are_refused_in_a_line(
    name: str, options: Options, words: str, refused: Callable[..., str]
) -> None:
    message = refused(build_network, name, SHAPES[name][0][0], options)
    assert name in message
    assert words in message


@pytest.mark.parametrize(
    ("name", "shape", "options", "words"),
    [
        ("unet", (2,), {}, "it needs images, use mlp"),
        ("dit", (2, 8), {}, "it needs images, use mlp"),
        ("dit", (1, 8, 8), {"width": 30}, "width=30"),
        ("dit", (1, 8, 8), {"patch": 0}, "patch=0"),
        ("unet1d", (1, 8, 8), {}, "it needs signals, use mlp"),
        ("unet1d", (1, 8), {"layers": 0}, "layers=0"),
        ("transformer", (2,), {}, "it needs the letters of text"),
        ("mlp", (2,), {"width": -3}, "no mlp can be made of them"),
        ("transformer", (4, 4), {"width": 10, "heads": 3}, "no transformer can be made of them"),
    ],
)
def test_what_does_not_fit_is_refused(
    name: str, shape: Shape, options: Options, words: str, refused: Callable[..., str]
) -> None:
    assert words in refused(build_network, name, shape, options)
