"""The sketch against the exact mixture, and what its fit finds against the law that made the data."""

import pytest
import torch
from torch import Tensor

from unstir import physics
from unstir.errors import InputError
from unstir.fields import MixtureField, NeuralField, Sketch, build_network, field_class
from unstir.fields.modalsketch import SKETCHES
from unstir.physics import LinearProcess

K, N, R = 3, 6, 2
SHARES = torch.tensor([0.2, 0.3, 0.5])


def made(seed: int = 0) -> Sketch:
    generator = torch.Generator().manual_seed(seed)
    sketch = Sketch((N,), K, rank=R)
    sketch.means.copy_(torch.randn(K, N, generator=generator))
    for k in range(K):
        sketch.axes[k] = torch.linalg.qr(torch.randn(N, R, generator=generator))[0]
    sketch.variances.copy_(torch.rand(K, R, generator=generator))
    sketch.floors.copy_(0.05 + 0.1 * torch.rand(K, generator=generator))
    sketch.log_shares.copy_(SHARES.log()[None])
    return sketch


def covariances(sketch: Sketch) -> Tensor:
    along = sketch.axes @ torch.diag_embed(sketch.variances) @ sketch.axes.mT
    return along + sketch.floors[:, None, None] * torch.eye(along.shape[-1])


@pytest.mark.parametrize("name", ["edm", "vp", "rectified"])
def test_denoiser_is_that_of_the_mixture(name: str) -> None:
    process, sketch = physics.parse(name), made()
    assert isinstance(process, LinearProcess)
    exact = MixtureField(process, SHARES, sketch.means, covariances(sketch))
    generator = torch.Generator().manual_seed(1)
    for t in process.times(7).tolist():
        time = torch.full((20,), t)
        y = sketch.means[torch.randint(K, (20,), generator=generator)]
        x = process.perturb(y, time, generator)
        found = sketch(x, process.A(time), process.B(time).square())
        torch.testing.assert_close(found, exact(x, time).float(), atol=1e-5, rtol=1e-4)


def test_a_class_has_its_own_shares() -> None:
    sketch = Sketch((N,), K, classes=2, rank=R)
    sketch.load_state_dict({**made().state_dict(), "log_shares": torch.log_softmax(torch.randn(3, K), 1)})
    x, one = torch.randn(4, N), torch.ones(4)
    for label in (0, 1, 2):
        alone = Sketch((N,), K, rank=R)
        alone.load_state_dict({**sketch.state_dict(), "log_shares": sketch.log_shares[label : label + 1]})
        torch.testing.assert_close(sketch(x, one, one, torch.full((4,), label)), alone(x, one, one))
    torch.testing.assert_close(sketch(x, one, one, None), sketch(x, one, one, torch.full((4,), 2)))


def test_fit_finds_the_mixture_that_made_the_data() -> None:
    generator = torch.Generator().manual_seed(0)
    true = made()
    true.means.mul_(6)  # clusters that k-means can tell apart
    which = torch.multinomial(SHARES, 30_000, replacement=True, generator=generator)
    factors = torch.linalg.cholesky(covariances(true))
    noise = torch.randn(len(which), N, generator=generator)
    items = true.means[which] + torch.einsum("nij,nj->ni", factors[which], noise)
    found = Sketch((N,), K, classes=3, rank=R)
    found.fit(items, which)
    order = torch.cdist(true.means, found.means).argmin(1)
    assert sorted(order.tolist()) == [0, 1, 2]
    torch.testing.assert_close(found.means[order], true.means, atol=0.05, rtol=0)
    torch.testing.assert_close(covariances(found)[order], covariances(true), atol=0.05, rtol=0)
    torch.testing.assert_close(found.log_shares[-1].exp()[order], SHARES, atol=0.01, rtol=0)
    # Each class is one cluster here.
    torch.testing.assert_close(found.log_shares[:3].exp()[:, order], torch.eye(3), atol=1e-3, rtol=0)


def test_one_component_is_the_wiener_filter() -> None:
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(5000, N, generator=generator) @ torch.randn(N, N, generator=generator)
    sketch = Sketch((N,), 1, rank=N - 1)
    sketch.fit(items)
    mean, covariance = items.mean(0), items.T.cov(correction=0)
    x = torch.randn(10, N, generator=generator)
    wiener = mean + (x - mean) @ torch.linalg.solve(covariance + 0.3 * torch.eye(N), covariance)
    torch.testing.assert_close(sketch(x, torch.ones(10), torch.full((10,), 0.3)), wiener, atol=2e-2, rtol=0)


@pytest.mark.parametrize(("items", "components"), [(1, 1), (2, 1), (5, 3), (5, 8)])
def test_fewer_items_than_axes(items: int, components: int) -> None:
    size, rank = 40, 16
    given = torch.randn(items, size, generator=torch.Generator().manual_seed(0))
    sketch = Sketch((size,), components, rank=rank)
    sketch.fit(given)
    gram = sketch.axes.transpose(1, 2) @ sketch.axes
    torch.testing.assert_close(gram, torch.eye(rank).expand_as(gram), atol=1e-4, rtol=0)
    if components == 1:
        torch.testing.assert_close(covariances(sketch)[0], given.T.cov(correction=0), atol=1e-4, rtol=0)
    one = torch.ones(items)
    torch.testing.assert_close(sketch(given, one, 1e-6 * one), given, atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    "name",
    [
        "edm",
        "vp",
        "poisson:D=128",
        "poisson:D=1",
        "pfgm",
        "yukawa",
        "levy",
        "heat",
        "blurring",
        "heat_poisson",
    ],
)
def test_network_starts_at_the_sketch_with_targets_of_variance_one(name: str) -> None:
    from unstir.data import Scaling, load

    digits = load("digits")
    items = Scaling.fit(digits).to_model(digits.values)
    process = physics.parse(name)
    assert isinstance(process, LinearProcess)
    network = build_network("patch-unet", (2, 8, 8), {"size": "small"}, (1, 8, 8))
    process = process.prepared(items, None)
    kind = field_class(process)
    assert issubclass(kind, NeuralField)
    sketch = SKETCHES[next(iter(kind.sketches))]((1, 8, 8), 8, 12)
    field = kind(network, process, shape=(1, 8, 8), sketch=sketch)
    field.prepare(items)
    plain = kind(build_network("patch-unet", (1, 8, 8), {"size": "small"}), process, shape=(1, 8, 8))
    generator = torch.Generator().manual_seed(1)
    field, plain = (f.requires_grad_(requires_grad=False) for f in (field, plain))
    for time in process.training_times(5, -1.2, 1.2, generator):
        t = time.expand(400)
        y = items[torch.randint(len(items), (400,), generator=generator)]
        x = process.perturb(y, t, generator)
        # Of heavy tails the noise itself is uncertain: what is left varies within one level.
        assert 0.5 < float(field.error(y, x, t).mean()) < (4 if name == "levy" else 2)
        left, before = ((f(x, t) - y).square().mean() for f in (field, plain))
        assert float(left) < float(before)


def test_answers_of_a_field_in_use_stay_within_the_data() -> None:
    items = torch.rand(200, 1, 8, 8)
    network = build_network("patch-unet", (2, 8, 8), {"size": "small"}, (1, 8, 8))
    torch.nn.init.normal_(network.output.weight)  # type: ignore[arg-type, union-attr]
    field = NeuralField(network, physics.edm(), shape=(1, 8, 8), sketch=Sketch((1, 8, 8), 2, 4))
    field.prepare(items)
    x, t = torch.randn(8, 1, 8, 8), torch.ones(8)
    field.requires_grad_(requires_grad=False)
    assert float(field(x, t).abs().max()) > 1
    found = field.eval()(x, t)
    assert float(found.min()) >= float(items.min())
    assert float(found.max()) <= float(items.max())


@pytest.mark.parametrize(("components", "rank"), [(0, 2), (1, 6), (1, 0)])
def test_sizes_that_make_no_mixture_are_refused(components: int, rank: int) -> None:
    with pytest.raises(InputError, match="give 1 or more"):
        Sketch((N,), components, rank=rank)
    with pytest.raises(InputError, match="give fewer"):
        Sketch((3, 512, 512), 4096, 32)


class Constant(torch.nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        return torch.full_like(x[:, :1], self.value)


@pytest.mark.parametrize("value", [-50.0, 50.0])
def test_beyond_an_end_that_the_data_lie_on_nothing_is_an_error(value: float) -> None:
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(300, 1, 4, 4, generator=generator).clamp(-0.5, 0.5)
    field = NeuralField(Constant(value), physics.edm(), shape=(1, 4, 4), sketch=Sketch((1, 4, 4), 2, 3))
    field.prepare(items)
    t = torch.full((100,), 0.3)
    x = field.process.perturb(items[:100], t, generator)
    held = items[:100] == (-0.5 if value < 0 else 0.5)
    assert 0.1 < float(held.float().mean()) < 0.5
    plain = NeuralField(Constant(value), physics.edm(), shape=(1, 4, 4), sketch=field.sketch)
    plain.left = field.left
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sketch, "felt", lambda self, miss, data: miss)
        everything = plain.error(items[:100], x, t)
    out = field.parts(x, t)[1][:, None, None, None]
    denoised = field.train()(x, t)
    assert bool(((denoised < -0.5) if value < 0 else (denoised > 0.5)).all())
    wanted = ((denoised - items[:100]) / out).square().masked_fill(held, 0).flatten(1).mean(1)
    found = field.error(items[:100], x, t)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    assert bool((found < everything).all())
    # In use the answer is the end itself.
    assert bool((field.eval()(x, t) == (-0.5 if value < 0 else 0.5)).all())


def test_where_the_posterior_is_not_all_at_the_end_the_best_answer_is_its_mean() -> None:
    sketch = Sketch((1, 1, 2), 1, 1)
    sketch.bounds.copy_(torch.tensor([0.0, 1.0]))
    y = torch.tensor([0.0, 0.0, 0.0, 1.0]).reshape(4, 1, 1, 1).expand(4, 1, 1, 2)  # mean ¼
    grid = torch.linspace(-1, 1, 81)
    losses = [float(sketch.felt(d - y, y).square().mean()) for d in grid]
    assert float(grid[losses.index(min(losses))]) == pytest.approx(0.25)
