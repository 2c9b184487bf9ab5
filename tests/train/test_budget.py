"""The budget, driven by a machine whose speed is a function of step and time: no clock is asked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from unstir.train import Budget

Cost = Callable[[int, float], float]  # (step, seconds so far) -> seconds of this step
MINUTE = 60.0


@dataclass
class Ended:
    """How a simulated run went: its length as a share of the budget, its steps, the progress at each."""

    share: float
    steps: int
    progress: list[float]

    @property
    def setbacks(self) -> int:
        """How often the learning rate was set back by more than a twentieth of the run."""
        pairs = zip(self.progress, self.progress[1:], strict=False)
        return sum(after < before - 0.05 for before, after in pairs)


def run(cost: Cost, seconds: float = MINUTE, budget: Budget | None = None, step: int = 0) -> Ended:
    budget = budget or Budget(seconds)
    progress = []
    while not budget.done(step):
        progress.append(budget.progress(step))
        elapsed = cost(step, budget.spent)
        step += 1
        budget.update(step, elapsed)
        assert step < 100_000, "endless"
    return Ended(budget.spent / seconds, step, progress)


@pytest.mark.parametrize("cost", [0.005, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("seconds", [20.0, 60.0])
def test_steady_lands_on_time_at_once(cost: float, seconds: float) -> None:
    ended = run(lambda _s, _t: cost, seconds)
    assert ended.share == pytest.approx(1, abs=0.01 + cost / seconds)
    assert ended.setbacks == 0
    # One plan, never changed: from the first plan on the progress is linear.
    planned = [p for p in ended.progress if p > 0]
    assert planned[-1] - planned[0] == pytest.approx((len(planned) - 1) / ended.steps)


def test_noise_lands_on_time() -> None:
    draw = random.Random(0)
    ended = run(lambda _s, _t: draw.choice([0.005, 0.005, 0.005, 0.03]))
    assert ended.share == pytest.approx(1, abs=0.03)
    assert ended.setbacks == 0


@pytest.mark.parametrize(
    ("slow", "seconds", "fast"), [(1, 5.0, 0.01), (1, 20.0, 0.01), (5, 3.0, 0.01), (30, 0.5, 0.005)]
)
def test_slow_starts_neither_end_the_run_nor_delay_it(slow: int, seconds: float, fast: float) -> None:
    ended = run(lambda step, _t: seconds if step < slow else fast)
    assert ended.share == pytest.approx(1, abs=0.02)
    assert ended.steps == pytest.approx(slow + (MINUTE - slow * seconds) / fast, rel=0.02)
    assert ended.setbacks <= 2


def test_a_first_step_longer_than_the_budget_is_not_the_last() -> None:
    assert run(lambda step, _t: 90.0 if step == 0 else 0.01).steps > 100


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.6, 0.7])
@pytest.mark.parametrize("factor", [2.0, 4.0])
def test_a_machine_that_slows_down_is_noticed(at: float, factor: float) -> None:
    ended = run(lambda _s, t: 0.01 if t < at * MINUTE else 0.01 * factor)
    assert 0.97 < ended.share < 1.1
    assert ended.setbacks == 0


@pytest.mark.parametrize("at", [0.75, 0.8, 0.85, 0.9, 0.95])
@pytest.mark.parametrize("factor", [2.0, 4.0, 10.0])
def test_even_late_it_runs_a_quarter_over_at_most(at: float, factor: float) -> None:
    ended = run(lambda _s, t: 0.01 if t < at * MINUTE else 0.01 * factor)
    assert 0.97 < ended.share <= 1.25
    assert ended.setbacks == 0


@pytest.mark.parametrize("at", [0.1, 0.5, 0.7])
def test_a_machine_that_speeds_up_uses_its_time(at: float) -> None:
    ended = run(lambda _s, t: 0.02 if t < at * MINUTE else 0.01)
    assert ended.share == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("factor", [2.0, 10.0])
def test_one_that_speeds_up_late_does_not_end_far_too_soon(factor: float) -> None:
    assert run(lambda _s, t: 0.05 if t < 0.85 * MINUTE else 0.05 / factor).share >= 0.9


def test_one_stall_does_not_spoil_the_plan() -> None:
    stalled = [False]

    def cost(_step: int, t: float) -> float:
        if t > 0.4 * MINUTE and not stalled[0]:
            stalled[0] = True
            return 10.0
        return 0.01

    ended = run(cost)
    assert ended.share == pytest.approx(1, abs=0.02)
    assert ended.steps == pytest.approx(5000, rel=0.02)
    assert ended.setbacks == 0


def test_steps_longer_than_the_time_between_plans() -> None:
    assert run(lambda _s, _t: 25.0).steps == 3
    assert run(lambda _s, _t: 200.0).steps == 3


def test_a_resumed_run_keeps_its_plan_and_its_time() -> None:
    first = Budget(MINUTE)
    for step in range(1, 3001):
        first.update(step, 0.01)
    resumed = Budget(MINUTE, first.total, first.spent)
    assert resumed.progress(3000) == first.progress(3000) == pytest.approx(0.5, abs=0.01)
    assert run(lambda _s, _t: 0.01, budget=resumed, step=3000).steps == pytest.approx(6000, abs=60)


def test_steps_do_not_look_at_the_time() -> None:
    budget = Budget(None, 10)
    for step in range(1, 10):
        budget.update(step, 1e6)
        assert (budget.total, budget.progress(step), budget.done(step)) == (10, step / 10, False)
    assert budget.done(10)
    assert budget.progress(11) == 1
