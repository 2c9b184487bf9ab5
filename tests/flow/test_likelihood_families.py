"""The likelihood of every continuous process, against laws that are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from unstir.fields import ExactField, ExactPlates, GaussianPairs, LangevinMixture, MixtureField
from unstir.flow import log_likelihood
from unstir.flow.ascent import PhaseAscent
from unstir.flow.slab import SlabAscent
from unstir.physics import (
    Bridge,
    Capacitor,
    FlowProcess,
    Kac,
    LangevinProcess,
    LinearProcess,
    PointPlate,
    capacitor,
    entries,
    heat,
    langevin,
    parse,
)
from unstir.physics.capacitor import log_flux
from unstir.physics.kac import mixture_velocity
from unstir.physics.plate import GaussianPlate, Plate, combined

Refused = Callable[..., str]
Mixture = Callable[[LinearProcess, int], MixtureField]

# Those with no density of items alone: the coins', whose bound is tested with them, and the bridge's.
WITHOUT = {"coins", "bridge"}
# The hemisphere's radius is made for images; so large that of two numbers too nothing is left.
NAMES = {"pfgm": "pfgm:M=500"}
EXACT = [entry.name for entry in entries() if entry.name not in WITHOUT | {"heat", "langevin", "capacitor"}]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(name: str) -> tuple[FlowProcess, object, MixtureField]:
    """A process, its exact field of normal data about (0.1, −0.2), and the law of these."""
    process = parse(NAMES.get(name, name))
    law = (torch.ones(1), torch.tensor([[0.1, -0.2]]), torch.tensor([0.25]))
    if isinstance(process, Kac):
        weights, means, variances = law[0], law[1][:, :1], law[2]

        def velocity(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
            flat = mixture_velocity(process, weights, means[:, 0], variances.sqrt(), x[:, 0], float(t[0]))
            return flat[:, None]

        return process, velocity, MixtureField(parse("edm"), weights, means, variances)  # type: ignore[arg-type]
    assert isinstance(process, LinearProcess)
    data = MixtureField(process, *law)
    prepared = process.prepared(data.sample(100, seeded()).float())
    assert isinstance(prepared, LinearProcess)
    return prepared, MixtureField(prepared, *law), data


@pytest.mark.parametrize("name", EXACT)
def test_of_normal_data_it_is_within_a_hundredth_of_a_nat(name: str) -> None:
    process, field, law = normal(name)
    y = law.sample(8, seeded(1))
    found = log_likelihood(process, field, y, divergence="exact", given="items", steps=15)  # type: ignore[arg-type]
    size = y.shape[1]
    assert float((found - law.log_data_density(y)).abs().max()) < 1e-2 * size
    if not getattr(getattr(process, "noise", None), "mixed", False):
        # Hutchinson's estimate has no error where the Jacobian is diagonal.
        guess = log_likelihood(process, field, y, given="items", steps=15)  # type: ignore[arg-type]
        torch.testing.assert_close(guess, found, rtol=0, atol=1e-6)
    # A law that is not the data's is told from it.
    assert float((found - law.log_data_density(y + 0.1)).abs().min()) > 1e-3


def test_heats_is_that_of_its_kernels_about_the_points_it_began_with() -> None:
    data = 0.5 * torch.randn(12, 1, 3, 4, generator=seeded()).double()
    process = heat().prepared(data.float())
    x = process.perturb(data[:4], torch.full((4,), process.t_min).double(), seeded(1))
    found = log_likelihood(process, ExactField(process, data), x, divergence="exact", steps=60)
    expected = process.log_kernel(x, data, torch.full((4,), process.t_min).double())
    truth = torch.logsumexp(expected, 1) - math.log(len(data))
    assert float((found - truth).abs().max()) < 1e-2 * 12


def langevin_mixture(process: LangevinProcess) -> LangevinMixture:
    means = torch.tensor([[0.4, 0.1], [-0.6, 0.2]])
    return LangevinMixture(process, torch.tensor([0.6, 0.4]), means, torch.tensor([0.04, 0.02]))


def draws_of_langevin(n: int = 800) -> tuple[Tensor, Tensor]:
    """Estimates for one item, of a velocity each, and its log density."""
    process = langevin()
    field = langevin_mixture(process)
    y = field.data.sample(1, seeded(3))
    found = log_likelihood(process, field, y.expand(n, 2), divergence="exact", given="items", steps=60)
    return found, field.data.log_data_density(y)


def test_langevins_is_below_the_density_and_near_it() -> None:
    found, truth = draws_of_langevin()
    error = float(found.std()) / math.sqrt(len(found))
    gap = float(truth) - float(found.mean())
    assert -3 * error - 1e-3 < gap < 0.02
    # exp of it has the density itself as its mean: importance sampling over velocities.
    share = (found - truth).exp()
    assert abs(float(share.mean()) - 1) < 3 * float(share.std()) / math.sqrt(len(share)) + 5e-3


def test_velocities_of_another_law_leave_it_further_below(monkeypatch: pytest.MonkeyPatch) -> None:
    enter = PhaseAscent.__init__

    def wider(self: PhaseAscent, *args: object) -> None:
        enter(self, *args)  # type: ignore[arg-type]
        self._deviation *= 1.5

    monkeypatch.setattr(PhaseAscent, "__init__", wider)
    found, truth = draws_of_langevin()
    # KL(N(0, 1.5²) ‖ N(0, 1)) of two numbers
    expected = 2 * (0.5 * 1.5**2 - 0.5 - math.log(1.5))
    assert float(truth) - float(found.mean()) == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("name", ["edm", "langevin"])
def test_equal_steps_are_of_fourth_order(name: str, mixture: Mixture) -> None:
    process = parse(name)
    field: MixtureField | LangevinMixture
    if isinstance(process, LangevinProcess):
        field = langevin_mixture(process)
        y, steps = field.data.sample(6, seeded()), [20, 40]
    else:
        assert isinstance(process, LinearProcess)
        field = mixture(process, 2)
        y, steps = field.sample(6, seeded()), [60, 120]

    def found(steps: int) -> Tensor:
        return log_likelihood(process, field, y, divergence="exact", given="items", steps=steps)

    truth = found(3 * steps[-1])
    errors = [float((found(n) - truth).square().mean().sqrt()) for n in steps]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.6)


def test_with_equal_steps_an_item_depends_on_the_seed_and_its_index_alone(mixture: Mixture) -> None:
    process = parse("edm")
    field = mixture(process, 8)
    y = field.sample(6, seeded())
    whole = log_likelihood(process, field, y, steps=10, seed=4)
    part = log_likelihood(process, field, y[4:], steps=10, seed=4, first=4)
    torch.testing.assert_close(part, whole[4:], rtol=0, atol=1e-9)
    assert float((log_likelihood(process, field, y, steps=10, seed=5) - whole).abs().min()) > 1e-6


@pytest.mark.parametrize(
    ("name", "why"),
    [("coins", "nats_bound"), ("bridge", "an item is a pair")],
)
def test_a_process_without_one_says_why(name: str, why: str, refused: Refused) -> None:
    message = refused(log_likelihood, parse(name), lambda x, t, label: x, torch.zeros(2, 1, 4, 4))
    assert why in message


@dataclass(frozen=True)
class Aside(Plate):
    """A Gaussian plate about another place."""

    centre: Tensor

    def pull(self, x: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        return GaussianPlate(0.5).pull(x - self.centre, height)


@pytest.mark.parametrize("size", [2, 16])
def test_of_a_capacitor_with_normal_data_it_is_within_a_hundredth_of_a_nat(size: int) -> None:
    process, centre = capacitor(), 0.1 * torch.randn(size, generator=seeded(), dtype=torch.float64)
    y = centre + 0.5 * torch.randn((8, size), generator=seeded(3), dtype=torch.float64)
    field = ExactPlates(process, Aside(centre))
    found = log_likelihood(process, field, y, divergence="exact", given="items", steps=20)
    truth = torch.distributions.Normal(centre, 0.5).log_prob(y).sum(1)
    assert float((found - truth).abs().max()) < 1e-2 * size


@pytest.mark.parametrize("far", [0, 9])
def test_of_a_capacitor_it_is_that_of_its_charges_as_the_lines_come_near_them(far: int) -> None:
    y = 0.5 * torch.randn((12, 6), generator=seeded(), dtype=torch.float64)
    partner = 0.5 * torch.randn((far, 6), generator=seeded(1)) if far else None
    process = capacitor().prepared(y, partner)
    assert isinstance(process, Capacitor)
    x = y[:4] + 0.01 * torch.randn((4, 6), generator=seeded(2), dtype=torch.float64)
    found = log_likelihood(process, ExactPlates(process, y), x, divergence="exact", steps=60)
    truth = log_flux(PointPlate(y), x, torch.tensor(0.01 * 0.5, dtype=torch.float64))
    assert float((found - truth).abs().max()) < 1e-2


def test_a_capacitors_share_of_another_mass_is_brought_to_one() -> None:
    process = capacitor()

    class Heavier(ExactPlates):
        """The near plate's charges a fifth heavier: the same lines but for a little."""

        def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
            (near, across), far = (
                self.near.pull(x.double(), self.process.length(x.shape[1:]) * t.double()),
                self.far.pull(x.double(), self.process.length(x.shape[1:]) * (t.double() - 1)),
            )
            return self.process.field(*combined((near + math.log(1.2), across), far), t, x.shape[1:])

    near = GaussianPlate(0.5)
    flow = SlabAscent(process, Heavier(process, near), (16,))
    y = 0.5 * torch.randn((200, 16), generator=seeded(), dtype=torch.float64)
    flow.enter(y, None)
    assert float(flow._mass_of(None, y)) == pytest.approx(math.log(1.2), abs=0.01)
    # At the end of the flow the density is that of the lighter charges.
    x = 20 * torch.randn((50, 16), generator=seeded(1), dtype=torch.float64)
    lighter = SlabAscent(process, ExactPlates(process, near), (16,))
    lighter.enter(y, None)
    torch.testing.assert_close(flow.log_prior(x), lighter.log_prior(x), rtol=0, atol=0.02)


def test_of_a_bridge_it_is_the_density_of_the_clean_given_the_degraded() -> None:
    # Normal pairs, whose regression is known, and far from what an untrained bridge takes it for.
    a = torch.randn((4, 4), generator=seeded(), dtype=torch.float64)
    covariance, mean = 0.1 * a @ a.T + 0.05 * torch.eye(4), torch.tensor([0.1, -0.2, 0.1, 0.0]).double()
    process = parse("bridge")
    assert isinstance(process, Bridge)
    field = GaussianPairs(process, mean, covariance)
    pairs = (
        mean
        + torch.randn((8, 4), generator=seeded(1), dtype=torch.float64) @ torch.linalg.cholesky(covariance).T
    )
    factor = torch.linalg.solve(covariance[2:, 2:], covariance[2:, :2]).T
    left = covariance[:2, :2] - factor @ covariance[2:, :2]
    guess = mean[:2] + (pairs[:, 2:] - mean[2:]) @ factor.T
    law = torch.distributions.MultivariateNormal(guess, left)
    items = pairs[..., None, None]
    found = log_likelihood(process, field, items, divergence="exact", given="items", steps=15)
    assert float((found - law.log_prob(pairs[:, :2])).abs().max()) < 1e-2 * 2
    # Told of another image's degraded self it is another.
    other = torch.cat([items[:, :2], items.flip(0)[:, 2:]], 1)
    assert (
        float((log_likelihood(process, field, other, divergence="exact", steps=15) - found).abs().max()) > 0.1
    )


def test_steps_and_probes_are_checked(refused: Refused) -> None:
    field = ExactField(parse("edm"), torch.zeros(1, 2))  # type: ignore[arg-type]
    for options in ({"steps": 0}, {"probes": 0}):
        message = refused(log_likelihood, parse("edm"), field, torch.zeros(2, 2), **options)
        assert "give 1 or more" in message
