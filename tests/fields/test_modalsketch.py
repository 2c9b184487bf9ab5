"""A sketch with a floor for each mode, against the exact mixture and the law that made the data."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import unstir
from unstir import physics
from unstir.fields import MixtureField, ModalField, ModalSketch, NeuralField, Sketch, build_network
from unstir.physics import LinearProcess
from unstir.physics.basis import CosineModes

K, R = 3, 2
SHAPE = (3, 2, 4)
N = 24
SHARES = torch.tensor([0.2, 0.3, 0.5])
BASIS = CosineModes()


def made(seed: int = 0) -> ModalSketch:
    generator = torch.Generator().manual_seed(seed)
    sketch = ModalSketch(SHAPE, K, R)
    sketch.means.copy_(torch.randn(K, N, generator=generator))
    for k in range(K):
        sketch.axes[k] = torch.linalg.qr(torch.randn(N, R, generator=generator))[0]
    sketch.variances.copy_(torch.rand(K, R, generator=generator))
    sketch.rest.copy_(0.5 ** torch.arange(N) + 0.02)
    sketch.colours.copy_(torch.linalg.qr(torch.randn(3, 3, generator=generator))[0])
    sketch.log_shares.copy_(SHARES.log()[None])
    return sketch


def to_pixels(sketch: ModalSketch) -> Tensor:
    """Row m: the picture whose coordinate m alone is 1."""
    modes = torch.einsum("ncij,dc->ndij", torch.eye(N).reshape(N, *SHAPE), sketch.colours)
    return BASIS.state(modes).flatten(1)


def mixture(sketch: ModalSketch) -> tuple[Tensor, Tensor]:
    """Means `(K, *SHAPE)` and covariances `(K, N, N)` of pixels."""
    turn = to_pixels(sketch)
    along = sketch.axes @ torch.diag_embed(sketch.variances) @ sketch.axes.mT + torch.diag(sketch.rest)
    covariances = turn.T @ along @ turn
    return (sketch.means @ turn).reshape(K, *SHAPE), (covariances + covariances.mT) / 2


@pytest.mark.parametrize("name", ["edm", "rectified", "heat", "blurring"])
def test_denoiser_is_that_of_the_mixture(name: str) -> None:
    process, sketch = physics.parse(name), made()
    assert isinstance(process, LinearProcess)
    means, covariances = mixture(sketch)
    exact = MixtureField(process, SHARES, means, covariances)
    generator = torch.Generator().manual_seed(1)
    for t in process.times(7).tolist():
        time = torch.full((20,), t)
        x = process.perturb(means[torch.randint(K, (20,), generator=generator)], time, generator)
        noise = process.B(time).square()
        u = sketch.denoised_modes(BASIS.coordinates(x), process.signal(time, SHAPE), noise)
        torch.testing.assert_close(BASIS.state(u), exact(x, time).float(), atol=2e-5, rtol=1e-4)
        if name in ("edm", "rectified"):
            torch.testing.assert_close(sketch(x, process.A(time), noise), BASIS.state(u))


def drawn(n: int) -> tuple[ModalSketch, Tensor, Tensor]:
    """A mixture of clusters far from each other, items of it, and which cluster each is of."""
    generator, true = torch.Generator().manual_seed(0), made()
    true.means.mul_(8)
    means, covariances = mixture(true)
    which = torch.multinomial(SHARES, n, replacement=True, generator=generator)
    noise = torch.randn(n, N, generator=generator)
    factors = torch.linalg.cholesky(covariances)
    items = means[which].flatten(1) + torch.einsum("nij,nj->ni", factors[which], noise)
    return true, items.reshape(-1, *SHAPE), which


def test_fit_finds_the_mixture_that_made_the_data() -> None:
    true, items, which = drawn(20_000)
    found = ModalSketch(SHAPE, K, R, classes=3)
    found.fit(items, which)
    (means, covariances), (wanted, spreads) = mixture(found), mixture(true)
    order = torch.cdist(wanted.flatten(1), means.flatten(1)).argmin(1)
    assert sorted(order.tolist()) == [0, 1, 2]
    torch.testing.assert_close(means[order], wanted, atol=0.05, rtol=0)
    # Of what lies outside the axes only each mode's own variance is kept, in the colours of all data.
    turn = to_pixels(found)
    own, given = ((turn @ c @ turn.T).diagonal(dim1=1, dim2=2) for c in (covariances[order], spreads))
    torch.testing.assert_close(SHARES @ own, SHARES @ given, atol=0.02, rtol=0.05)


def test_colours_that_differ_little_and_fine_detail_are_told_from_noise() -> None:
    """Of pictures in which they do, it leaves far less than what a sketch of one floor leaves."""
    generator = torch.Generator().manual_seed(0)
    frequency = torch.arange(8)[:, None] + torch.arange(8)
    u = torch.randn(4000, 3, 8, 8, generator=generator) / (1 + frequency)
    mixed = torch.tensor([[1.0, 1, 1], [0.1, 0, -0.1], [-0.03, 0.06, -0.03]])
    items = BASIS.state(torch.einsum("ncij,cd->ndij", u, mixed))
    one, noise = torch.ones(500), 0.2
    x = items[:500] + noise * torch.randn(500, 3, 8, 8, generator=generator)
    left = []
    for kind in (ModalSketch, Sketch):
        sketch = kind((3, 8, 8), 2, 4)
        sketch.fit(items[500:])
        left.append(float((sketch(x, one, noise**2 * one) - items[:500]).square().mean()))
    assert left[0] < 0.6 * left[1]
    # It leaves what the best of all, the Wiener filter, does.
    turned = torch.linalg.svd(mixed)[1].square()[:, None, None]
    spectrum = turned / (1 + frequency) ** 2
    assert left[0] < 1.1 * float((spectrum * noise**2 / (spectrum + noise**2)).mean())


@pytest.mark.parametrize("name", ["poisson:D=16", "levy"])
def test_the_noise_of_a_heavy_tailed_law_is_told_from_all_modes(name: str) -> None:
    process = physics.parse(name)
    assert isinstance(process, LinearProcess)
    _, items, _ = drawn(600)
    sketch = ModalSketch(SHAPE, 3, 2)
    sketch.fit(items)
    generator = torch.Generator().manual_seed(1)
    t = process.time_at(torch.tensor(10.0, dtype=torch.float64)).float().expand(600)
    x = process.perturb(items, t, generator)
    A, B = process.A(t).float(), process.B(t).float()
    nodes, weights = process.noise.mixing_nodes(4)
    told = sketch.noise_variance(x, A, B, nodes.float(), weights.float()).log()
    real = ((x - A[:, None, None, None] * items).flatten(1).square().mean(1)).log()
    pair = torch.stack([told, real])
    assert float(pair.corrcoef()[0, 1]) > 0.8
    plain = sketch.noise_variance(x[:1], A[:1], B[:1], torch.ones(1), torch.zeros(1))
    torch.testing.assert_close(plain, B[:1].square())


def test_a_run_on_colours_has_one_and_grey_images_need_not(tmp_path: Path) -> None:
    colours = torch.randint(0, 256, (80, 3, 8, 8), dtype=torch.uint8)
    run = unstir.fit("edm", colours, steps=1, batch=8, out=tmp_path / "colours")
    assert isinstance(run.field, NeuralField)
    assert isinstance(run.field.sketch, ModalSketch)
    assert run.config.floors == "modes"
    again = unstir.load(tmp_path / "colours")
    assert torch.equal(again.sample(2, seed=1), run.sample(2, seed=1))
    grey = unstir.fit("edm", colours[:, :1], steps=1, batch=8, out=tmp_path / "grey")
    assert isinstance(grey.field, NeuralField)
    assert not isinstance(grey.field.sketch, ModalSketch)
    with pytest.raises(unstir.InputError, match="floors=one: is not for process blurring"):
        unstir.fit("blurring", colours, floors="one", steps=1, out=tmp_path / "no")


def test_what_is_kept_of_a_sketch_is_made_anew_when_it_changes() -> None:
    generator = torch.Generator().manual_seed(0)
    items = [torch.randn(200, 1, 4, 4, generator=generator) * scale for scale in (0.5, 2.0)]
    u, A, variance = (
        torch.randn(3, 1, 4, 4, generator=generator),
        torch.full((3, 1, 1, 1), 0.7),
        torch.ones(3),
    )
    used, fresh = ModalSketch((1, 4, 4), 2, 3), ModalSketch((1, 4, 4), 2, 3)
    used.fit(items[0])
    before = used.denoised_modes(u, A, variance)
    used.fit(items[1])
    fresh.fit(items[1])
    refitted = used.denoised_modes(u, A, variance)
    assert torch.equal(refitted, fresh.denoised_modes(u, A, variance))
    assert not torch.allclose(refitted, before, atol=0.01)
    loaded = ModalSketch((1, 4, 4), 2, 3)
    loaded.denoised_modes(u, A, variance)
    loaded.load_state_dict(used.state_dict())
    assert torch.equal(loaded.denoised_modes(u, A, variance), refitted)
    assert loaded.axes.transpose(0, 1).is_contiguous()  # still one matrix to multiply by


def test_silent_network_of_a_field_answers_as_the_sketch_does() -> None:
    _, items, _ = drawn(300)
    sketch = ModalSketch(SHAPE, 3, 2)
    network = build_network("mlp", (6, 2, 4), {"width": 8, "depth": 1}, SHAPE)
    field = NeuralField(network, physics.edm(), shape=SHAPE, sketch=sketch)
    field.prepare(items)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    t = torch.full((20,), 0.3)
    x = field.process.perturb(items[:20], t, torch.Generator().manual_seed(2))
    with torch.no_grad():
        one = torch.ones(20)
        wanted = sketch.bounded(sketch(x, one, 0.09 * one))
        torch.testing.assert_close(field.eval()(x, t), wanted, atol=1e-4, rtol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    network = build_network("mlp", (6, 2, 4), {"width": 8, "depth": 1}, SHAPE)
    with pytest.raises(unstir.InputError, match="give a ModalSketch"):
        ModalField(network, physics.blurring(), sketch=Sketch(SHAPE, 2, 2))  # type: ignore[arg-type]
    with pytest.raises(unstir.InputError, match="give fewer axes"):
        ModalSketch((3, 64, 64), 64, 64)
