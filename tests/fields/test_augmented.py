"""Networks that are told a condition: the same as without it until it says something."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unstir.fields import NETWORKS, NeuralField, build_network
from unstir.fields.augmented import Augmented, telling
from unstir.physics import edm

SHAPES = {"mlp": (1, 8, 8), "unet1d": (2, 16), "transformer": (6, 4)}
TINY: dict[str, dict[str, object]] = {
    "mlp": {"width": 16, "depth": 1},
    "patch-unet": {"width": 8, "layers": 1, "middle": 1},
    "unet": {"channels": (8, 16), "layers": 1},
    "dit": {"width": 16, "depth": 1, "heads": 2},
    "unet1d": {"channels": (8, 16), "layers": 1},
    "transformer": {"width": 16, "depth": 1, "heads": 2},
}
every = pytest.mark.parametrize("classes", [0, 3])
named = pytest.mark.parametrize("name", NETWORKS)


def awake(name: str, classes: int, augment: int) -> nn.Module:
    """A network whose zeroed layers, but the condition's, are drawn anew, with it as without it."""
    torch.manual_seed(0)
    shape = SHAPES.get(name, (1, 8, 8))
    network = build_network(name, shape, TINY[name], None, classes, augment)
    torch.manual_seed(1)
    for key, parameter in network.named_parameters():
        if "told" not in key and not bool(parameter.any()):
            nn.init.normal_(parameter, std=0.1)
    return network


@named
@every
def test_all_other_weights_are_those_of_a_network_without_it(name: str, classes: int) -> None:
    with_it, without = awake(name, classes, 4), awake(name, classes, 0)
    told = [key for key, _ in with_it.named_parameters() if "told" in key and "embedding" in key]
    assert len(told) == 1
    ours = [value for key, value in with_it.state_dict().items() if key != told[0]]
    theirs = list(without.state_dict().values())
    assert len(ours) == len(theirs)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    x, noise = torch.randn(3, *SHAPES.get(name, (1, 8, 8))), torch.tensor([-1.0, 0.0, 1.0])
    label = torch.tensor([0, 2, 3]) if classes else None
    expected = without(x, noise, label)
    for condition in (None, torch.zeros(3, 4), torch.randn(3, 4)):  # its layer is zero at first
        torch.testing.assert_close(with_it(x, noise, label, condition), expected, rtol=0, atol=0)


@named
@every
def test_the_condition_is_a_linear_shift_of_the_features(name: str, classes: int) -> None:
    """Once learned it tells; none is the same as zeros; and each item is told its own."""
    network = awake(name, classes, 4)
    layer = next(parameter for key, parameter in network.named_parameters() if "told" in key and "emb" in key)
    nn.init.normal_(layer)
    x, noise = torch.randn(3, *SHAPES.get(name, (1, 8, 8))), torch.zeros(3)
    label = torch.tensor([0, 2, 3]) if classes else None
    condition = torch.tensor([[0.0, 0, 0, 0], [1, 0, -1, 0.5], [0, 2, 0, 0]])
    with torch.no_grad():
        plain, zeros = network(x, noise, label), network(x, noise, label, torch.zeros(3, 4))
        told = network(x, noise, label, condition)
    torch.testing.assert_close(plain, zeros, rtol=0, atol=0)
    torch.testing.assert_close(told[0], plain[0], rtol=1e-5, atol=1e-6)
    for i in (1, 2):
        assert float((told[i] - plain[i]).norm()) > 1e-3 * float(plain[i].norm())


class Telltale(nn.Module):
    """A network that answers with what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None, told: Tensor | None) -> Tensor:
        return torch.zeros_like(x) if told is None else self.one * told.expand_as(x)


def test_a_field_tells_its_network_within_the_block_and_no_longer() -> None:
    field = NeuralField(Augmented(Telltale()), edm())
    x, t, condition = torch.zeros(2, 1), torch.full((2,), 0.7), torch.tensor([[1.0], [-1.0]])
    with telling(field, condition):
        told = field(x, t)
    assert torch.equal(told.sign(), condition)
    assert not bool(field(x, t).any())
    with pytest.raises(KeyError), telling(field, condition):
        raise KeyError
    assert not bool(field(x, t).any())
    with telling(field, torch.zeros(2, 0)):  # a flip, of which there is nothing to tell
        assert not bool(field(x, t).any())
    with telling(NeuralField(nn.Identity(), edm()), condition):
        pass
