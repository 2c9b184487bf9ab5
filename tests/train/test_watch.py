"""Spikes and gradients that are not finite are skipped and counted; what diverges stops with advice."""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from unstir import physics
from unstir.errors import InputError
from unstir.fields import NeuralField, build_network
from unstir.train import Arrived, TrainConfig, Trainer, TrainStep, loop
from unstir.train.gate import Gate
from unstir.train.metrics import Metrics
from unstir.train.watch import Rows, Watch

Config = Callable[..., TrainConfig]
Refused = Callable[..., str]


CPU = torch.device("cpu")


def judged(norms: list[float], gate: Gate | None = None) -> tuple[list[bool], Watch]:
    gate, watch = gate or Gate(CPU), Watch()
    made = []
    for norm in norms:
        made.append(bool(gate.takes(torch.tensor(norm, dtype=torch.float64))))
        watch.note(0.0, finite=math.isfinite(norm), made=made[-1])
    assert (gate.steps, gate.skipped) == (watch.steps, watch.skipped)
    return made, watch


def noise(n: int, spread: float = 0.5) -> list[float]:
    """Norms that vary by a factor of two or so."""
    draws = spread * torch.randn(n, generator=torch.Generator().manual_seed(0))
    return draws.exp().tolist()


def test_a_spike_is_skipped_and_what_varies_is_not() -> None:
    norms = noise(300)
    norms[100], norms[200], norms[201] = 200.0, math.nan, math.inf
    made, watch = judged(norms)
    assert [i for i, one in enumerate(made) if not one] == [100, 200, 201]
    assert (watch.skipped, watch.spikes, watch.in_a_row) == (3, 1, 0)
    # One that is five times the largest of the others is none.
    norms[100] = 5 * max(noise(300))
    assert judged(norms)[1].spikes == 0


def test_the_unit_does_not_matter() -> None:
    for unit in (1e-20, 1e20):
        norms = [unit * norm for norm in noise(100)]
        norms[60] *= 1000
        assert judged(norms)[1].spikes == 1


def test_a_change_that_lasts_is_followed() -> None:
    made, watch = judged(noise(100) + [1000 * norm for norm in noise(100)])
    assert watch.skipped == 100 + 100 - sum(made)
    assert 5 <= watch.skipped <= 30
    assert all(made[-60:])
    assert watch.verdict() is None


def test_early_steps_are_none() -> None:
    assert judged([1e-6, 1.0, 1e6])[1].skipped == 0
    assert judged([0.0] * 30 + [1.0] * 30)[1].verdict() is None


def test_a_loss_that_grows_and_stays_finite_is_a_verdict() -> None:
    watch = Watch()
    for step in range(2000):
        loss = math.exp(-step / 200) if step < 1000 else math.exp(-5 + (step - 1000) / 50)
        watch.note(loss, finite=True, made=True)
        if watch.verdict():
            break
    assert 1000 < step < 1700
    assert str(watch.verdict()).startswith("the loss has grown to ")


@pytest.mark.parametrize("floor", [0.0, 1e-9])
def test_a_loss_that_has_all_but_vanished_may_rise(floor: float) -> None:
    """Far above the least, and far below what it began with."""
    watch = Watch()
    for step in range(3000):
        loss = max(floor, math.exp(-step / 50)) if step < 2000 else 0.5
        watch.note(loss, finite=True, made=True)
        assert watch.verdict() is None


def test_it_is_restored_as_it_was() -> None:
    norms = noise(200)
    norms[150] = 200.0
    straight, _ = judged(norms)
    whole, half = Gate(CPU), Gate(CPU)
    judged(norms, whole)
    first, before = judged(norms[:120], half)
    before.note(0.3, finite=True, made=True)
    before.steps, before.size = int(half.steps), float(half.size)
    after, gate = Watch(), Gate(CPU)
    after.restore(json.loads(json.dumps(before.state())))
    assert after == before
    gate.restore(size=after.size, steps=after.steps, skipped=after.skipped)
    rest = [bool(gate.takes(torch.tensor(norm, dtype=torch.float64))) for norm in norms[120:]]
    assert first + rest == straight
    assert (gate.size, gate.steps, gate.skipped) == (whole.size, whole.steps, whole.skipped)
    old = Watch()
    old.restore({"skipped": 3})
    assert old == Watch(skipped=3)
    for bad in ({"skipped": 1, "watch_size": math.nan}, {"skipped": "x"}, {"watch_size": 1.0}):
        with pytest.raises((ValueError, KeyError)):
            Watch().restore(bad)


class Spiking(NeuralField):
    """A loss a thousand times its own at some steps."""

    at: tuple[int, ...] = ()
    calls = 0

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        self.calls += 1
        return super().loss(data, generator, label) * (1e4 if self.calls in self.at else 1)


def trainer(config: TrainConfig, at: tuple[int, ...] = ()) -> Trainer:
    torch.manual_seed(0)
    data = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    field = Spiking(build_network("mlp", (2,), config.network_options), physics.edm(), shape=(2,))
    field.at = at
    return Trainer(config, field, data, bfloat16=False)


def test_the_loop_skips_a_spike(config: Config) -> None:
    this = trainer(config(steps=60), (40,))
    walk = iter(this)
    for _ in range(39):
        before = next(walk)
    weights = {key: value.clone() for key, value in this.tensors()["model"].items()}
    step = next(walk)
    assert (before.skipped, step.skipped) == (0, 1)
    assert float(step.loss) > 1000
    assert all(torch.equal(value, weights[key]) for key, value in this.tensors()["model"].items())
    assert [step.skipped for step in walk] == [1] * 20
    assert this.state()["watch_spikes"] == 1


def test_a_training_that_diverges_stops_with_advice(config: Config, refused: Refused) -> None:
    """A learning rate a hundred thousand times too high: everything stays finite, and nothing is learned."""
    this = trainer(config(steps=5000, lr=300.0, warmup=0.02))
    message = refused(lambda: list(this))
    assert message.startswith("training diverged: ")
    assert "lower lr (now 300), raise warmup or use precision float32" in message
    assert 20 < this.step < 5000
    losses = [step.loss for step in itertools.islice(trainer(config(steps=5000, lr=300.0)), 30)]
    assert all(bool(loss.isfinite()) for loss in losses)


@pytest.mark.parametrize("process", ["edm", "poisson:D=1", "levy", "yukawa"])
def test_healthy_trainings_stay_far_from_all_limits(config: Config, process: str) -> None:
    """Heavy tails among them: no gradient is ten times the usual, no loss ten times the least."""
    torch.manual_seed(0)
    data = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    law = physics.parse(process)
    field = NeuralField(build_network("mlp", (2,), {"width": 16, "depth": 1}), law, shape=(2,))
    this = Trainer(config(steps=300), field, data, bfloat16=False)
    sizes = [float(this.gate.size) for _ in this]
    assert this.skipped == 0
    assert max(b - a for a, b in itertools.pairwise(sizes[20:])) < 0.05 * math.log(10)
    assert this.watch.loss < 10 * this.watch.least


def test_the_verdict_is_an_input_error(config: Config) -> None:
    this = trainer(config(steps=300))
    this.watch.least, this.watch.first, this.watch.loss, this.watch.steps = 1e-3, 1e-3, 1e3, 100
    with pytest.raises(InputError, match="the loss has grown"):
        next(iter(this))


def test_rows_of_another_device_come_late_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(CPU)
    monkeypatch.setattr(rows, "_every", 4)
    came = list[list[float]]()
    for step in range(11):
        rows.add([torch.tensor(float(step)), torch.tensor(0.5)])
        came += rows.arrived()
        # Nothing is read but what was sent four steps ago or more.
        assert len(came) == max(0, 4 * ((step + 1) // 4) - 4)
    assert came + list(rows.all()) == [[float(step), 0.5] for step in range(11)]
    assert not list(rows.all())


class LateDevice:
    """A device that takes a second a step, of which the host sees nothing but where it waits.

    Args:
        rows: of a trainer.
        every: steps whose rows are sent at once.
    """

    def __init__(self, rows: Rows, every: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self._done, self._rows_read = 0.0, 0, rows._read
        monkeypatch.setattr(rows, "_every", every)
        monkeypatch.setattr(rows, "_read", self._waited)
        monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def _waited(self) -> list[list[float]]:
        rows = self._rows_read()
        self._done += len(rows)
        self.now = max(self.now, float(self._done))
        return rows


def test_waiting_for_the_device_is_training(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    this = trainer(config(steps=22))
    device = LateDevice(this._rows, 4, monkeypatch)
    losses = list[float]()
    for step in this:
        losses.append(float(step.loss))
        assert step.seconds == device.now
        known = step.arrived
        assert known.loss == (losses[known.index - 1] if known.index else None)
        assert step.index - known.index < 8
        if step.index == 10:
            assert this.state()["spent"] == 10.0  # a checkpoint waits for all that was begun
    assert known.index == 22
    assert this.budget.spent == device.now == 22.0


def test_on_a_cpu_figures_are_there_at_once(config: Config) -> None:
    steps = list(trainer(config(steps=40), (30,)))
    assert [step.arrived.index for step in steps] == list(range(1, 41))
    assert [step.arrived.loss for step in steps] == [float(step.loss) for step in steps]
    assert [step.arrived.skipped for step in steps] == [step.skipped for step in steps] == [0] * 29 + [1] * 11


def test_a_late_loss_is_in_one_line_of_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.train.metrics._EVERY", 0.0)
    unread, stream = torch.empty((), device="meta"), io.StringIO()
    noted = Metrics(stream, 16, 4)
    late = (Arrived(4, None, 1), Arrived(5, 0.5, 1), Arrived(5, 0.5, 1), Arrived(7, math.nan, 2))
    for index, arrived in enumerate(late, 5):
        noted.note(TrainStep(index, 100, unread, 1e-3, 1.0, unread, arrived))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    found = [(line["step"], line["loss"], line["skipped"]) for line in lines]
    assert found == [(5, None, 1), (6, 0.5, 1), (7, None, 1), (8, None, 2)]
