from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unstir.fields import ExactField
from unstir.fields.charges import ChargesField, Sums, direct_sums, kernel_sums
from unstir.fields.chebyshev import Nodes, proved, transfer
from unstir.fields.kernels import Bell, Charge, Kernel, kernel_of
from unstir.fields.pairing import Stage, stages
from unstir.physics import parse
from unstir.physics.plate import PointPlate

Refused = Callable[..., str]
EPS = 1e-2  # few nodes, so few seconds; some tests ask for more


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    """No direct sum however few the pairs, cubes split far down; the work done so far."""
    work: list[Stage] = []

    def noted(*arguments: object) -> list[Stage]:
        work[:] = stages(*arguments)  # type: ignore[arg-type]
        return work

    monkeypatch.setattr("unstir.fields.charges._DIRECT", {1: 0, 2: 0, 3: 0})
    monkeypatch.setattr("unstir.fields.pairing._NEAR", {1: 50, 2: 50, 3: 200})
    monkeypatch.setattr("unstir.fields.pairing._FEW", {1: 4, 2: 4, 3: 20})
    monkeypatch.setattr("unstir.fields.charges.stages", noted)
    return work


def by_pairs(x: Tensor, y: Tensor, q: Tensor, kernel: Kernel) -> tuple[Sums, Tensor, Tensor, Tensor]:
    """The sums, Σ |q| k, Σ |q| k ρ and the largest ρ, from the formulas with every pair in memory."""
    away = x[:, None] - y
    squared = (away**2).sum(-1)
    k = kernel.log(squared / kernel.unit**2).exp()
    if kernel.singular:
        k = torch.where(squared > 0, k, 0.0)
    sums = Sums((q * k).sum(1), ((q * k)[..., None] * away).sum(1))
    size = q.abs() * k
    rho = squared.sqrt()
    return sums, size.sum(1), (size * torch.where(size > 0, rho, 0)).sum(1), rho.amax(1)


def within_bound(x: Tensor, y: Tensor, q: Tensor, kernel: Kernel, tolerance: float) -> None:
    found = kernel_sums(x, y, kernel, q, tolerance)
    true, total, pull, reach = by_pairs(x, y, q, kernel)
    reach = torch.zeros_like(reach) if kernel.singular else 0.15 * reach + 0.05 * kernel.unit
    # Beyond this nothing can be told in float32, and `ChargesField` does not use it.
    seen = total > 1e-30 if not kernel.singular else total >= 0
    assert ((found.total - true.total).abs() <= tolerance * total)[seen].all()
    allowed = tolerance * (pull + reach * total)
    assert ((found.pull - true.pull).norm(dim=1) <= allowed)[seen].all()


@pytest.mark.parametrize("d", [1, 2, 5])
def test_tiles_are_the_sum_over_all_pairs(d: int) -> None:
    x, y, q = uniform(200, d), uniform(1500, d, seed=1), normal(1500)
    x[:7] = y[:7]
    for kernel in (Charge(1), Charge(d), Charge(3.5), Charge(d, 0.1), Charge(130, 0.9), Bell(0.3)):
        true, total, pull, _ = by_pairs(x, y, q, kernel)
        double = direct_sums(x, y, q, kernel)
        assert ((double.total - true.total).abs() <= 1e-12 * total).all()
        assert ((double.pull - true.pull).norm(dim=1) <= 1e-12 * (pull + total)).all()
    few = direct_sums(x[:3], y, q, Charge(1))
    torch.testing.assert_close(few.pull, direct_sums(x, y, q, Charge(1)).pull[:3])
    single = direct_sums(x.float(), y.float(), q.float(), Charge(d, 0.1))
    true, total, *_ = by_pairs(x, y, q, Charge(d, 0.1))
    assert ((single.total - true.total).abs() <= 1e-4 * total).all()


@pytest.mark.parametrize("name", ["edm", "poisson:D=1", "poisson:D=128", "yukawa:kappa=1", "levy:alpha=1.8"])
def test_kernels_are_those_of_the_processes(name: str) -> None:
    process, t = parse(name), 0.3
    x, y = normal(20, 2), normal(30, 2, seed=1)
    kernel = kernel_of(process.noise, 0.3, 2)
    squared = ((x[:, None] - y) ** 2).sum(-1) / kernel.unit**2
    logs = process.log_kernel(x, y, torch.full((20,), t, dtype=torch.float64))
    difference = logs - kernel.log(squared)
    assert float(difference.max() - difference.min()) < 1e-9 * float(logs.abs().max())
    value = kernel.weigh_(squared.clone())
    torch.testing.assert_close(value, kernel.log(squared).exp(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("d", "n"), [(1, 6), (2, 6), (3, 5)])
def test_no_place_exceeds_the_error_of_a_transfer_nor_that_the_proof(d: int, n: int) -> None:
    nodes = Nodes(n, d)
    a, b = 2 * uniform(150, d) - 1, 2 * uniform(150, d, seed=1) - 1
    a[:30], b[:30] = a[:30].sign(), b[:30].sign()
    for kernel in (Charge(d), Charge(d + 1, 2.0), Bell(2.0)):
        for far in ((0, 0, 2), (0, 1, 2), (1, 1, 3)):
            offset = far[-d:]
            one = transfer(kernel, nodes, offset, 1.0, 0.1)
            assert one.U.shape[1] < n**d
            shift = 2 * torch.tensor(offset)
            k = kernel.log(((shift - a[:, None] + b) ** 2).sum(-1) / kernel.unit**2).exp()
            rough = nodes.all_weights(a) @ one.U @ (nodes.all_weights(b) @ one.V).T * math.exp(one.log_top)
            assert float(((rough - k) / k).abs().max()) <= one.relative
    closest = (*(0,) * (d - 1), 2)
    # Asked for what no interpolation reaches it answers with the error of all nodes.
    plain = transfer(Charge(d), nodes, closest, 1.0, 1e-15)
    assert plain.absolute <= proved(d, n, d, 2.0)
    assert transfer(Charge(d), Nodes(n + 1, d), closest, 1.0, 1e-15).absolute < 0.5 * plain.absolute


def layouts(n: int, d: int) -> dict[str, Tensor]:
    """Places of charges, from the kind to the cruel."""
    along = torch.zeros(n, d, dtype=torch.float64)
    along[:, 0] = torch.linspace(0, 1, n, dtype=torch.float64)
    sizes = 10.0 ** -torch.arange(1, 7, dtype=torch.float64)
    clusters = uniform(6, d, seed=2)[torch.arange(n) % 6] + sizes[torch.arange(n) % 6, None] * normal(n, d)
    outlier = uniform(n, d)
    outlier[0] = 1e5
    return {
        "uniform": uniform(n, d),
        "clusters": clusters,
        "line": along,
        "outlier": outlier,
        "one spot": torch.full((n, d), 0.3, dtype=torch.float64),
        "duplicates": uniform(n // 8, d).repeat(8, 1),
        "two far apart": torch.cat([uniform(n // 2, d) * 1e-4, 1 + uniform(n // 2, d) * 1e-4]),
    }


def cruel(d: int, layout: str) -> tuple[Tensor, Tensor, Tensor]:
    """Targets on charges, a hair beside them, between and outside; charges of both signs."""
    y = layouts(400, d)[layout]
    on, off = y[::8], uniform(100, d, seed=3)
    x = torch.cat([on, on[:20] + 1e-7 * normal(20, d), off, off[:20] * 3 - 1])
    return x, y, normal(len(y), seed=4)


@pytest.mark.parametrize("layout", layouts(8, 1))
def test_the_bound_holds_at_every_target(layout: str, found: list[Stage]) -> None:
    x, y, q = cruel(2, layout)
    far = 0
    for kernel in (Charge(2), Charge(2, 1e-5), Charge(130, 0.5), Bell(0.05), Bell(30)):
        within_bound(x, y, q, kernel, EPS)
        far += sum(len(stage.far) for stage in found)
    assert far


@pytest.mark.parametrize(("d", "layout"), [(1, "clusters"), (3, "uniform"), (3, "clusters"), (3, "outlier")])
def test_the_bound_holds_on_a_line_and_in_space(d: int, layout: str, found: list[Stage]) -> None:
    x, y, q = cruel(d, layout)
    far = 0
    for kernel in (Charge(d), Charge(d + 1, 0.3)):
        within_bound(x, y, q, kernel, 0.05)
        far += sum(len(stage.far) for stage in found)
    assert far


@pytest.mark.parametrize(("tolerance", "loosest"), [(1e-3, 1e-4), (1e-6, 1e-7)])
def test_a_tolerance_is_kept_and_not_by_summing_all_pairs(
    tolerance: float, loosest: float, found: list[Stage]
) -> None:
    x, y, q = uniform(200, 2), uniform(600, 2, seed=1), uniform(600, seed=2)
    for kernel in (Charge(2), Charge(3, 0.1)):
        within_bound(x, y, q, kernel, tolerance)
        fine = kernel_sums(x, y, kernel, q, tolerance)
        assert sum(len(stage.far) for stage in found) > 20
        rough = kernel_sums(x, y, kernel, q, 0.1)
        true = by_pairs(x, y, q, kernel)[0]
        assert float(((fine.total - true.total) / true.total).abs().max()) < loosest
        assert float(((rough.total - true.total) / true.total).abs().max()) > loosest


def test_cubes_with_few_and_with_many_others_at_an_offset_are_carried_alike(
    found: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, q = uniform(300, 2), uniform(900, 2, seed=1), normal(900)
    ways = []
    for few in (0, 2):
        monkeypatch.setattr("unstir.fields.farfield._FEW", few)
        ways.append(kernel_sums(x, y, Charge(2), q, EPS))
    assert sum(len(stage.far) for stage in found) > 100
    assert not torch.equal(ways[0].pull, ways[1].pull)
    size = by_pairs(x, y, q, Charge(2))[2]
    assert ((ways[0].pull - ways[1].pull).norm(dim=1) <= 1e-6 * size).all()


@pytest.mark.parametrize(("targets", "sources"), [(40, 900), (900, 40)])
@pytest.mark.parametrize("together", [1, 1 << 17])
def test_whoever_visits_whom_float64_serves_where_float32_does_not(
    targets: int, sources: int, together: int, found: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstir.fields.nearfield._PAIRS", together)
    x, y = uniform(targets, 2), uniform(sources, 2, seed=1)
    # Nearer than float32 tells places apart, beside a place that both share.
    x[:6], x[6:12] = y[:6] + 1e-9 * normal(6, 2), y[6:12]
    q = normal(sources)
    within_bound(x, y, q, Charge(2), EPS)
    near = [torch.unique(stage.near[:, 0]) for stage in found]
    assert sum(len(cubes) for cubes in near) > 5
    true, size = by_pairs(x, y, q, Charge(2))[:2]
    close = kernel_sums(x[:6], y, Charge(2), q, EPS)
    assert ((close.total - true.total[:6]).abs() <= 1e-5 * size[:6]).all()


def test_charges_in_a_plane_pull_as_a_plate_does(found: list[Stage]) -> None:
    y, x, z = uniform(800, 2), uniform(150, 2, seed=1), 0.05
    flat = torch.nn.functional.pad(y, (0, 1))
    raised = torch.nn.functional.pad(x, (0, 1), value=z)
    space = kernel_sums(raised, flat, Charge(3), tolerance=EPS)
    plane = kernel_sums(x, y, Charge(3, z), tolerance=EPS)
    log_weight, across = PointPlate(y).pull(x, torch.full((150,), z, dtype=torch.float64))
    total = log_weight.exp() * 800
    torch.testing.assert_close(space.total, total, rtol=EPS, atol=0)
    torch.testing.assert_close(plane.total / z**3, total, rtol=EPS, atol=0)
    torch.testing.assert_close(space.pull[:, 2], z * total, rtol=EPS, atol=0)
    scale = total[:, None] * (x[:, None] - y).norm(dim=-1).amax(1, keepdim=True)
    assert ((space.pull[:, :2] - total[:, None] * across).abs() <= EPS * scale).all()


@pytest.mark.parametrize("name", ["edm", "vp", "poisson:D=1", "poisson:D=128", "yukawa:kappa=1"])
def test_the_denoiser_is_the_exact_one(name: str, found: list[Stage]) -> None:
    process = parse(name)
    data = torch.cat([0.3 * normal(500, 2), uniform(300, 2, seed=1) - 1.2])
    weights = uniform(800, seed=2)
    field, exact = ChargesField(process, data, weights, EPS), ExactField(process, data, weights)
    for t in process.times(4).tolist():
        x = process.perturb(data[::8], torch.full((100,), t, dtype=torch.float64), seeded(3))
        logits = process.log_kernel(x, data, torch.full((100,), t, dtype=torch.float64)) + weights.log()
        share = torch.softmax(logits, 1)
        D = exact.at(t)(x, None)
        spread = (share * (D[:, None] - data).norm(dim=-1)).sum(1)
        A = float(process.A(torch.tensor(t)))
        rho = (share * (x[:, None] / A - data).norm(dim=-1)).sum(1)
        extent = float((data.amax(0) - data.amin(0)).norm())
        allowed = EPS / (1 - EPS) * (spread + 0.15 * extent + 0.05 * rho)
        off = (field.at(t)(x, None) - D).norm(dim=1)
        assert (off <= allowed).all()
        assert float(off.max()) < 2 * EPS


def test_far_from_all_data_it_is_exact_and_signals_may_vanish(found: list[Stage]) -> None:
    data = uniform(200, 2)
    x = torch.tensor([[40.0, 3.0], [0.5, 0.5], [-1e6, 1e5]], dtype=torch.float64)
    process = parse("edm")
    expected = ExactField(process, data).at(0.01)(x, None)
    torch.testing.assert_close(ChargesField(process, data).at(0.01)(x, None), expected, rtol=1e-3, atol=1e-3)
    rectified = parse("rectified")
    mean = ChargesField(rectified, data).at(rectified.t_max)(x[1:2], None)
    torch.testing.assert_close(mean[0], data.mean(0), rtol=1e-2, atol=1e-2)
    times = torch.tensor([0.01, 0.5, 0.01], dtype=torch.float64)
    mixed = ChargesField(process, data)(x, times)
    torch.testing.assert_close(mixed, ExactField(process, data)(x, times), rtol=1e-3, atol=1e-3)


def test_wrong_arguments_are_named(refused: Refused) -> None:
    x = uniform(5, 2)
    assert "x, y" in refused(kernel_sums, x, uniform(5, 3), Charge(2))
    assert "charges" in refused(kernel_sums, x, x, Charge(2), uniform(4))
    assert "y: 1 values" in refused(kernel_sums, x[:, :1], torch.tensor([[1.0], [math.nan]]), Charge(2))
    assert "tolerance=0.5" in refused(kernel_sums, x, x, Charge(2), None, 0.5)
    assert "order=-1" in refused(Charge, -1.0)
    assert "N from 1 to 3" in refused(ChargesField, parse("edm"), uniform(5, 4))
    assert "ExactField" in refused(ChargesField, parse("heat"), uniform(5, 2))
