"""The field of patches: against plain loops, the exact field, closed forms and real digits."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from unstir import physics
from unstir.data import load
from unstir.errors import InputError
from unstir.fields import ExactField, patches
from unstir.fields.local import LocalField
from unstir.fields.loudness import Loudness
from unstir.fields.patches import Scale, posterior_mean
from unstir.fields.windows import Windows, calibrated, ladder
from unstir.flow import sample
from unstir.measure import nearest
from unstir.physics import LinearProcess


def process_of(name: str) -> LinearProcess:
    process = physics.parse(name)
    assert isinstance(process, LinearProcess)
    return process


def images(n: int, shape: tuple[int, ...] = (1, 6, 5), seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn((n, *shape), generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    data = load("digits")
    assert data.labels is not None
    values = data.values.double()
    return 0.5 * (values - values.mean()) / values.std(), data.labels


def only(scale: Scale | None) -> Windows:
    return Windows((scale,), (0.0,), (0.0,))


@pytest.mark.parametrize("shift", [0, 1])
def test_each_pixel_is_the_posterior_mean_of_its_window(shift: int) -> None:
    data, x, sigma, radius = images(7, (2, 5, 4)), images(3, (2, 5, 4), 1), 0.4, 1
    found = posterior_mean(
        x,
        data.permute(1, 2, 3, 0),
        data.permute(1, 2, 3, 0),
        torch.full((3,), sigma**-2),
        Scale(radius, shift=shift),
    )
    for i in range(5):
        for j in range(4):
            up, down = min(radius, i), min(radius, 4 - i)
            left, right = min(radius, j), min(radius, 3 - j)
            logits, values = [], []
            for y in data:
                for dy in range(-shift, shift + 1):
                    for dx in range(-shift, shift + 1):
                        a, b = i + dy, j + dx
                        if a - up < 0 or a + down > 4 or b - left < 0 or b + right > 3:
                            continue
                        theirs = y[:, a - up : a + down + 1, b - left : b + right + 1]
                        ours = x[:, :, i - up : i + down + 1, j - left : j + right + 1]
                        logits.append(-0.5 * ((ours - theirs) / sigma).square().sum((1, 2, 3)))
                        values.append(y[:, a, b])
            expected = torch.softmax(torch.stack(logits, 1), 1) @ torch.stack(values)
            torch.testing.assert_close(found[:, :, i, j], expected)


def test_overlapping_answers_are_weighted_means() -> None:
    # Two blocks of two columns, each answering one column further with weight 1/2.
    data, x, precision = images(6, (1, 1, 4)), images(2, (1, 1, 4), 1), torch.full((2,), 5.0)

    def window(low: int, high: int) -> Tensor:
        squared = (x[:, None, 0, 0, low:high] - data[None, :, 0, 0, low:high]).square().sum(2)
        return torch.softmax(-2.5 * squared, 1) @ data[:, 0, 0]

    left, right = window(0, 3), window(1, 4)
    expected = torch.stack(
        [left[:, 0], (2 * left[:, 1] + right[:, 1]) / 3, (left[:, 2] + 2 * right[:, 2]) / 3, right[:, 3]], 1
    )
    pixel_major = data.permute(1, 2, 3, 0)
    found = posterior_mean(x, pixel_major, pixel_major, precision, Scale(1, 2, 1))
    torch.testing.assert_close(found[:, 0, 0], expected)


@pytest.mark.parametrize("name", ["edm", "vp", "blurring", "poisson:D=1", "heat"])
def test_a_window_of_the_whole_image_is_the_exact_field(name: str) -> None:
    data, process = images(40), process_of(name)
    labels = torch.arange(40) % 3
    field = LocalField(process, data, labels, windows=only(None))
    exact = ExactField(process, data, labels=labels)
    for t in process.times(4).tolist():
        x = process.perturb(data[:5], torch.full((5,), t), torch.Generator().manual_seed(0))
        for label in (None, torch.tensor([0, 1, 2, 1, 0])):
            torch.testing.assert_close(field.at(t)(x, label), exact.at(t)(x, label))


@pytest.mark.parametrize("name", ["edm", "rectified", "blurring", "heat"])
def test_patches_as_wide_as_the_image_are_the_exact_field(name: str) -> None:
    # Through windows in pixels and data blurred there, not through the exact field itself.
    data, process = images(40), process_of(name)
    labels = torch.arange(40) % 2
    field = LocalField(process, data, labels, windows=only(Scale(6, 2, 3)))
    exact, label = ExactField(process, data, labels=labels), torch.tensor([0, 1, 1, 0, 1])
    for t in process.times(5)[1:].tolist():
        x = process.perturb(data[:5], torch.full((5,), t), torch.Generator().manual_seed(0))
        torch.testing.assert_close(field.at(t)(x, label), exact.at(t)(x, label), rtol=1e-6, atol=1e-8)
        both = field(x, torch.full((5,), t, dtype=torch.float64), label)
        torch.testing.assert_close(both, field.at(t)(x, label))


def test_independent_pixels_are_denoised_as_the_closed_form_says() -> None:
    # The data are N(0, 1/4) in each pixel: E[y|x] = x/(1 + 4σ²). 3000 images hold that in single
    # pixels, but not in whole images.
    process, sigma = process_of("edm"), 0.5
    data, y = images(3000, (1, 4, 4)), images(100, (1, 4, 4), 1)
    x = y + sigma * images(100, (1, 4, 4), 2) * 2
    truth = x / (1 + 4 * sigma**2)
    local = LocalField(process, data, windows=only(Scale(0))).at(sigma)(x, None)
    exact = ExactField(process, data).at(sigma)(x, None)
    assert float((local - truth).square().mean()) < 1e-3 * 0.25
    assert float((exact - truth).square().mean()) > 50 * float((local - truth).square().mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_leaving_out_what_does_not_count_moves_nothing_at_any_noise(
    digits: tuple[Tensor, Tensor], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, process, scale = digits[0].to(dtype), process_of("edm"), Scale(2, 2, 2)
    among = data[64:].permute(1, 2, 3, 0).contiguous()
    times = process.times(12, rho=50.0)[:-1]
    far = float(data.max() - data.min()) * torch.finfo(dtype).eps
    seen = list[int]()

    def at(t: float, few: float) -> Tensor:
        monkeypatch.setattr(patches, "_FEW", few)
        x = process.perturb(data[:64], torch.full((64,), t), torch.Generator().manual_seed(0)).to(dtype)
        return posterior_mean(x, among, among, torch.full((64,), t**-2, dtype=dtype), scale)

    add = Tensor.addmm_

    def counted(mean: Tensor, weight: Tensor, values: Tensor) -> Tensor:
        seen.append(len(values))
        return add(mean, weight, values)

    few = patches._FEW
    monkeypatch.setattr(Tensor, "addmm_", counted)
    for t in times.tolist():
        whole = at(t, 0.0)
        assert set(seen) == {among.shape[-1]}
        seen.clear()
        # Sums in another order: a rounding or ten.
        assert float((at(t, few) - whole).abs().max()) <= 10 * far, t
        if t < 0.03:
            assert sum(seen) < 0.2 * len(seen) * among.shape[-1], t
        seen.clear()
    # With a reach that is too short it is seen.
    start = patches._Online.__init__

    def short(self: patches._Online, queries: int, size: int, reach: float, like: Tensor) -> None:
        start(self, queries, size, 1.0, like)

    monkeypatch.setattr(patches._Online, "__init__", short)
    assert float((at(0.1, 1.0) - at(0.1, 0.0)).abs().max()) > 1000 * far


def test_the_noise_s_loudness_is_told_by_the_whole_state(digits: tuple[Tensor, Tensor]) -> None:
    data = digits[0]
    for name in ("poisson:D=1", "yukawa:kappa=1", "levy:alpha=1.5"):
        process = process_of(name)
        loudness = Loudness(process, data[200:])
        W = process.noise.mixing(200, torch.Generator().manual_seed(0))
        noise = images(200, (1, 8, 8), 3) * 2
        for sigma, most in ((0.3, 0.25), (3.0, 0.25)):
            x = data[:200] + sigma * W.sqrt()[:, None, None, None] * noise
            error = loudness.log_mixing(x, torch.tensor(sigma, dtype=torch.float64)) - W.log()
            loud = sigma * W.sqrt() > 0.2
            assert float(error[loud].square().mean().sqrt()) < most, name


def test_heavy_tails_are_denoised_nearly_as_well_as_where_their_variance_is_known(
    digits: tuple[Tensor, Tensor],
) -> None:
    data = digits[0]
    process, scale, sigma = process_of("poisson:D=2"), Scale(1, 1, 1), 0.3
    field = LocalField(process, data[200:], windows=only(scale))
    W = process.noise.mixing(200, torch.Generator().manual_seed(0))
    x = data[:200] + sigma * W.sqrt()[:, None, None, None] * images(200, (1, 8, 8), 3) * 2
    among = data[200:].permute(1, 2, 3, 0).contiguous()
    known, unknown = posterior_mean(x, among, among, 1 / (sigma**2 * W), scale), field.at(sigma)(x, None)
    gaussian = posterior_mean(x, among, among, torch.full((200,), sigma**-2), scale)
    best, ours, plain = (float((found - data[:200]).square().mean()) for found in (known, unknown, gaussian))
    assert ours < 1.05 * best
    assert plain > 1.2 * best  # so that it matters


def test_windows_widen_with_noise(digits: tuple[Tensor, Tensor]) -> None:
    data, labels = (part[:700] for part in digits)
    process = process_of("edm")
    field = LocalField(process, data, labels, narrowest=0)
    levels = 0.25 * torch.log(torch.tensor([0.003, 0.1, 0.3, 1.0, 50.0]))
    index = field.windows.index(levels).tolist()
    assert index == sorted(index)
    assert index[0] == 0
    assert field.windows.scales[index[-1]] is None
    # What was chosen is as good as any on other noise.
    x = data[:100] + 0.3 * 2 * images(100, (1, 8, 8), 5)
    among = data[100:].permute(1, 2, 3, 0).contiguous()
    errors = [
        float((posterior_mean(x, among, among, torch.full((100,), 0.3**-2), s) - data[:100]).square().mean())
        for s in field.windows.scales
        if s is not None
    ]
    assert errors[index[2]] < 1.1 * min(errors)


def test_the_widest_of_equal_scales_is_chosen_level_by_level() -> None:
    table = [[1.0, 2.0, 3.0, 9.0], [2.0, 1.0, 1.01, 3.0], [4.0, 3.0, 2.0, 1.0]]
    scales = (*(Scale(r) for r in range(3)), None)
    windows = calibrated(scales, [0.0, 1.0, 2.0], lambda level, scale: table[level][scale])
    assert windows.places == (0.0, 2.0, 3.0)
    found = windows.index(torch.tensor([-math.inf, 0.2, 0.3, 1.0, 1.6, 9.0, math.inf]))
    assert found.tolist() == [0, 0, 1, 2, 3, 3, 3]


def test_ladders_end_with_the_whole_image() -> None:
    assert [None if s is None else s.radius for s in ladder(8, 8, 1)] == [1, 2, 3, 5, None]
    assert [None if s is None else s.radius for s in ladder(28, 20, 2)] == [2, 3, 5, 8, 13, None]


def test_samples_are_new_where_the_exact_field_only_copies(digits: tuple[Tensor, Tensor]) -> None:
    data, labels = (part[:600] for part in digits)
    data = data.float()
    process, label = process_of("edm"), torch.arange(20) % 10
    field = LocalField(process, data, labels)
    new = sample(process, field, 20, label=label, steps=8)
    copies = sample(process, ExactField(process, data, labels=labels), 20, label=label, steps=8)
    apart = float(nearest(digits[0][600:].float(), data)[1].median())
    assert float(nearest(copies, data)[1].median()) < 1e-3 * apart
    assert 0.5 * apart < float(nearest(new, data)[1].median()) < 1.3 * apart


@pytest.mark.parametrize("name", ["heat", "blurring", "heat_poisson"])
def test_what_heat_blurs_is_drawn_anew(digits: tuple[Tensor, Tensor], name: str) -> None:
    data = digits[0][:400].float()
    process = process_of(name).prepared(data)
    assert isinstance(process, LinearProcess)
    field = LocalField(process, data)
    new = sample(process, field, 20, steps=12)
    apart = float(nearest(digits[0][600:].float(), data)[1].median())
    assert 0.5 * apart < float(nearest(new, data)[1].median()) < 1.5 * apart


def test_sums_of_images_do_not_depend_on_the_batch(digits: tuple[Tensor, Tensor]) -> None:
    data = digits[0].float()
    process = process_of("poisson:D=4")
    field = LocalField(process, data[100:], windows=Windows(ladder(8, 8, 1), (-1.0, 1.0), (0.0, 4.0)))
    x = process.perturb(data[:9], torch.full((9,), 0.7), torch.Generator().manual_seed(0))
    together = field.at(0.7)(x, None)
    apart = torch.cat([field.at(0.7)(one, None) for one in x.split(1)])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)


def test_what_is_no_image_or_class_is_refused() -> None:
    process = process_of("edm")
    with pytest.raises(InputError, match="a local field needs images"):
        LocalField(process, torch.zeros(5, 3))
    field = LocalField(process, images(20), torch.zeros(20, dtype=torch.int64), windows=only(Scale(1)))
    with pytest.raises(InputError, match="label=3"):
        field.at(0.5)(images(1), torch.tensor([3]))
    with pytest.raises(InputError, match="x: items have shape"):
        field.at(0.5)(images(1, (1, 4, 4)), None)
    assert dataclasses.is_dataclass(field.windows)
