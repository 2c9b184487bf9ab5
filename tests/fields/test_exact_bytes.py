"""Products in whole numbers, against float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unstir.fields import ExactField, exact_points
from unstir.fields.exact_bytes import ByteProducts, Bytes, digit_error, split
from unstir.fields.exact_dense import LOGIT_ERROR, _products, dense, plain, rounding
from unstir.fields.exact_points import Points, Question
from unstir.physics import LinearProcess, parse

LAWS = ["edm", "poisson:D=1", "poisson:D=128", "yukawa:kappa=1", "blurring"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(x: Tensor) -> Tensor:
    return x


def photos(count: int = 1500, size: int = 8, levels: int = 256) -> Tensor:
    """Smooth images of whole levels, in model units."""
    noise = torch.randn(count, 1, size, size, generator=seeded())
    k = torch.fft.fftfreq(size)[:, None] ** 2 + torch.fft.rfftfreq(size)[None] ** 2
    images = torch.fft.irfft2(torch.fft.rfft2(noise) / (0.02 + k), s=(size, size))
    whole = (images / images.std() * levels / 5 + levels / 2).round().clamp(0, levels - 1)
    return (whole - 0.37 * levels) / (0.4 * levels)


@pytest.fixture(autouse=True)
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers on processors that are no faster for it."""
    monkeypatch.setattr(exact_points, "served", lambda device: True)


def asked(process: LinearProcess, data: Tensor, t: float, n: int = 24) -> tuple[Question, Tensor]:
    x = process.perturb(data[:n], torch.full((n,), t), seeded(1))
    time = torch.tensor([t], dtype=torch.float64)
    A = process.signal(time, x.shape[1:]).reshape(1, -1)
    u = process.basis.coordinates(x).flatten(1)
    return Question(u, A, process.B(time)[:, None], process.noise), x


@pytest.mark.parametrize("levels", [2, 16, 256])
def test_points_are_found_again(levels: int) -> None:
    data = photos(levels=levels).flatten(1)
    known = Bytes.of(data, same, same)
    assert known is not None
    torch.testing.assert_close(known.codes * known.step + known.centre, data, rtol=0, atol=1e-5)
    assert known.codes.unique().numel() <= levels


@pytest.mark.parametrize("kind", ["noise", "one value off", "300 levels", "constant"])
def test_what_is_on_no_grid_is_not_taken_for_one(kind: str) -> None:
    data = photos(levels=300 if kind == "300 levels" else 256).flatten(1)
    if kind == "noise":
        data = data + 1e-3 * torch.randn(data.shape, generator=seeded(3))
    if kind == "one value off":
        data[1200, 5] += 1e-3
    if kind == "constant":
        data = torch.full_like(data, 0.3)
    assert Bytes.of(data, same, same) is None


def test_products_that_might_not_fit_into_32_bits_are_not_taken() -> None:
    long, fits = (torch.tensor([[0.0], [1.0]]).expand(2, n) for n in (140_000, 1000))
    assert Bytes.of(long, same, same) is None
    assert Bytes.of(fits, same, same) is not None


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_digits_leave_no_more_than_they_say(digits: int) -> None:
    x = 2 * torch.rand(40, 300, generator=seeded(), dtype=torch.float64) - 1
    x[0, 0], x[1, 1] = 1.0, -1.0
    parts = split(x, digits).view(digits, 40, 300).double()
    found = sum(part / 127 / 254.0**place for place, part in enumerate(parts))
    assert isinstance(found, Tensor)
    least = 1 / (254 * 254.0 ** (digits - 1))
    assert float((found - x).abs().max()) <= least * (1 + 1e-9)
    assert float((found - x).abs().max()) > 0.9 * least
    assert bool(((found - x).norm(dim=1, keepdim=True) <= digit_error(x, digits)).all())


@pytest.mark.parametrize("name", LAWS)
def test_three_digits_are_as_exact_as_float32(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    process, data = parse(name), photos()
    assert isinstance(process, LinearProcess)
    field = ExactField(process, data, prune=False)
    points = field._all.points
    assert points.bytes is not None
    monkeypatch.setattr(exact_points, "served", lambda device: False)
    floats = Points(points.values, points.log_weights)
    assert floats.bytes is None
    for t in process.times(7).tolist()[1:4]:
        question, _ = asked(process, data, t)
        exact = plain(question, points, torch.float64).double()
        found = dense(question, points)
        single = dense(question, floats)
        error, theirs = ((one - exact).norm(dim=1).max() for one in (found, single))
        assert not torch.equal(found, single)
        assert float(error) < max(3 * float(theirs), 2e-5)


def floats(count: int = 1500) -> Tensor:
    """Images on no 256 levels: each with a contrast of its own."""
    return photos(count) * (0.7 + 0.3 * torch.rand(count, 1, 1, 1, generator=seeded(4)))


def two_digits(data: Tensor) -> Bytes:
    known = Bytes.near(data.flatten(1), same, same)
    assert known is not None
    assert known.finer is not None
    return known


def test_a_second_digit_is_what_the_first_leaves() -> None:
    data = floats()
    known = two_digits(data)
    first = data.flatten(1).double() - known.centre - known.step * known.codes.double()
    assert known.finer is not None
    rest = first - known.step / 254 * known.finer.double()
    assert float(first.abs().max()) > 0.49 * known.step
    assert float(rest.norm(dim=1).max()) <= known.longest_rest
    assert float(rest.abs().max()) < 0.6 * known.step / 254
    some = slice(100, 400)
    torch.testing.assert_close(known.means(some)[1], known.finer[some].float().mean(0) / 254)
    assert Bytes.near(torch.full((900, 64), 0.3), same, same) is None
    data[7, 0, 0, 0] = 100.0  # leaves the others few levels
    assert Bytes.near(data.flatten(1), same, same) is None


@pytest.mark.parametrize("digits", [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2)])
def test_products_of_two_digits_are_off_by_no_more_than_they_say(digits: tuple[int, int]) -> None:
    data, part = floats(600), slice(50, 550)
    known, points = two_digits(data), data.flatten(1).double()
    g = torch.randn(7, 64, generator=seeded(2), dtype=torch.float64)
    g[0] = points[3] - known.centre  # along a point, where roundings line up most
    way = ByteProducts(g, known, *digits)
    found = -0.5 * way.squared(part, torch.zeros(1, 500), torch.zeros(7, 1)).double()
    error = (found - g @ points[part].T).abs().amax(1, keepdim=True)
    float32 = 3e-6 * g.norm(dim=1, keepdim=True)
    assert bool((error <= way.off() + float32).all())
    assert bool((error > 1e-3 * way.off())[1:].all())


@pytest.mark.parametrize("name", LAWS)
def test_floats_in_two_digits_are_a_thousandth_off_at_most(name: str) -> None:
    process, data = parse(name), floats()
    assert isinstance(process, LinearProcess)
    points = ExactField(process, data, prune=False)._all.points
    assert points.bytes is None
    assert points.digits is not None
    times, used = process.times(9).tolist()[:5], 0
    for t in times:
        question, _ = asked(process, data, t)
        exact, found = plain(question, points, torch.float64), dense(question, points)
        way, off = _products(question, points, -0.5, low=False)
        assert isinstance(way, ByteProducts)
        assert off is not None
        size = exact.norm(dim=1).clamp_min(float(points.squares.mean().sqrt()))
        assert bool(((found - exact).norm(dim=1) < 1e-3 * size).all())
        if not question.noise.mixed and bool((rounding(question, points, off=off) <= LOGIT_ERROR).all()):
            used += 1
            assert bool((off < LOGIT_ERROR * math.sqrt(64)).all())
    assert used > 2 or parse(name).noise.mixed


def test_light_points_have_the_mean_of_the_second_digit() -> None:
    data = floats(1200)
    data[..., :4] = 0.1234  # off the grid by the same everywhere
    known, points = two_digits(data), data.flatten(1).double()
    way = ByteProducts(torch.ones(1, 64, dtype=torch.float64), known, 2, 1)
    # One point of all the weight that a digit tells, and light ones.
    weight = torch.full((1, 1200), 1 / 600)
    weight[0, 7] = 1.0
    expected, total = (weight.double() @ points) / weight.sum(), weight.sum(1, keepdim=True)
    mean = torch.zeros(1, 64)
    way.add(mean, weight.clone(), slice(0, 1200), total)
    off = float((way.answer(mean / total) - expected).norm())
    known._means[0, 1200] = torch.zeros(2, 64)
    without = torch.zeros(1, 64)
    way.add(without, weight.clone(), slice(0, 1200), total)
    assert off < 0.1 * float((way.answer(without / total) - expected).norm())


@pytest.mark.parametrize("t", [0.7, 1.5, 4.0, 16.0])
def test_two_digits_keep_within_their_bound(t: float) -> None:
    process, data = parse("edm"), photos()
    assert isinstance(process, LinearProcess)
    points = ExactField(process, data)._all.points
    question, _ = asked(process, data, t)
    known = points.bytes
    assert known is not None
    exact, low = plain(question, points, torch.float64), dense(question, points, low=True)
    assert not torch.equal(low, dense(question, points))
    # Each logit moves by δ at most, each weight by 2⁻¹⁶ of the largest.
    centred = points.values.double() - known.centre
    length = centred.norm(dim=1).max()
    moved = digit_error(question.g, 2) * length
    logits = question.g @ points.values.double().T - 0.5 * question.f**2 * points.squares
    weights = torch.exp(logits - logits.amax(1, keepdim=True))
    lost = weights.clamp_max(1 / (254 * 254)).sum(1) / weights.sum(1)
    bound = torch.tanh(moved[:, 0] / 2) * 2 * length + lost * length + 1e-5
    assert bool(((low - exact).norm(dim=1) < bound).all())


def test_products_are_those_of_the_points() -> None:
    data = photos().flatten(1)
    known = Bytes.of(data, same, same)
    assert known is not None
    g = torch.randn(7, 64, generator=seeded(2), dtype=torch.float64)
    way, part = ByteProducts(g, known.some(slice(100, 900)), 3), slice(50, 90)
    sizes, base = torch.rand(1, 40), torch.rand(7, 1)
    expected = base + sizes - 2 * g @ data[150:190].double().T
    torch.testing.assert_close(way.squared(part, sizes, base).double(), expected, rtol=0, atol=1e-5)
    weight = torch.rand(7, 40, generator=seeded(3))
    mean = torch.zeros(7, 64)
    total = weight.sum(1, keepdim=True)
    way.add(mean, weight.clone(), part, total)
    found = way.answer(mean / total).double()
    torch.testing.assert_close(found, (weight @ data[150:190] / total).double())
    # Of many others two digits are enough, and tell.
    other = torch.zeros(7, 64)
    way.add(other, weight.clone(), part, total + 1000)
    assert not torch.equal(other, mean)
    torch.testing.assert_close(other, mean, rtol=0, atol=40 * 128 / (254 * 254))
    # Each state has its third digits to itself.
    mixed = torch.zeros(7, 64)
    way.add(mixed, weight.clone(), part, total + 1000 * (torch.arange(7)[:, None] % 2))
    assert torch.equal(mixed[::2], mean[::2])
    assert torch.equal(mixed[1::2], other[1::2])


def test_classes_have_their_own_part_of_the_numbers() -> None:
    process, data = parse("edm"), photos(2400)
    assert isinstance(process, LinearProcess)
    labels, x = torch.arange(2400) % 2, asked(process, data, 4.0)[1]
    found = ExactField(process, data, labels=labels).at(4.0)(x, torch.ones(len(x), dtype=torch.int64))
    alone = ExactField(process, data[labels == 1]).at(4.0)(x, None)
    torch.testing.assert_close(found, alone, rtol=0, atol=2e-5)
    other = ExactField(process, data[labels == 0]).at(4.0)(x, None)
    assert float((found - other).abs().max()) > 1e-3
