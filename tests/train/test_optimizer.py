"""Muon beside Adam: each against torch's own on the parameters that are its."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from unstir.train import muon
from unstir.train.muon import Muon, _unchanged, orthogonal
from unstir.train.optimizer import Optimizer


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(16, 16, 3), nn.GroupNorm(4, 16), nn.Conv2d(16, 1, 3))


def give_gradients(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def test_adam_alone_is_torch_s() -> None:
    ours, theirs = network(), network()
    one = Optimizer(ours.parameters(), "adam")
    two = torch.optim.Adam(theirs.parameters(), lr=0.01, betas=(0.9, 0.99))
    for seed in range(3):
        give_gradients(ours, seed)
        give_gradients(theirs, seed)
        one.step(0.01)
        two.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_muon_moves_wide_matrices_orthogonally_and_adam_the_rest() -> None:
    module = network()
    before = [p.detach().clone() for p in module.parameters()]
    give_gradients(module, 0)
    optimizer = Optimizer(module.parameters(), "muon")
    optimizer.step(0.01)
    moved = [p.detach() - b for p, b in zip(module.parameters(), before, strict=True)]
    singular = torch.linalg.svdvals(moved[0].flatten(1)) / (0.01 * 0.2 * 144**0.5)
    # Five Newton–Schulz steps of these coefficients end between 0.7 and 1.2 (Jordan 2024).
    assert float(singular.min()) > 0.6
    assert float(singular.max()) < 1.3
    # The first step of Adam has the size of its rate, here a tenth: for biases, and for one row of outputs.
    for index in (1, 2, 3, 4):
        torch.testing.assert_close(
            moved[index].abs(), torch.full_like(moved[index], 0.001), atol=1e-6, rtol=1e-4
        )


def test_stacks_move_as_torch_moves_each_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(16, 40), (40, 16), (16, 40), (24, 24), (16, 64)]
    ours = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    theirs = copy.deepcopy(ours)
    one = Muon(ours)
    two = torch.optim.Muon(theirs, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for optimizer in (one, two):
        optimizer.param_groups[0]["lr"] = 0.01
    before = [p.detach().clone() for p in ours]
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        one.step()
        two.step()
    for a, b, old in zip(ours, theirs, before, strict=True):
        assert float((a - b).detach().norm()) < 0.03 * float((b.detach() - old).norm())  # bfloat16


@pytest.mark.parametrize("fast", [False, True])
def test_steps_are_orthogonal_in_either_precision(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    monkeypatch.setattr("unstir.train.muon.has_fast_bfloat16", lambda _device: fast)
    stack = torch.randn(3, 20, 50, generator=torch.Generator().manual_seed(0))
    (made,) = (each.float() for each in orthogonal([stack], (3.4445, -4.775, 2.0315), 5))
    singular = torch.linalg.svdvals(made)
    assert 0.6 < float(singular.min()) < float(singular.max()) < 1.3
    U, _, V = torch.linalg.svd(stack, full_matrices=False)
    along = torch.einsum("kmr,kmn,krn->kr", U, made, V)  # the singular vectors are those of before
    assert float(along.min()) > 0.6


def test_stacks_of_one_width_go_together_and_come_as_each_alone() -> None:
    stacks = [torch.randn(shape) for shape in ((2, 16, 40), (1, 24, 16), (3, 16, 16), (1, 20, 30))]
    coefficients = (3.4445, -4.775, 2.0315)
    for stack, found in zip(stacks, orthogonal(stacks, coefficients, 5), strict=True):
        alone = torch.cat([orthogonal([matrix[None]], coefficients, 5)[0] for matrix in stack])
        assert found.shape == stack.shape
        torch.testing.assert_close(found, alone, atol=0.02, rtol=0.02)


def spectrum(kind: str, columns: int) -> Tensor:
    """Matrices `(2, 32, columns)` of singular values as gradients have them."""
    stack = torch.randn(2, 32, columns, generator=torch.Generator().manual_seed(0))
    values = {"steep": torch.logspace(0, -4, 32), "few": torch.tensor([1.0] * 4 + [1e-3] * 28)}.get(kind)
    if values is None:
        return stack
    U, _, V = torch.linalg.svd(stack, full_matrices=False)
    return U * values @ V


@pytest.mark.parametrize("kind", ["any", "steep", "few"])
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("columns", [32, 288])
def test_matrices_come_as_near_by_the_products_of_their_rows(
    monkeypatch: pytest.MonkeyPatch, kind: str, columns: int, fast: bool
) -> None:
    """To Newton-Schulz in float64, as the plain steps in the same precision do; and not without a restart."""
    monkeypatch.setattr(muon, "has_fast_bfloat16", lambda _device: fast)
    stack, coefficients = spectrum(kind, columns), (3.4445, -4.775, 2.0315)
    exact = stack.double() / stack.double().norm(dim=(1, 2), keepdim=True)
    for _ in range(5):
        G = exact @ exact.mT
        exact = coefficients[0] * exact + (coefficients[1] * G + coefficients[2] * G @ G) @ exact

    def error(at_once: int) -> float:
        monkeypatch.setattr(muon, "_AT_ONCE", at_once)
        made = orthogonal([stack], coefficients, 5)[0].double()
        return float((made - exact).norm() / exact.norm())

    plain = error(1)
    assert plain < (0.5 if fast else 1e-4)
    assert error(3) < 1.3 * plain + 1e-5
    assert not fast or kind == "any" or columns == 32 or error(5) > 10 * plain


def test_weights_whose_channels_lie_last_move_as_others() -> None:
    moved = []
    for layout in (torch.contiguous_format, torch.channels_last):
        module = network().to(memory_format=layout)
        before = module[0].weight.detach().clone()
        give_gradients(module, 0)
        Optimizer(module.parameters(), "muon").step(0.01)
        moved.append(module[0].weight.detach() - before)
    difference = float((moved[0] - moved[1]).norm()) / float(moved[0].norm())
    assert float(moved[1].norm()) > 0
    assert difference < 0.05  # the sums of its bfloat16 products come in another order


LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("name", ["adam", "muon"])
@pytest.mark.parametrize("after", LAYOUTS)
@pytest.mark.parametrize("before", LAYOUTS)
def test_it_goes_on_in_any_layout(
    monkeypatch: pytest.MonkeyPatch, before: torch.memory_format, after: torch.memory_format, name: str
) -> None:
    monkeypatch.setattr(muon, "has_fast_bfloat16", lambda _device: False)

    def step(module: nn.Module, optimizer: Optimizer, seed: int) -> None:
        give_gradients(module, seed)
        for parameter in module.parameters():
            parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)  # as autograd lays them
        optimizer.step(0.01)

    first = network().to(memory_format=before)
    one = Optimizer(first.parameters(), name)
    step(first, one, 0)
    kept = {key: value.clone(memory_format=torch.contiguous_format) for key, value in one.tensors().items()}
    assert {key: value.shape for key, value in one.expected().items()} == {
        k: v.shape for k, v in kept.items()
    }
    second = network().to(memory_format=after)
    second.load_state_dict(first.state_dict())
    other = Optimizer(second.parameters(), name)
    other.restore(kept)
    for module, optimizer in ((first, one), (second, other)):
        step(module, optimizer, 1)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_it_goes_on_from_what_it_gave() -> None:
    module = network()
    optimizer = Optimizer(module.parameters(), "muon")
    give_gradients(module, 0)
    optimizer.step(0.01)
    other = copy.deepcopy(module)
    resumed = Optimizer(other.parameters(), "muon")
    kept = {name: value.clone() for name, value in optimizer.tensors().items()}
    assert {n: v.shape for n, v in kept.items()} == {n: v.shape for n, v in resumed.expected().items()}
    resumed.restore(kept)
    for one, its in ((module, optimizer), (other, resumed)):
        give_gradients(one, 1)
        its.step(0.02)
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_had_no_gradient_stays() -> None:
    module = network()
    before = copy.deepcopy(module.state_dict())
    optimizer = Optimizer(module.parameters(), "muon")
    give_gradients(module, 0)
    optimizer.zero_grad()
    optimizer.step(0.1)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not optimizer.tensors()


@pytest.mark.parametrize("name", ["adam", "muon"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_a_step_that_does_not_count_changes_nothing(name: str, bad: float) -> None:
    """Whatever the gradients are, and without a look at them; one that counts is as any."""
    module, plain = network(), network()
    one, two = (Optimizer(each.parameters(), name) for each in (module, plain))
    yes, no = torch.tensor(True), torch.tensor(False)
    for seed in range(2):
        for each in (module, plain):
            give_gradients(each, seed)
        one.step(0.01, yes)
        two.step(0.01)
    before = [value.clone() for value in [*module.parameters(), *one.tensors().values()]]
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), plain.parameters(), strict=True))
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, bad)
    one.step(0.01, no)
    after = [*module.parameters(), *one.tensors().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    give_gradients(module, 2)
    one.step(0.01, yes)
    assert not torch.equal(before[0], module[0].weight)


def test_what_lies_in_parts_is_put_back() -> None:
    """Where torch's own Muon makes the step, of which nothing may stay."""
    values = [torch.ones(3), torch.zeros(2)]
    for idle, wanted in ((1.0, 1.0), (0.0, 7.0)):
        with _unchanged(values, torch.tensor(idle)):
            for value in values:
                value.fill_(7.0)
        assert float(values[0][0]) == wanted
    with _unchanged(values, None):
        values[0].fill_(math.nan)
    assert bool(values[0].isnan().all())
