from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from unstir.fields import MixtureField, NeuralField, ResidualMLP
from unstir.physics import LinearProcess, parse

GAUSSIAN = ["vp", "vp:schedule=cosine", "ve", "edm", "rectified"]
HEAVY = ["poisson:D=1", "poisson:D=8", "poisson:D=128", "yukawa:kappa=0.1"]
STD = 0.3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fitted(name: str) -> LinearProcess:
    return parse(name).fitted(STD)


class Remember(nn.Module):
    """Answers with `value`, and remembers what it was asked."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value
        self.seen: list[tuple[Tensor, Tensor, Tensor | None]] = []

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        self.seen.append((x, noise, label))
        return torch.full_like(x, self.value)


def draws(process: LinearProcess, t: Tensor, n: int = 20_000, size: int = 4) -> tuple[Tensor, Tensor]:
    data = STD * torch.randn(n, size, generator=seeded())
    return data, process.perturb(data, t.expand(n), seeded(1))


@pytest.mark.parametrize("name", GAUSSIAN)
def test_input_and_target_of_the_network_have_unit_variance(name: str, device: torch.device) -> None:
    process, network = fitted(name), Remember()
    field = NeuralField(network, process, STD)
    misjudged, off = NeuralField(Remember(), process, 2 * STD), []
    for t in process.times(7):
        data, x = (v.to(device) for v in draws(process, t))
        # With a zero network the error is the target's mean square.
        target = field.error(data, x, t.float().expand(len(x)).to(device))
        assert float(target.mean()) == pytest.approx(1, abs=0.04)
        assert float(network.seen[-1][0].square().mean()) == pytest.approx(1, abs=0.04)
        off.append(float(misjudged.error(data, x, t.float().expand(len(x)).to(device)).mean()))
    assert min(off) < 0.5  # of data half as wide as it was told


@pytest.mark.parametrize("name", GAUSSIAN)
def test_with_a_zero_network_it_is_the_best_linear_denoiser(name: str) -> None:
    process = fitted(name)
    field = NeuralField(Remember(), process, STD)
    gaussian = MixtureField(parse("edm"), torch.ones(1), torch.zeros(1, 4), torch.tensor([STD**2]))
    for t in process.times(5):
        x = 0.5 * (float(process.A(t)) * STD + float(process.B(t))) * torch.randn(6, 4, generator=seeded())
        found = field(x, t.float().expand(6))
        # The same signal-to-noise ratio in EDM's clock, x/A against B/A, is one Gaussian's closed form.
        A, B = float(process.A(t)), float(process.B(t))
        expected = gaussian.at(B / A)(x.double() / A, None)
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [*GAUSSIAN, *HEAVY])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_one_time_for_all_is_the_same_as_a_time_each(name: str, value: float) -> None:
    process = fitted(name)
    field = NeuralField(Remember(value), process, STD)
    for t in process.times(5):
        _, x = draws(process, t, 50)
        torch.testing.assert_close(field.at(float(t))(x, None), field(x, t.expand(50)), rtol=1e-4, atol=1e-5)
        double = field.at(float(t))(x.double(), None)
        assert double.dtype == torch.float64


@pytest.mark.parametrize("name", [*GAUSSIAN, *HEAVY])
def test_the_error_is_the_denoisers_with_its_weight(name: str) -> None:
    process = fitted(name)
    torch.manual_seed(0)
    network = ResidualMLP((4,), 16, 1)
    nn.init.normal_(network.output.weight)
    field = NeuralField(network, process, STD)
    for t in process.times(6)[1:-1]:
        data, x = draws(process, t, 40)
        times = t.float().expand(40)
        error = field.error(data, x, times)
        # Two constants in place of the network tell c_out.
        zero, one = (NeuralField(Remember(v), process, STD)(x, times) for v in (0.0, 1.0))
        weight = (one - zero).mean(1) ** -2
        expected = weight * (field(x, times) - data).square().mean(1)
        torch.testing.assert_close(error, expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("name", HEAVY)
def test_every_noise_level_of_a_heavy_tail_counts_alike(name: str) -> None:
    process, network = fitted(name), Remember()
    field = NeuralField(network, process, STD)
    plain = NeuralField(Remember(), parse("edm").fitted(STD), STD)
    naive = []
    for t in process.times(7):
        data, x = draws(process, t, size=32)
        times = t.float().expand(len(x))
        assert 0.3 < float(field.error(data, x, times).mean()) < 1.7
        assert float(network.seen[-1][0].square().mean()) < 3
        naive.append(float(plain.error(data, x, times).mean()))
    if name == "poisson:D=1":
        assert max(naive) > 10  # where W is taken to be 1, a few draws are all that counts


def test_far_draws_of_a_cauchy_law_enter_at_bounded_size_and_are_still_told_apart() -> None:
    process, network = fitted("poisson:D=1"), Remember(1.0)
    field = NeuralField(network, process, STD)
    for t in process.times(5):
        data, x = draws(process, t, size=16)
        x[0] = x[0] / x[0].norm() * 1e5 * process.B(t)
        x[1] = 100 * x[0]
        out = field(x, t.float().expand(len(x)))
        entered, noise, _ = network.seen[-1]
        assert float(entered.square().mean(1).max()) <= 16
        assert bool(out.isfinite().all())
        assert bool(field.error(data, x, t.float().expand(len(x))).isfinite().all())
        # How far out a state is goes in with the noise level: ¼ ln of the factor of 100 between the two.
        assert float(noise[1] - noise[0]) == pytest.approx(0.25 * math.log(100), rel=0.1)
        torch.testing.assert_close(entered[0], entered[1], rtol=0.1, atol=1e-3)


@pytest.mark.parametrize("name", GAUSSIAN)
def test_the_noise_level_is_a_quarter_of_the_logarithm_of_the_ratio(name: str) -> None:
    process, network = fitted(name), Remember()
    times = process.times(5)
    NeuralField(network, process, STD)(torch.zeros(5, 2).double(), times)
    expected = 0.25 * torch.log(process.B(times) / process.A(times))
    torch.testing.assert_close(network.seen[0][1], expected, rtol=1e-6, atol=1e-6)
    for t in times.tolist():
        NeuralField(network, process, STD).at(t)(torch.zeros(1, 2).double(), None)
        ratio = process.B(torch.tensor(t).double()) / process.A(torch.tensor(t).double())
        assert float(network.seen[-1][1]) == pytest.approx(0.25 * math.log(float(ratio)), abs=1e-4)


def test_labels_reach_the_network() -> None:
    network, label = Remember(), torch.tensor([3, 1])
    field = NeuralField(network, parse("edm"))
    field(torch.zeros(2, 3), torch.ones(2), label)
    field.at(1.0)(torch.zeros(2, 3), label)
    field.error(torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(2), label)
    assert all(seen[2] is label for seen in network.seen)


class Half(nn.Module):
    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        return (0.25 * x).to(torch.bfloat16)


def test_a_network_in_half_precision_answers_in_the_states() -> None:
    field = NeuralField(Half(), parse("edm"))
    x = torch.randn(3, 4)
    assert field(x, torch.ones(3)).dtype == torch.float32
    assert field.at(1.0)(x, None).dtype == torch.float32
    assert field.error(x, x, torch.ones(3)).dtype == torch.float32
