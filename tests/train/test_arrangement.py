"""How the arithmetic is arranged: the faster is taken, and what is learned is the same."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

import unstir
from unstir import physics
from unstir.fields import NeuralField, build_network
from unstir.train.arrangement import Arrangement, fastest, lay
from unstir.train.optimizer import Optimizer


class Slow(nn.Module):
    """A network that is slow in float32, on one thread, or with channels last, as it is told.

    Attributes:
        seconds: that all such networks took, by a clock of their own.
    """

    seconds = 0.0

    def __init__(self, slow: str) -> None:
        super().__init__()
        self.slow = slow
        self.weight = nn.Parameter(torch.ones(2, 2, 3, 3))

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        is_last = not self.weight.is_contiguous()
        told = {
            "float32": not torch.is_autocast_enabled("cpu"),
            "bfloat16": torch.is_autocast_enabled("cpu"),
            "first": not is_last,
            "threads": torch.get_num_threads() > 1,
            "plain": True,
        }
        if not torch.compiler.is_compiling():
            Slow.seconds += 0.08 if told[self.slow] else 0.02
        return x * self.weight.mean()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time but what a `Slow` takes."""
    monkeypatch.setattr("unstir.train.arrangement.time", SimpleNamespace(perf_counter=lambda: Slow.seconds))


USUAL = Arrangement(bfloat16=False, channels_last=False, threads=2)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("slow", "free", "wanted"),
    [
        ("float32", {"bfloat16"}, Arrangement(True, False, 2)),
        ("bfloat16", {"bfloat16"}, USUAL),
        ("first", {"channels_last"}, Arrangement(False, True, 2)),
        ("float32", set(), USUAL),
        ("threads", {"threads"}, Arrangement(False, False, 1)),
        ("threads", {"bfloat16"}, USUAL),
        ("plain", {"compiled"}, Arrangement(False, False, 2, compiled=True)),
        ("plain", set(), USUAL),
    ],
)
def test_what_is_clearly_faster_is_taken(
    slow: str, free: set[str], wanted: Arrangement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstir.train.arrangement._BACKEND", "eager")  # only traces, in a moment
    field = NeuralField(Slow(slow), physics.edm(), shape=(2, 4, 4))
    before = torch.get_num_threads()
    assert fastest(field, torch.randn(8, 2, 4, 4), None, USUAL, free=free) == wanted
    assert torch.get_num_threads() == before
    assert field.network.weight.grad is None


def test_channels_last_trains_to_the_same_weights() -> None:
    weights = []
    for last in (False, True):
        torch.manual_seed(0)
        network = build_network("patch-unet", (1, 8, 8), {"width": 16})
        field = NeuralField(network, physics.edm(), shape=(1, 8, 8))
        lay(field, channels_last=last)
        optimizer = Optimizer(field.parameters(), "adam")
        for step in range(3):
            loss = field.loss(torch.ones(8, 1, 8, 8), torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step(1e-3)
        weights.append([p.detach() for p in network.parameters()])
    wide = [p for p in weights[1] if p.ndim == 4 and p.shape[2] == 3]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in wide)
    for a, b in zip(*weights, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_a_compiler_that_fails_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr("unstir.train.arrangement._BACKEND", broken)
    field = NeuralField(Slow("plain"), physics.edm(), shape=(2, 4, 4))
    assert fastest(field, torch.randn(8, 2, 4, 4), None, USUAL, free={"compiled"}) == USUAL


def test_a_compiled_network_trains_to_the_same_weights_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstir.train.arrangement._BACKEND", "aot_eager")
    options = {"width": 16, "layers": 1, "middle": 1}
    common = {"steps": 3, "network": "patch-unet", "network_options": options, "batch": 8}
    runs = [
        unstir.fit("edm", "digits", out=tmp_path / str(compiled), compile=compiled, **common)
        for compiled in (False, True)
    ]
    assert [run.config.compile for run in runs] == [False, True]
    for a, b in zip(*(run.field.parameters() for run in runs), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)
    samples = [run.sample(4, steps=3).int() for run in runs]
    assert (samples[0] - samples[1]).abs().float().mean() < 2


def test_a_run_keeps_what_was_measured(tmp_path: Path) -> None:
    run = unstir.fit("edm", "digits", minutes=0.01, out=tmp_path / "run", network="patch-unet:small")
    assert run.config.threads in (1, torch.get_num_threads())
    assert run.config.channels_last is not None
    assert run.config.precision in ("bfloat16", "float32")


def test_a_budget_in_steps_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.train.choices.fastest", None)
    run = unstir.fit("edm", "digits", steps=1, out=tmp_path / "run", network="patch-unet:small")
    assert run.config.channels_last is (run.device.type == "cpu")
    weights = [p for p in run.field.network.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)
    mlp = unstir.fit("edm", "digits", steps=1, out=tmp_path / "mlp", network="mlp:small")
    assert mlp.config.channels_last is False
