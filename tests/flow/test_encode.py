"""Items to states of the prior and back, and what lies between two of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from unstir.fields import ExactField, LangevinMixture, MixtureField
from unstir.flow.between import between, great_circle
from unstir.flow.encode import decode, encode
from unstir.physics import FlowProcess, Kac, LangevinProcess, LinearProcess, entries, heat, parse
from unstir.physics.kac import mixture_velocity

Refused = Callable[..., str]

WITHOUT = {"coins", "capacitor", "bridge"}
FLOWS = [entry.name for entry in entries() if entry.name not in WITHOUT | {"heat"}]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def oracle(name: str) -> tuple[FlowProcess, object, MixtureField]:
    """A process, its exact field of two normal laws in the plane (Kac flow's: on a line), and these."""
    process = parse(name)
    weights, means = torch.tensor([0.6, 0.4]), torch.tensor([[0.4, 0.1], [-0.6, 0.2]])
    variances = torch.tensor([0.04, 0.09])
    if isinstance(process, LangevinProcess):
        field = LangevinMixture(process, weights, means, variances)
        return process, field, field.data
    if isinstance(process, Kac):
        line = means[:, :1]

        def velocity(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
            flat = mixture_velocity(process, weights, line[:, 0], variances.sqrt(), x[:, 0], float(t[0]))
            return flat[:, None]

        return process, velocity, MixtureField(parse("edm"), weights, line, variances)  # type: ignore[arg-type]
    assert isinstance(process, LinearProcess)
    data = MixtureField(process, weights, means, variances)
    prepared = process.prepared(data.sample(100, seeded()).float())
    assert isinstance(prepared, LinearProcess)
    return prepared, MixtureField(prepared, weights, means, variances), data


@pytest.mark.parametrize("name", FLOWS)
def test_there_and_back_is_where_it_began(name: str) -> None:
    process, field, law = oracle(name)
    y = law.sample(12, seeded(1))
    shape = tuple(y.shape[1:])
    x = encode(process, field, y, steps=40)  # type: ignore[arg-type]
    assert x.shape[1:] == process.state_shape(shape)
    assert float((decode(process, field, x, shape, steps=40) - y).abs().max()) < 1e-3  # type: ignore[arg-type]
    assert float((x[:, : y.shape[1]] - y).abs().max()) > 0.1


def test_heat_there_and_back() -> None:
    data = 0.5 * torch.randn(6, 1, 4, 5, generator=seeded()).double()
    process = heat().prepared(data.float())
    field = ExactField(process, data)
    y = data + 0.01 * torch.randn(data.shape, generator=seeded(1)).double()
    x = encode(process, field, y, steps=60)
    found = decode(process, field, x, (1, 4, 5), steps=60)
    assert float((found - y).abs().max()) < 1e-2


@pytest.mark.parametrize("name", ["edm", "langevin", "kac"])
def test_the_error_falls_with_the_fourth_power_of_the_steps(name: str) -> None:
    process, field, law = oracle(name)
    y = law.sample(6, seeded(1))
    shape = tuple(y.shape[1:])
    x = encode(process, field, y, steps=400)  # type: ignore[arg-type]
    few = (40, 80) if name == "edm" else (20, 40)
    errors = [float((decode(process, field, x, shape, steps=n) - y).square().mean().sqrt()) for n in few]  # type: ignore[arg-type]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.8), errors


def test_a_normal_law_comes_to_the_priors() -> None:
    # The flow of one normal law is a straight scaling to the prior's.
    process = parse("vp")
    assert isinstance(process, LinearProcess)
    field = MixtureField(process, torch.ones(1), torch.zeros(1, 3), torch.tensor([0.04]))
    y = field.sample(5, seeded())
    ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
    low, high = ((process.A(ends) * 0.2) ** 2 + process.B(ends) ** 2).sqrt().tolist()
    expected = float(process.A(ends)[0]) * y * high / low
    torch.testing.assert_close(encode(process, field, y, steps=60), expected, rtol=1e-5, atol=1e-6)


def test_an_item_depends_on_no_other() -> None:
    process, field, law = oracle("poisson:D=8")
    y = law.sample(7, seeded(1))
    whole = encode(process, field, y, steps=10)  # type: ignore[arg-type]
    torch.testing.assert_close(encode(process, field, y[3:5], steps=10), whole[3:5], rtol=0, atol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_a_process_without_a_flow_is_refused(name: str, refused: Refused) -> None:
    message = refused(encode, parse(name), lambda x, t, label: x, torch.zeros(2, 1, 4, 4))
    assert "has no flow from data to a known prior" in message


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (torch.zeros(2, 2), {"steps": 0}, "steps=0: give 1 or more"),
        (torch.full((2, 2), math.nan), {}, "give finite floats"),
    ],
)
def test_bad_input_is_named(data: Tensor, options: dict[str, int], words: str, refused: Refused) -> None:
    assert words in refused(encode, parse("edm"), lambda x, t, label: x, data, **options)


def states(process: FlowProcess, n: int, shape: tuple[int, ...], seed: int) -> Tensor:
    return process.prior(n, shape, seeded(seed), torch.float64)


@pytest.mark.parametrize("name", ["edm", "vp", "poisson:D=1", "levy", "blurring", "langevin", "kac"])
def test_between_ends_are_the_ends_and_the_way_is_even(name: str) -> None:
    process = parse(name)
    assert isinstance(process, FlowProcess)
    a, b = (states(process, 5, (1, 4, 4), seed) for seed in (0, 1))
    share = torch.tensor([0.0, 0.25, 0.5, 1.0])
    found = between(process, a, b, share)
    torch.testing.assert_close(found[0], a, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[-1], b, rtol=1e-9, atol=1e-9)
    # The same way from the other end, and half-way to half-way.
    torch.testing.assert_close(between(process, b, a, 1 - share), found, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        between(process, a, found[2], torch.tensor([0.5]))[0], found[1], rtol=1e-8, atol=1e-8
    )
    torch.testing.assert_close(between(process, a, a, share)[2], a, rtol=1e-9, atol=1e-9)


def test_normal_noise_stays_on_its_shell() -> None:
    process = parse("edm:sigma_max=1")
    assert isinstance(process, LinearProcess)
    a, b = (states(process, 200, (400,), seed) for seed in (0, 1))
    middle = between(process, a, b, torch.tensor([0.5]))[0]
    assert float(middle.norm(dim=1).mean()) == pytest.approx(20, rel=0.01)
    straight = 0.5 * (a + b)
    assert float(straight.norm(dim=1).mean()) == pytest.approx(20 / math.sqrt(2), rel=0.02)
    # Each coordinate is normal still.
    assert kstest(middle[:, :40].flatten().numpy(), "norm").pvalue > 1e-3
    assert kstest(straight[:, :40].flatten().numpy(), "norm").pvalue < 1e-9


def test_heavy_tails_stay_between_the_ends() -> None:
    process = parse("poisson:D=1")
    assert isinstance(process, LinearProcess)
    a, b = (states(process, 300, (5,), seed) for seed in (0, 1))
    radius = between(process, a, b, torch.tensor([0.5]))[0].norm(dim=1)
    torch.testing.assert_close(radius, (a.norm(dim=1) * b.norm(dim=1)).sqrt())


def test_kac_flows_coordinates_keep_their_law_and_their_speed() -> None:
    process = parse("kac")
    assert isinstance(process, Kac)
    a, b = (states(process, 4, (4000,), seed) for seed in (0, 1))
    middle = between(process, a, b, torch.tensor([0.5]))[0]
    assert float(middle.abs().max()) < process.speed * 1.01
    assert kstest(middle[0].numpy(), a.flatten().numpy()).pvalue > 1e-3
    assert float(middle.var()) == pytest.approx(float(a.var()), rel=0.05)


def test_blurred_data_go_straight() -> None:
    data = 0.5 * torch.randn(6, 1, 8, 8, generator=seeded())
    process = heat().prepared(data)
    a, b = (states(process, 3, (1, 8, 8), seed) for seed in (0, 1))
    half = between(process, a, b, torch.tensor([0.5]))[0]
    u, v, w = (process.basis.coordinates(part).flatten(1) for part in (a, b, half))
    kept = process.modes
    assert kept is not None
    torch.testing.assert_close(w[:, kept], 0.5 * (u + v)[:, kept])
    rest = torch.ones(64, dtype=torch.bool)
    rest[kept] = False
    sigma = float(process.B(torch.tensor(process.t_max)))
    assert float(w[:, rest].std()) == pytest.approx(sigma, rel=0.2)


def test_great_circle_of_two_axes_and_of_one_point() -> None:
    a, b = torch.tensor([[2.0, 0.0]]).double(), torch.tensor([[0.0, 8.0]]).double()
    expected = 4 * torch.tensor([[math.cos(math.pi / 6), math.sin(math.pi / 6)]]).double()
    found = great_circle(a, b, 1 / 3)
    torch.testing.assert_close(found / found.norm(), expected / 4)
    assert float(found.norm()) == pytest.approx(2 * 4 ** (1 / 3))
    torch.testing.assert_close(great_circle(a, a * (1 + 1e-12), 0.3), a)


def test_shapes_and_processes_are_checked(refused: Refused) -> None:
    share = torch.tensor([0.5])
    assert "two batches alike" in refused(between, parse("edm"), torch.zeros(2, 2), torch.zeros(3, 2), share)
    assert "nothing lies between" in refused(
        between, parse("coins"), torch.zeros(2, 2), torch.zeros(2, 2), share
    )
