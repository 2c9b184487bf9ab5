"""Consistency fields: the boundary, the skip path's own flow, and pairs of one draw of the noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from unstir.errors import InputError
from unstir.fields import (
    ConsistencyField,
    GuidedField,
    MixtureField,
    ModalField,
    NeuralField,
)
from unstir.fields.augmented import Augmented, telling
from unstir.fields.consistency import Pairs, consistent, distance, pair
from unstir.fields.learned import LearnedField
from unstir.fields.modalsketch import SKETCHES
from unstir.flow import trajectory
from unstir.physics import DATA_STD, LinearProcess, parse
from unstir.train.distill import Trajectories

LINEAR = ["vp", "edm", "rectified", "poisson:D=128", "poisson:D=1", "yukawa:kappa=1"]
DAMPED = ["heat", "blurring"]


class Constant(nn.Module):
    """A network that answers one number, in half the channels that it is given."""

    def __init__(self, value: float, channels: int | None = None) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.channels = channels

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        return self.value.expand_as(x[:, : self.channels])


def blobs(n: int = 200) -> Tensor:
    """Images of 4×4 of three kinds, of standard deviation about ½."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.randn(3, 1, 4, 4, generator=generator)
    chosen = torch.randint(3, (n,), generator=generator)
    x = kinds[chosen] + 0.3 * torch.randn(n, 1, 4, 4, generator=generator)
    return DATA_STD * (x - x.mean()) / x.std()


def sketched(name: str, value: float) -> tuple[ConsistencyField, Tensor]:
    process, items = parse(name).prepared(blobs()), blobs()
    assert isinstance(process, LinearProcess)
    kind = NeuralField if process.damping is None else ModalField
    sketch = SKETCHES[next(iter(kind.sketches))]((1, 4, 4), 3, 4)
    field = kind(Constant(value, 1), process, shape=(1, 4, 4), sketch=sketch)
    field.prepare(items)
    return ConsistencyField(field).eval(), items


@pytest.mark.parametrize("name", [*LINEAR, *DAMPED])
def test_where_the_clock_ends_it_is_the_skip_path_whatever_the_network(name: str) -> None:
    field, items = sketched(name, 3.0)
    t = torch.full((len(items),), field.process.t_min)
    x = field.process.perturb(items, t, torch.Generator().manual_seed(1))
    skip = field.process.basis.state(field.denoiser.parts(x, t)[0])
    torch.testing.assert_close(field.train()(x, t), skip, rtol=0, atol=1e-6)
    later = torch.full((len(items),), field.process.times(4)[1].item())
    x = field.process.perturb(items, later, torch.Generator().manual_seed(1))
    end = field.process.basis.state(field.skip(x, later))
    assert float((field(x, later) - end).detach().square().mean()) > 1e-4  # there the network has a say


@pytest.mark.parametrize("name", LINEAR[:3])
def test_the_skip_path_of_gaussian_data_ends_where_their_flow_does(name: str) -> None:
    process = parse(name)
    assert isinstance(process, LinearProcess)
    field = ConsistencyField(NeuralField(Constant(0.0), process))
    for t in process.times(10, jump=4.0)[[0, 2, 5, 9]]:
        data = DATA_STD * torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
        x = process.perturb(data, t.expand(500), torch.Generator().manual_seed(1))
        low = torch.tensor(process.t_min, dtype=torch.float64)
        V, V_min = (process.A(c) ** 2 * DATA_STD**2 + process.B(c) ** 2 for c in (t, low))
        # The flow keeps x/√V; D̂ = A s²/V x at its end.
        truth = process.A(low) * DATA_STD**2 / (V * V_min).sqrt() * x
        off = (field(x, t.float().expand(500)) - truth).square().mean().sqrt() / truth.square().mean().sqrt()
        assert float(off.detach()) < 0.05


# Of modes that are damped apart one share of each step stands for all.
@pytest.mark.parametrize(
    ("name", "most"), [("vp", 0.15), ("poisson:D=128", 0.15), ("heat", 0.15), ("blurring", 0.3)]
)
def test_the_skip_path_is_walked_as_a_solver_walks_it(name: str, most: float) -> None:
    field, _ = sketched(name, 0.0)
    process = field.process
    x = process.prior(100, (1, 4, 4), torch.Generator().manual_seed(2))

    def skip(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        return process.basis.state(field.denoiser.parts(x, t)[0])

    *_, last = trajectory(process, skip, x, steps=40)
    end = process.basis.state(field.skip(x, torch.full((100,), process.t_max)))
    blurred = skip(x, torch.full((100,), process.t_max), None)
    error = (end - last.state).square().mean().sqrt()
    assert float(error.detach()) < most * float((blurred - last.state).square().mean().sqrt())


@pytest.mark.parametrize("name", [*LINEAR, "blurring"])
def test_a_pair_has_one_draw_of_the_noise(name: str) -> None:
    process, items = parse(name).prepared(blobs()), blobs()
    assert isinstance(process, LinearProcess)
    t, s = (process.times(9)[k].float().expand(len(items)) for k in (2, 3))
    x, nearer = pair(process, items, t, s, torch.Generator().manual_seed(0))
    noises = [
        (process.basis.coordinates(z) - process.signal(c, (1, 4, 4)) * process.basis.coordinates(items))
        / process.B(c)[:, None, None, None]
        for z, c in ((x, t), (nearer, s))
    ]
    torch.testing.assert_close(noises[0], noises[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["vp", "poisson:D=3", "yukawa:kappa=1"])
def test_pairs_leave_the_true_map_where_it_is_and_a_fresh_W_does_not(
    name: str, mixture: Callable[[LinearProcess, int], MixtureField]
) -> None:
    process = parse(name)
    assert isinstance(process, LinearProcess)
    oracle = mixture(process, 2)
    generator = torch.Generator().manual_seed(0)
    data = oracle.sample(4000, generator)
    t, s = (process.time_at(torch.tensor(r, dtype=torch.float64)) for r in (1.0, 0.95))

    def end(x: Tensor, time: Tensor) -> Tensor:
        ratio = torch.logspace(
            float((process.B(time) / process.A(time)).log10()), -2, 24, dtype=torch.float64
        )
        *_, last = trajectory(process, oracle, x, times=process.time_at(ratio).tolist())
        return last.state

    x, nearer = pair(process, data, t.expand(4000), s.expand(4000), generator)
    _, other = pair(process, data, t.expand(4000), s.expand(4000), generator)
    here = end(x, t)

    def pull(z: Tensor) -> float:
        """Of the loss on the scale of f: E f(x_t)·(f(x_t) − f(z)) over E ‖f(x_t)‖²."""
        return float((here * (here - end(z, s))).sum(1).mean() / here.square().sum(1).mean())

    assert abs(pull(nearer)) < 0.01
    assert pull(other) > 0.1


def test_its_loss_at_the_true_map_is_small_and_grows_with_a_wrong_one() -> None:
    process = parse("vp")
    assert isinstance(process, LinearProcess)
    data = DATA_STD * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    losses = []
    for value in (0.0, 0.5):
        field = ConsistencyField(NeuralField(Constant(value), process))
        field.progress = 1.0
        losses.append(float(Pairs().loss(field, data, torch.Generator().manual_seed(1), None).detach()))
    assert losses[0] < losses[1]
    t, s = Pairs().times(field, 1000, torch.Generator(), torch.device("cpu"))
    assert (s < t).all()
    assert float(t.max()) == pytest.approx(process.t_max)


def test_the_measured_scale_makes_the_targets_of_size_one() -> None:
    field, items = sketched("poisson:D=128", 0.0)
    t = torch.full((len(items),), field.process.times(4)[1].item())
    x = field.process.perturb(items, t, torch.Generator().manual_seed(1))
    field.measure(x, t, items)
    assert float(field.error(items, x, t).detach().mean()) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("name", ["vp", "blurring"])
def test_errors_are_in_pixels_and_none_beyond_the_ends_of_the_data(name: str) -> None:
    field, items = sketched(name, 0.0)
    t = torch.full((len(items),), field.process.times(4)[1].item())
    x = field.process.perturb(items, t, torch.Generator().manual_seed(1))
    ends = field.train()(x, t).detach()
    out = field._parts(x, t, None)[1]
    size = out[0].square().mean().sqrt()
    off = torch.full_like(ends, 0.1)
    squared = (0.1 / size).square().expand(len(items))
    torch.testing.assert_close(field.error(ends + off, x, t).detach(), squared)
    sketch = field.denoiser.sketch
    assert sketch is not None
    sketch.bounds.copy_(torch.tensor([0.0, 1.0]))
    # An answer below a black that is meant is none; one above it is.
    black = torch.zeros_like(ends)
    above = (ends.clamp_min(0) / size).square().flatten(1).mean(1)
    torch.testing.assert_close(field.error(black, x, t).detach(), above)


@pytest.mark.parametrize("name", ["vp", "blurring"])
def test_pairs_aim_at_what_lies_within_the_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field, items = sketched(name, -30.0)  # answers far beyond the data's ends
    aims: list[Tensor] = []
    error = ConsistencyField.error

    def noted(self: ConsistencyField, target: Tensor, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        aims.append(target)
        return error(self, target, x, t, label)

    monkeypatch.setattr(ConsistencyField, "error", noted)
    Pairs().loss(field.train(), items, torch.Generator().manual_seed(1), None)
    assert items.min() - 1e-6 <= aims[0].min()
    assert aims[0].max() <= items.max() + 1e-6


class Noting(nn.Module):
    """A network that notes what it is told of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))
        self.heard: list[Tensor | None] = []

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None, told: Tensor | None) -> Tensor:
        self.heard.append(told)
        return self.one.expand_as(x)


def test_a_pair_of_an_augmented_item_is_told_so_at_both_ends() -> None:
    process, network = parse("vp"), Noting()
    assert isinstance(process, LinearProcess)
    field, items = ConsistencyField(NeuralField(Augmented(network), process)), torch.zeros(6, 3)
    condition = torch.arange(12.0).reshape(6, 2)
    with telling(field, condition):
        field.loss(items, torch.Generator().manual_seed(0))
    assert len(network.heard) == 2
    assert all(told is not None and torch.equal(told, condition) for told in network.heard)
    # A teacher's trajectories are of items as they are, and more or fewer than the batch.
    network.heard.clear()
    field.lesson = Trajectories(NeuralField(Constant(0.0), process), process)
    with telling(field, condition):
        field.loss(items, torch.Generator().manual_seed(0))
        assert network.heard == [None]
        assert field.denoiser.network.condition is condition


def test_distances_are_those_of_pseudo_huber() -> None:
    squared = torch.tensor([0.0, 1e-6, 4.0])
    torch.testing.assert_close(
        distance(squared), torch.tensor([0.0, 1e-6 / 0.06, 2.0 - 0.03]), rtol=1e-2, atol=0
    )


def test_what_it_cannot_do_is_refused() -> None:
    field, _ = sketched("vp", 0.0)
    field.classes = 3
    with pytest.raises(InputError, match="guidance=2: is not for a distilled run"):
        GuidedField(field, 2.0)
    with pytest.raises(InputError, match="guide: is not for a distilled run"):
        GuidedField(field.denoiser, 2.0, weak=field)

    class Other(LearnedField[LinearProcess]):
        def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
            return x

        def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
            return data.sum()

    with pytest.raises(InputError, match="process vp has none; linear ones do"):
        consistent(Other(Constant(0.0), field.process))
