"""Consistency sampling: it stays on the flow, and its samples depend on seed and index alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unstir.errors import InputError
from unstir.fields import ConsistencyField, NeuralField
from unstir.flow import Consistency, default_solver, parse_solver, sample
from unstir.flow.consistency import LEVELS, clock
from unstir.physics import DATA_STD, LinearProcess, parse


class Asked(nn.Module):
    """A network that answers a little of what it sees, and counts the items that it is asked about."""

    count = 0

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        self.count += len(x)
        return 0.3 * torch.sin(3 * x)


class Gaussian(ConsistencyField):
    """Knows where the flow of N(0, ¼) ends; its skip path has nearly nothing in place of the data."""

    def __init__(self, process: LinearProcess) -> None:
        super().__init__(NeuralField(nn.Identity(), process, std=1e-4))

    def deviation(self, t: float) -> Tensor:
        """√V of the state: the flow keeps x/√V."""
        time = torch.tensor(t, dtype=torch.float64)
        return (self.process.A(time).square() * DATA_STD**2 + self.process.B(time).square()).sqrt()

    def _answer(self, x: Tensor, t: Tensor, label: Tensor | None, e: Tensor | None) -> Tensor:
        return DATA_STD / self.deviation(float(t[0])).to(x) * x


def linear(name: str) -> LinearProcess:
    process = parse(name)
    assert isinstance(process, LinearProcess)
    return process


def sampled(name: str, steps: int, n: int = 5, **options: int) -> tuple[Tensor, int]:
    """Samples of 3 numbers, and how many items the network was asked about."""
    network = Asked()
    field = ConsistencyField(NeuralField(network, linear(name), shape=(3,)))
    return sample(field.process, field, n, (3,), steps=steps, **options), network.count


@pytest.mark.parametrize("name", ["vp", "edm", "rectified"])
@pytest.mark.parametrize(("place", "later"), [(0, 1), (0, 5), (2, 4), (3, 7)])
def test_the_state_on_the_way_is_the_flows_where_the_skip_path_knows_nothing(
    name: str, place: int, later: int
) -> None:
    field = Gaussian(linear(name))
    t, s = (clock(field.process)[k] for k in (place, later))
    x = field.deviation(t).float() * torch.randn(50, 1000, generator=torch.Generator().manual_seed(0))
    end, state = field.leap(x, t, s)
    torch.testing.assert_close(end, field(x, torch.full((50,), t)))
    truth = field.deviation(s).float() / field.deviation(t).float() * x
    assert float((state - truth).square().mean().sqrt() / truth.square().mean().sqrt()) < 0.03


def test_after_blurred_data_evaluations_follow_each_other_at_once() -> None:
    process = linear("heat")
    assert Consistency().times(process, 3) == clock(process)[:3]


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
def test_a_step_is_an_evaluation(steps: int) -> None:
    process = linear("vp")
    times = Consistency().times(process, steps)
    assert times[0] == process.t_max
    places = [clock(process)[:LEVELS].index(t) for t in times]
    assert places == ([0, 3] if steps == 2 else list(range(steps)) if steps != 3 else [0, 2, 3])
    assert len(times) == steps == Consistency().evaluations(steps)
    assert sampled("vp", steps)[1] == 5 * steps


def test_nothing_is_drawn_on_the_way_and_samples_depend_on_seed_and_index_alone() -> None:
    assert not Consistency().stochastic
    whole, _ = sampled("poisson:D=8", 3, 7, seed=5)
    parts = [sampled("poisson:D=8", 3, n, seed=5, first=first, batch=2)[0] for first, n in ((0, 3), (3, 4))]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)
    assert not torch.equal(whole, sampled("poisson:D=8", 3, 7, seed=6)[0])


def test_of_a_field_that_knows_the_end_all_numbers_of_evaluations_give_one_sample() -> None:
    field = Gaussian(linear("vp"))
    one, two, four = (sample(field.process, field, 50, (1000,), steps=k) for k in (1, 2, 4))
    size = float(one.square().mean().sqrt())
    assert size == pytest.approx(DATA_STD, rel=0.05)
    assert float((two - one).square().mean().sqrt()) < 0.03 * size
    assert float((four - one).square().mean().sqrt()) < 0.03 * size


def test_a_consistency_field_brings_its_solver() -> None:
    process = linear("vp")
    field = ConsistencyField(NeuralField(nn.Identity(), process))
    assert default_solver(process, field) == Consistency()
    assert parse_solver("consistency", process, field) == Consistency()
    assert default_solver(process) != Consistency()
    with pytest.raises(InputError, match=r"'heun' is not known\. Known: consistency"):
        parse_solver("heun", process, field)
    with pytest.raises(InputError, match="steps=7: a consistency field takes 1 to 6 steps"):
        Consistency().times(process, 7)
    with pytest.raises(InputError, match="solver consistency: is for a run of objective consistency"):
        sample(process, lambda x, t, label: x, 2, (3,), solver=Consistency(), steps=2)
