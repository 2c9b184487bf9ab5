"""What pictures show, held against truth; and every picture of every process is written."""

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image
from scipy import stats
from scipy.fft import dct

from unstir import physics, picture
from unstir.physics.kac import mixture_velocity
from unstir.physics.pde import pde
from unstir.picture import coins, dome, lines, oracle, phase, rod, rows, slab, strips, tails
from unstir.picture.registry import gallery, parse
from unstir.picture.rows import evolution

NAMES = [entry.name for entry in physics.entries()]
# Few particles and steps, for the walk is the same.
POINTS = torch.tensor([[-0.6, 0.1], [0.4, 0.5], [0.2, -0.6], [0.0, 0.0], [0.7, -0.2]])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", [*NAMES, "pde"])
def test_every_process_has_its_pictures(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.picture.scene._ITEMS", 40)
    monkeypatch.setattr("unstir.picture.looks._POINTS", 12)
    monkeypatch.setattr("unstir.picture.lines._TIMES", 24)
    found = list(picture.write(name, tmp_path))
    view = picture.view_of(parse(name))
    assert [path.name.rsplit("-", 1)[1] for path in found] == [
        f"{p.name}.png" for p in picture.pictures(view)
    ]
    for path in found:
        pixels = np.asarray(Image.open(path).convert("L"))
        assert pixels.std() > 5, path  # something is drawn
        assert pixels.shape[1] >= 300


def test_coins_end_as_the_binomial() -> None:
    process = physics.coins(T=50)
    assert torch.allclose(coins.heads(process, 50.0), coins.bell(), atol=1e-12)
    # On the way, against coins that are really tossed.
    data = torch.zeros(20000, coins.COINS, dtype=torch.int64)
    data[:12000, : coins.PEAKS[0][0]] = 1
    data[12000:, : coins.PEAKS[1][0]] = 1
    tossed = process.perturb(data, torch.full((20000,), 20.0), generator()).sum(1)
    drawn = torch.bincount(tossed, minlength=coins.COINS + 1) / 20000
    law = coins.heads(process, 20.0)
    assert float(law.sum()) == pytest.approx(1, abs=1e-12)
    assert 0.5 * float((drawn - law).abs().sum()) < 0.03
    assert 0.5 * float((drawn - coins.heads(process, 25.0)).abs().sum()) > 0.1


def test_lines_come_evenly_to_the_hemisphere() -> None:
    charges = 0.5 * torch.randn((20, 2), generator=generator(), dtype=torch.float64)
    path = dome.rising(charges, 2000, 100.0, generator(1))
    ends = path[-1]
    assert torch.allclose(ends.norm(dim=1), torch.full((2000,), 100.0, dtype=torch.float64), rtol=1e-6)
    # Uniform on a half sphere: the height is uniform (Archimedes), and so is the turn.
    assert stats.kstest((ends[:, 2] / 100).numpy(), "uniform").pvalue > 0.01
    turn = torch.atan2(ends[:, 1], ends[:, 0]) / (2 * math.pi) + 0.5
    assert stats.kstest(turn.numpy(), "uniform").pvalue > 0.01
    assert stats.kstest((path[len(path) // 3, :, 2] / 100).numpy(), "uniform").pvalue < 1e-6
    # They start at charges.
    start = torch.cat([charges, torch.zeros(20, 1, dtype=torch.float64)], 1)
    assert float(torch.cdist(path[0], start).amin(1).max()) < 2e-3


def test_the_rod_obeys_the_heat_equation() -> None:
    process = physics.heat()
    assert isinstance(process, physics.HeatProcess)
    times = torch.tensor([0.0, 0.3, 0.6, 1.0], dtype=torch.float64)
    found = rod.temperatures(process, rod.profile(), times)
    n = len(rod.profile())
    # −∇² with insulated ends, by the modes of scipy's own cosine transform; τ = σ_B²/2.
    modes = dct(np.eye(n), axis=0, norm="ortho")
    laplace = modes.T @ np.diag((np.pi * np.arange(n) / n) ** 2) @ modes
    widths = 0.5 * (0.5 * n / 0.5) ** times.numpy()
    for u, width in zip(found, widths, strict=True):
        wanted = scipy.linalg.expm(-0.5 * width**2 * laplace) @ rod.profile().numpy()
        assert np.allclose(u.numpy(), wanted, atol=1e-8)
    assert torch.allclose(found.mean(1), rod.profile().mean().expand(4))
    left = rod.fading(process, n, times)
    assert torch.allclose(left[:, 0], torch.ones(4, dtype=torch.float64))
    assert bool((left[1:, 1:] < left[:-1, 1:]).all())


def test_capacitor_lines_end_on_charges_in_equal_shares() -> None:
    process, near, far = slab.plates(physics.capacitor())
    path = slab.across(process, near, far, 8)
    L = process.length((1,))
    minus = torch.cat([far, torch.full_like(far, L)], 1)
    gap, end = torch.cdist(path[-1], minus).min(1)
    arrived = gap < 2e-3 * L
    assert float(arrived.double().mean()) > 0.97
    # A minus charge takes as many lines as a plus charge sends, but for the few that eight a charge resolve.
    taken = torch.bincount(end[arrived], minlength=len(far)).double()
    assert float((taken - 8).abs().max()) <= 2
    # Some go round behind a plate.
    assert float(path[..., 1].min()) < -0.1 * L
    assert float(path[..., 1].max()) > 1.1 * L


@pytest.mark.parametrize("name", ["vp", "poisson:D=1", "yukawa:kappa=0.3"])
def test_lines_keep_their_quantile(name: str) -> None:
    bundle = lines.LinearLines().bundle(picture.view_of(physics.parse(name)))
    below = torch.cumulative_trapezoid(bundle.density, bundle.x, dim=0)
    outside = 0.5 * (1 - below[-1])
    for column in (30, 60, 90, 119):
        quantile = torch.from_numpy(
            np.interp(bundle.lines[:, column], bundle.x[1:], below[:, column] + outside[column])
        )
        wanted = torch.from_numpy(np.interp(bundle.lines[:, -1], bundle.x[1:], below[:, -1] + outside[-1]))
        assert float((quantile - wanted).abs().max()) < 0.01


def test_kac_lines_run_with_the_exact_velocity() -> None:
    process = physics.kac()
    bundle = lines.KacLines().bundle(picture.view_of(process))
    at = 25
    t, before, after = (float(bundle.times[at + i]) for i in (0, -1, 1))
    slope = (bundle.lines[:, at + 1] - bundle.lines[:, at - 1]) / (after - before)
    mixture = lines.WEIGHTS, lines.MEANS, lines.VARIANCES.sqrt()
    wanted = mixture_velocity(process, *mixture, bundle.lines[:, at], t)
    assert float((slope - wanted).abs().max()) < 0.1
    assert float(wanted.abs().max()) > 0.8


def test_langevin_turns_position_into_velocity_and_back() -> None:
    process = physics.langevin()
    first, last = phase.densities(process, (0.002, 1.0), 61)
    axis = torch.linspace(-3, 3, 61, dtype=torch.float64)
    for law in (first, last):
        assert float(law.sum()) * (0.1 * 0.1 * process.mass**0.5) == pytest.approx(1, abs=0.02)
    rest = stats.norm.pdf(axis)[:, None] * stats.norm.pdf(axis)[None] / process.mass**0.5
    assert float((last - torch.from_numpy(rest)).abs().max()) < 0.01
    assert float((first - torch.from_numpy(rest)).abs().max()) > 1


def test_tails_are_scipys() -> None:
    r = torch.tensor([0.1, 1.0, 10.0, 100.0])
    assert np.allclose(tails.tail(physics.StudentT(1.0), r), stats.cauchy.pdf(r.double()), rtol=1e-6)
    assert np.allclose(tails.tail(physics.Gaussian(), r), stats.norm.pdf(r.double()), rtol=1e-6)


def test_rows_keep_or_lose_their_mass() -> None:
    for name, rate in (("heat", 0.0), ("screened", 1.0)):
        process = pde(name, dimension=1)
        times, density = evolution(process, 10)
        mass = density.sum(1) * process.box.spacing
        assert torch.allclose(mass, torch.exp(-rate * times.to(mass)), atol=1e-6)
    # Waves part into halves that run at speed 1, and forget nothing.
    process = pde("wave", dimension=1)
    times, density = evolution(process, 30)
    assert not process.verdict
    assert float(density[-1].amax() / density[0].amax()) > 0.4
    assert rows._verdict(process)[0] == "cannot generate: C2 fails"


@pytest.mark.parametrize("name", ["edm", "kac", "langevin", "capacitor"])
def test_exact_fields_give_the_data_back(name: str) -> None:
    process = physics.parse(name)
    shown = gallery(process)
    view = picture.Scene(
        process, POINTS, shown.exact, shown.clock, None, shown.solver, shown.steps, shown.walk
    )
    ends = strips.backward(view, 60)[-1].state
    gap, landed = torch.cdist(ends, view.items).min(1)
    assert float(gap.quantile(0.9)) < 0.03
    assert len(landed.unique()) == len(POINTS)
    first = strips.forward(view, 5)[0].state
    assert float(torch.cdist(first, view.items).amin(1).max()) == 0


def test_pairs_field_meets_gaussian_shrinkage_of_two_points() -> None:
    process = physics.bridge(task="denoise", noise=0.2)
    data = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1)
    field = oracle.PairsField(process, data)
    x, start, t = 0.1, -0.05, 0.4
    # By Bayes, from the joint densities of each of the two.
    weight = [
        stats.norm.pdf(x, (1 - t) * y + t * start, process.sigma * math.sqrt(t * (1 - t)))
        * stats.norm.pdf(start, y, 0.2)
        for y in (-1.0, 1.0)
    ]
    wanted = (weight[1] - weight[0]) / sum(weight)
    state = torch.tensor([x, start]).reshape(1, 2, 1, 1)
    assert float(field(state, torch.tensor([t]))) == pytest.approx(wanted, abs=1e-5)


def test_kac_field_is_the_posterior_mean_of_the_target() -> None:
    process = physics.kac()
    x = 0.7 * torch.randn((6, 2), generator=generator())
    t = torch.full((6,), 0.3, dtype=torch.float64)
    weight = torch.softmax(process.log_kernel(x, POINTS, t), 1)
    each = torch.stack([process.target(y.expand_as(x), x, t) for y in POINTS], 1).double()
    wanted = (weight[..., None] * each).sum(1)
    assert torch.allclose(oracle.KacField(process, POINTS)(x, t).double(), wanted, atol=2e-2)


def test_what_cannot_be_drawn_is_refused(refused) -> None:  # noqa: ANN001
    assert "restores images" in refused(lambda: list(picture.write("bridge", Path("/nowhere"), "swissroll")))
    assert "leave --data out" in refused(lambda: list(picture.write("pde", Path("/nowhere"), "digits")))
    assert "images and tables" in refused(
        lambda: list(picture.write("coins", Path("/nowhere"), "arithmetic"))
    )


def test_file_names() -> None:
    assert picture.slug("poisson:D=1") == "poisson-D1"
    assert picture.slug("coins:noise=absorbing,T=10") == "coins-noise-absorbing-T10"
