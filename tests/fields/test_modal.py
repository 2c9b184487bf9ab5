"""The whitened modes of a damped process: variances of one, and the denoiser's own error."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unstir.fields import MixtureField, ModalField, build_network, field_class
from unstir.physics import DampedProcess, blurring, heat, heat_poisson

SHAPE = (1, 6, 4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Remember(nn.Module):
    """Answers zero, and keeps what it was shown."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        self.seen.append((x.detach(), noise))
        return self.value.expand_as(x)


def images(n: int = 20_000) -> Tensor:
    """Images whose modes fall off as those of pictures do."""
    basis = blurring().basis
    size = torch.linspace(1, 0.1, 24).reshape(SHAPE)
    return 0.8 * basis.state(size * torch.randn(n, *SHAPE, generator=seeded()))


PROCESSES = [blurring(), heat(), heat(0.2), heat_poisson(8.0)]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.name)
def test_input_and_target_have_variance_one_in_every_mode(process: DampedProcess) -> None:
    data = images()
    prepared = process.prepared(data)
    network = Remember()
    field = ModalField(network, prepared, shape=SHAPE)
    for share in (0.02, 0.3, 0.6, 1.0):
        t = torch.full((len(data),), process.t_min + share * (process.t_max - process.t_min))
        x = prepared.perturb(data, t, seeded(1))
        with torch.no_grad():
            error = float(field.error(data, x, t).mean())
        tolerance = 0.25 if process.noise.mixed else 0.03
        assert error == pytest.approx(1, abs=tolerance)
        shown = prepared.basis.coordinates(network.seen[-1][0])
        assert float((shown.var(0) - 1).abs().mean()) < tolerance
        assert float(network.seen[-1][1].abs().max()) < 2


def test_the_wrong_spectrum_is_noticed() -> None:
    data, process = images(), blurring()
    field = ModalField(Remember(), process.prepared(images() * 3), shape=SHAPE)
    t = torch.full((len(data),), 0.5)
    with torch.no_grad():
        assert abs(float(field.error(data, process.perturb(data, t, seeded()), t).mean()) - 1) > 0.1


@pytest.mark.parametrize("process", [blurring(), heat(0.1)], ids=lambda p: p.name)
def test_for_gaussian_data_a_silent_network_is_the_exact_denoiser(process: DampedProcess) -> None:
    """Independent normal modes: the skip path alone is E[y | x]."""
    data = images()
    prepared = process.prepared(data)
    field = ModalField(Remember(), prepared, shape=SHAPE)
    spectrum = prepared.spectrum
    assert spectrum is not None
    identity = torch.eye(24).reshape(24, *SHAPE)
    modes = prepared.basis.coordinates(identity).reshape(24, 24)
    covariance = modes @ torch.diag(spectrum.flatten()) @ modes.T
    exact = MixtureField(prepared, torch.ones(1), torch.zeros(1, *SHAPE), covariance[None])
    for t in (0.2, 0.7):
        x = prepared.perturb(data[:50], torch.full((50,), t), seeded(2))
        with torch.no_grad():
            torch.testing.assert_close(field.at(t)(x, None), exact.at(t)(x, None), rtol=1e-3, atol=1e-4)


def test_training_a_little_lowers_the_loss_below_the_best_straight_line() -> None:
    data = torch.where(torch.rand(2000, 1, generator=seeded()) < 0.5, 0.5, -0.5).reshape(-1, 1, 1, 1)
    data = (data * torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(1, 1, 2, 2)).contiguous()
    process = blurring().prepared(data)
    field = field_class(process)(build_network("mlp", (1, 2, 2), {"width": 32, "depth": 2}), process)
    assert isinstance(field, ModalField)
    optimizer = torch.optim.Adam(field.parameters(), 3e-3)
    losses = []
    for step in range(300):
        loss = field.loss(data[:128], seeded(step))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-30:]) < 0.75 * sum(losses[:30])
