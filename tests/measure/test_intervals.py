"""Figures of the bootstrap: the same values as `evaluate`, and intervals that hold as often as they say."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure import evaluate, feature_space, memorised
from unstir.measure.bootstrap import Estimate, Resampling, counted, simultaneous
from unstir.measure.intervals import TailYardstick, Yardstick, copies
from unstir.measure.tails import tails


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_values_are_those_of_evaluate() -> None:
    samples, reference, train = normal(0, 80, 3) + 0.3, normal(1, 80, 3), normal(2, 200, 3)
    truth = evaluate(samples, reference, train=train, projections=100)
    yardstick = Yardstick(reference, feature_space("pixels", reference), draws=50)
    found = yardstick.figures(samples)
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(getattr(truth.samples, name), rel=1e-6), name
        assert len(estimate.draws) == 50
    copied = copies(samples, train, reference, yardstick.resampling).figures
    exact = memorised(samples, train, reference)
    assert copied["memorisation_ratio"].value == exact.ratio
    assert copied["memorisation_share"].value == exact.share


def test_a_draw_is_the_figure_of_the_repeated_items() -> None:
    """Each draw against the plain function on the items repeated (figures without pairs of one item)."""
    from unstir.measure import frechet_distance

    samples, reference = normal(3, 40, 2) * 1.5, normal(4, 40, 2)
    yardstick = Yardstick(reference, feature_space("pixels", reference), draws=50)
    found, again = yardstick.figures(samples), yardstick.resampling
    for i in (0, 7, 49):
        x = samples.repeat_interleave(again.samples[i].long(), 0).double()
        y = reference.repeat_interleave(again.reference[i].long(), 0).double()
        assert float(found["frechet_distance"].draws[i]) == pytest.approx(frechet_distance(x, y), rel=1e-6)
        shadows = [(z @ yardstick.theta.T).sort(0).values for z in (x, y)]
        sliced = float((shadows[0] - shadows[1]).square().mean().sqrt())
        assert float(found["sliced_wasserstein"].draws[i]) == pytest.approx(sliced, rel=1e-9)
    x, y = normal(5, 300, 2), normal(6, 300, 2) * 2
    tail = TailYardstick(y, len(x), draws=50)
    assert tail.figures(x)["tail_survival"].value == pytest.approx(tails(x, y).survival, rel=1e-9)
    i = 3
    x, y = (z.repeat_interleave([*counted(300, draws=50, part=part)][i], 0) for part, z in enumerate((x, y)))
    sizes = [tail.shadows.sizes(z)[:, 0] for z in (x, y)]
    from unstir.measure.tails import survival_distance

    draws = tail.figures(normal(5, 300, 2))["tail_survival"].draws
    assert len(TailYardstick(y, 300, draws=300).figures(y)["tail_survival"].draws) == 300  # as many as asked
    drawn = draws[i]
    assert float(drawn) == pytest.approx(survival_distance(*sizes), rel=1e-9)


def energy_of_shift(delta: float) -> float:
    """2 E|X − Y| − E|X − X'| − E|Y − Y'| of N(0, 1) and N(δ, 1): the mean of a folded normal law."""
    folded = 2 / math.sqrt(math.pi) * math.exp(-(delta**2) / 4) + delta * math.erf(delta / 2)
    return 2 * folded - 4 / math.sqrt(math.pi)


def test_the_interval_of_the_energy_distance_holds_as_often_as_it_says() -> None:
    truth, hits, n, trials = energy_of_shift(0.7), 0, 60, 200
    for seed in range(trials):
        x, y = normal(2 * seed, n, 1) + 0.7, normal(2 * seed + 1, n, 1)
        energy = _energy(x, y, Resampling.draw(n, n, draws=200, seed=seed))
        interval = energy.interval()
        hits += interval.low <= truth <= interval.high
    assert 0.90 <= hits / trials <= 0.985  # 95 % of 200 has an error of 1.5 %


def _energy(x: Tensor, y: Tensor, resampling: Resampling) -> Estimate:
    from unstir.measure import energy_distance
    from unstir.measure.intervals import _between, _within

    u, v = resampling.samples, resampling.reference
    x, y = x.double(), y.double()
    draws = (
        2 * _between(torch.cdist(x, y), u, v) - _within(torch.cdist(x, x), u) - _within(torch.cdist(y, y), v)
    )
    return Estimate(energy_distance(x, y), draws)


def test_equal_models_are_seldom_told_apart() -> None:
    """Six equal models against one set: all 15 pairs hold zero in 95 % of the trials, not each for itself."""
    n, trials, found, alone = 50, 100, 0, 0
    names = [str(i) for i in range(6)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    for seed in range(trials):
        draw = Resampling.draw(n, n, draws=200, seed=seed)
        reference = normal(1000 + seed, n, 1).double()
        means = {}
        for i, name in enumerate(names):
            x = normal(10 * seed + i + 50_000, n, 1).double()[:, 0]
            # A linear figure: the mean, whose bootstrap is exact in the limit.
            difference = draw.samples @ x / n - draw.reference @ reference[:, 0] / n
            means[name] = Estimate(float(x.mean() - reference.mean()), difference)
        found += any(not interval.is_zero for interval in simultaneous(means, pairs).values())
        alone += any(not (means[a] - means[b]).interval().is_zero for a, b in pairs)
    assert found / trials < 0.13
    assert alone / trials > 0.2  # without the care for many pairs


def test_a_true_difference_is_found_though_both_figures_scatter_together() -> None:
    n = 100
    draw = Resampling.draw(n, n, draws=200)
    common = 5 * normal(0, n).double()
    noise = 0.1 * normal(1, n).double()
    a = Estimate(float(common.mean()), draw.samples @ common / n)
    shifted = common + 0.2 + noise
    b = Estimate(float(shifted.mean()), draw.samples @ shifted / n)
    alone = a.interval(), b.interval()
    assert alone[0].high > alone[1].value  # each interval holds the other's figure
    paired = simultaneous({"a": a, "b": b}, [("b", "a")])["b", "a"]
    assert paired.low > 0.1
    assert paired.high < 0.3


def test_refusals() -> None:
    with pytest.raises(InputError, match="draws=3"):
        Resampling.draw(10, 10, draws=3)
    with pytest.raises(InputError, match="pairs: b"):
        simultaneous({"a": Estimate(0.0, torch.zeros(50))}, [("a", "b")])
