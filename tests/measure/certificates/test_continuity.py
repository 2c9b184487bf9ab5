from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unstir.fields import ExactField, Field, MixtureField
from unstir.measure import continuity_residual
from unstir.physics import LinearProcess, edm, parse

Mixture = Callable[[LinearProcess, int], MixtureField]
NAMES = [
    "vp",
    "vp:schedule=cosine",
    "ve",
    "edm",
    "rectified",
    "poisson:D=1",
    "poisson:D=8",
    "poisson",
    "yukawa",
    "yukawa:kappa=0.1",
]
every = pytest.mark.parametrize("process", [parse(name) for name in NAMES], ids=NAMES)
RATIOS = [0.05, 0.3, 2.0, 20.0]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flow_of(process: LinearProcess, field: Field) -> Callable[[Tensor, float], Tensor]:
    def velocity(x: Tensor, t: float) -> Tensor:
        times = torch.full((len(x),), t, dtype=torch.float64)
        return process.velocity(x, times, field.at(t)(x, None))

    return velocity


def times(process: LinearProcess) -> list[float]:
    return [float(process.time_at(torch.tensor(ratio, dtype=torch.float64))) for ratio in RATIOS]


@every
@pytest.mark.parametrize("size", [2, 5])
def test_the_mixtures_field_carries_its_density(process: LinearProcess, size: int, mixture: Mixture) -> None:
    field = mixture(process, size)
    y = field.sample(20, seeded())
    worst = 0.0
    for t in times(process):
        x = process.perturb(y, torch.full((20,), t).double(), seeded(1))
        residual = continuity_residual(process, field.log_density, flow_of(process, field), x, t)
        assert residual.shape == (20,)
        worst = max(worst, float(residual.max()))
    sys.stdout.write(f"{process.name} in {size}-D: residual {worst:.1e}\n")
    assert worst < 1e-5


@every
def test_the_exact_field_of_points_carries_the_density_of_their_kernels(process: LinearProcess) -> None:
    # Here the law of noise is in closed form in both, with no quadrature.
    data = 0.5 * torch.randn(6, 3, generator=seeded()).double()
    field = ExactField(process, data)

    def log_density(x: Tensor, t: float) -> Tensor:
        return torch.logsumexp(process.log_kernel(x, data, torch.full((len(x),), t, dtype=torch.float64)), 1)

    for t in times(process):
        x = process.perturb(data, torch.full((6,), t).double(), seeded(1))
        assert float(continuity_residual(process, log_density, flow_of(process, field), x, t).max()) < 1e-5


@every
def test_wrong_velocities_fail(process: LinearProcess, mixture: Mixture) -> None:
    field = mixture(process, 2)
    right = flow_of(process, field)
    t = times(process)[1]
    x = process.perturb(field.sample(20, seeded()), torch.full((20,), t).double(), seeded(1))
    time = torch.full((20,), t, dtype=torch.float64)
    later = float(process.time_at(torch.tensor(0.4, dtype=torch.float64)))
    wrong: dict[str, Callable[[Tensor, float], Tensor]] = {
        "too fast": lambda x, t: 1.1 * right(x, t),
        "too much pull": lambda x, t: process.velocity(x, time, 1.1 * field.at(t)(x, None)),
        "another time's denoiser": lambda x, t: process.velocity(x, time, field.at(later)(x, None)),
        "the wrong way": lambda x, t: -right(x, t),
    }
    for name, velocity in wrong.items():
        residual = continuity_residual(process, field.log_density, velocity, x, t)
        assert float(residual.median()) > 1e-2, name


@pytest.mark.parametrize("name", ["poisson:D=1", "poisson:D=8", "yukawa"])
def test_gaussian_charges_do_not_carry_a_heavy_tailed_law(name: str) -> None:
    process, data = parse(name), 0.5 * torch.randn(6, 3, generator=seeded()).double()

    def log_density(x: Tensor, t: float) -> Tensor:
        return torch.logsumexp(process.log_kernel(x, data, torch.full((len(x),), t, dtype=torch.float64)), 1)

    t = times(process)[1]
    x = process.perturb(data, torch.full((6,), t).double(), seeded(1))
    residual = continuity_residual(process, log_density, flow_of(process, ExactField(edm(), data)), x, t)
    assert float(residual.median()) > 1e-3


def test_images_are_states_too(mixture: Mixture) -> None:
    process = edm()
    field = MixtureField(process, torch.ones(2), torch.randn(2, 1, 2, 3), torch.tensor([0.1, 0.2]))
    x = torch.randn(4, 1, 2, 3)
    residual = continuity_residual(process, field.log_density, flow_of(process, field), x, 0.5)
    assert float(residual.max()) < 1e-5


@pytest.mark.parametrize("t", [0.002, 80.0, 0.0, 100.0, float("nan")])
def test_times_off_the_clock_are_refused(t: float, mixture: Mixture, refused: Callable[..., str]) -> None:
    process = edm()
    field = mixture(process, 2)
    message = refused(
        continuity_residual, process, field.log_density, flow_of(process, field), torch.zeros(1, 2), t
    )
    assert "give a time between 0.002 and 80" in message
