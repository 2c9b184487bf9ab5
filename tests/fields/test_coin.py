from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import unstir
from unstir.data import Dataset, Levels, to_lines
from unstir.errors import InputError
from unstir.fields import CoinField, ExactCoins, Transformer, UNet, build_network, field_class
from unstir.fields.coin import divergence
from unstir.flow import sample
from unstir.gallery import write_gallery
from unstir.physics import coins

BOTH = pytest.mark.parametrize("noise", ["uniform", "absorbing"])


class Logits(nn.Module):
    """A network that answers with the same logits for each state, whatever it is given."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        return self.logits.expand(len(x), x.shape[1], -1)


@BOTH
def test_logits_of_the_data_give_the_exact_posterior(noise: str) -> None:
    # Coins that know nothing of one another: the exact field is Bayes with the shares as prior.
    process = coins(noise, T=50, states=3)
    shares = torch.tensor([0.2, 0.5, 0.3])
    field = CoinField(Logits(shares.log()), process, (1,))
    exact = ExactCoins(process, torch.arange(3)[:, None], shares)
    for t in (1.0, 20.0, 50.0):
        x = torch.arange(process.toss.symbols)[:, None]
        if t == process.t_max:
            x = process.prior(2, (1,), torch.Generator().manual_seed(0))
        at = torch.full((len(x),), t)
        torch.testing.assert_close(field(x, at), exact(x, at).float(), rtol=1e-5, atol=1e-6)


@BOTH
def test_the_loss_is_least_at_the_truth_and_equals_the_entropy(noise: str) -> None:
    process = coins(noise, T=20, states=3)
    shares = torch.tensor([0.2, 0.5, 0.3])
    data = torch.multinomial(shares, 40_000, replacement=True, generator=torch.Generator().manual_seed(0))[
        :, None
    ]
    entropy = float(-(shares * shares.log()).sum())

    def loss(logits: Tensor) -> float:
        field = CoinField(Logits(logits), process, (1,))
        field.cross_entropy = 0.0
        return float(field.loss(data, torch.Generator().manual_seed(1)).detach())

    assert loss(shares.log()) == pytest.approx(entropy, abs=0.03)
    for other in ([0.0, 0.0, 0.0], [-1.6, 0.0, -1.2], [-1.6, -0.7, -3.0]):
        assert loss(torch.tensor(other)) > entropy + 0.03


@BOTH
def test_gradients_are_finite_at_every_time(noise: str) -> None:
    process = coins(noise, T=8, states=3)
    field = CoinField(Logits(torch.zeros(3)), process, (5,))
    data = torch.randint(0, 3, (8, 5), generator=torch.Generator().manual_seed(0))
    for t in range(1, 9):
        at = torch.full((8,), float(t))
        x = process.perturb(data, at, torch.Generator().manual_seed(t))
        divergence(process, data, x, at - 1, at, field(x, at)).sum().backward()  # type: ignore[no-untyped-call]
    field.loss(data, torch.Generator().manual_seed(0)).backward()  # type: ignore[no-untyped-call]
    grad = next(field.parameters()).grad
    assert grad is not None
    assert bool(grad.isfinite().all())


def test_the_last_step_is_the_cross_entropy() -> None:
    process = coins("uniform", T=9, states=4)
    field = ExactCoins(process, torch.tensor([[0, 1], [3, 2]]), torch.tensor([0.7, 0.3]))
    data = torch.tensor([[0, 1], [3, 2], [0, 1]])
    t = torch.ones(3)
    x = process.perturb(data, t, torch.Generator().manual_seed(0))
    prediction = field(x, t)
    truth = -prediction.gather(-1, data[..., None]).log().sum((1, 2))
    torch.testing.assert_close(divergence(process, data, x, t - 1, t, prediction), truth)


@BOTH
def test_images_and_rows_keep_their_places(noise: str) -> None:
    """Each coin's logits come from its own planes: a network that repeats its input says so."""

    class Own(nn.Module):
        def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
            if x.ndim == 3:
                return 50 * x[..., :3]
            return 50 * x.unflatten(1, (2, -1))[:, :, :3].flatten(1, 2)

    process = coins(noise, T=10, states=3)
    at = torch.full((2,), 9.9)
    for shape in ((2, 3, 4), (7,)):
        x = torch.randint(0, 3, (2, *shape), generator=torch.Generator().manual_seed(0))
        given, answer = CoinField.sizes(process, shape)
        field = CoinField(Own(), process, shape)
        assert field.network(torch.zeros(2, *given), at, None).shape == (2, *answer)
        assert torch.equal(field(x, at).argmax(-1), x)


def test_it_learns_what_hangs_together() -> None:
    process = coins("absorbing", T=50, states=2)
    torch.manual_seed(0)
    given, answer = CoinField.sizes(process, (4,))
    field = CoinField(build_network("transformer", given, {"width": 32, "depth": 1}, answer), process, (4,))
    data = torch.tensor([[0, 0, 0, 0], [1, 1, 1, 1]]).repeat(32, 1)
    optimizer = torch.optim.Adam(field.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        optimizer.zero_grad()
        field.loss(data, generator).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        drawn = sample(process, field, 100, steps=50, seed=0)
    same = (drawn == drawn[:, :1]).all(1)
    assert float(same.float().mean()) > 0.85
    assert 0.3 < float(drawn[:, 0].float().mean()) < 0.7


def test_networks_by_kind() -> None:
    assert field_class(coins()) is CoinField
    assert CoinField.usual_network("image") == "unet"
    assert CoinField.usual_network("text") == "transformer"
    assert CoinField.usual_network("table") == "mlp"
    process = coins("absorbing", states=5)
    given, answer = CoinField.sizes(process, (1, 8, 8))
    assert (given, answer) == ((6, 8, 8), (5, 8, 8))
    assert isinstance(build_network("unet", given, None, answer), UNet)
    with pytest.raises(InputError, match="it needs the letters of text"):
        Transformer((1, 8, 8))


def test_a_transformer_knows_places_and_noise() -> None:
    torch.manual_seed(0)
    network = build_network("transformer", (5, 3), {"width": 16, "depth": 2}, (5, 2)).eval()
    nn.init.normal_(network.output.weight)  # type: ignore[arg-type,union-attr]
    x, noise = torch.randn(1, 5, 3), torch.zeros(1)
    with torch.no_grad():
        out = network(x, noise, None)
        assert out.shape == (1, 5, 2)
        assert float((network(x.flip(1), noise, None).flip(1) - out).abs().max()) > 1e-2
        assert float((network(x, noise + 1, None) - out).abs().max()) > 1e-2
        changed = x.clone()
        changed[:, 4] += 1
        assert float((network(changed, noise, None) - out)[:, 0].abs().max()) > 1e-4


def test_the_exact_field_weighs_points_by_bayes() -> None:
    process = coins("uniform", T=10, states=2)
    data, shares = torch.tensor([[0, 1, 1], [1, 1, 0]]), torch.tensor([0.25, 0.75])
    field = ExactCoins(process, data, shares)
    x, t = torch.tensor([[0, 1, 0]]), torch.tensor([4.0])
    same, other = 0.6 + 0.2, 0.2
    one, two = 0.25 * same * same * other, 0.75 * other * same * same
    assert field.log_weights(x, t).exp()[0].tolist() == pytest.approx([one / (one + two), two / (one + two)])
    expected = torch.tensor([[one, two], [0.0, one + two], [two, one]], dtype=torch.float64) / (one + two)
    torch.testing.assert_close(field(x, t)[0], expected)
    torch.testing.assert_close(field.at(4.0)(x, None), field(x, t))


def test_a_state_that_no_data_give_is_read_as_the_nearest() -> None:
    process = coins("absorbing", T=10, states=2)
    data = torch.tensor([[0, 0, 0, 0, 0], [1, 1, 1, 1, 0]])
    x = torch.tensor([[1, 1, 0, 2, 2]])  # shown 1 1 0: two coins for the second, one against it
    found = ExactCoins(process, data)(x, torch.tensor([5.0]))[0]
    assert found.argmax(-1).tolist() == [1, 1, 0, 1, 0]
    torch.testing.assert_close(found.sum(-1), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize(
    ("data", "weights", "words"),
    [
        (torch.zeros(3, 2), None, "give int64"),
        (torch.zeros(0, 2, dtype=torch.int64), None, "give int64"),
        (torch.full((1, 2), 2), None, "holds states 2 to 2; give 0 to 1"),
        (torch.zeros(2, 2, dtype=torch.int64), torch.tensor([1.0, -1.0]), "non-negative share"),
        (torch.zeros(2, 2, dtype=torch.int64), torch.tensor([math.inf, 1.0]), "non-negative share"),
    ],
)
def test_bad_points_are_refused(data: Tensor, weights: Tensor | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ExactCoins(coins(), data, weights)


def test_a_run_of_text_ends_in_lines(tmp_path: Path) -> None:
    lines = [f"{a}+{b}" for a in range(6) for b in range(10)]
    (tmp_path / "sums.txt").write_text("\n".join(lines), "utf-8")
    options = {"width": 16, "depth": 1}
    run = unstir.fit(
        "coins:noise=absorbing,T=20",
        tmp_path / "sums.txt",
        steps=3,
        out=tmp_path / "run",
        network_options=options,
    )
    assert run.process.name == "coins:noise=absorbing,T=20,states=11"
    assert run.config.network == "transformer"
    samples = run.sample(4, steps=3, seed=1)
    assert samples.dtype == torch.int32
    assert set("".join(to_lines(samples))) <= set("0123456789+")
    assert torch.equal(unstir.load(tmp_path / "run").sample(2, steps=3, seed=1, first=2), samples[2:])
    evaluation = run.evaluate(12, steps=2)
    made = write_gallery(run, run.data()[0], samples, evaluation)
    assert [path.name for path in made] == ["samples.txt"]
    assert len(json.loads((run.path / "evaluation.json").read_text())["samples"]["distances"]) == 3
    assert bool((run.log_likelihood(samples) < 0).all())  # the bound of `flow/bound.py`


def test_a_run_of_images_is_compared_in_its_own_greys(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (40, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    run = unstir.fit(
        "coins:T=20", images, steps=2, out=tmp_path, network="mlp", network_options={"width": 16}
    )
    assert isinstance(run.scaling, Levels)
    low, high = run.scaling.low, run.scaling.high
    assert high - low > 200
    assert set(run.sample(8, steps=3).flatten().tolist()) <= {low, high}
    seen = run.seen(Dataset("i", "image", images)).values
    assert set(seen.flatten().tolist()) == {low, high}
