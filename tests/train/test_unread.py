"""A step reads nothing from the device: on one whose numbers nobody can read, every step can be made.

Torch's "meta" device holds shapes and no numbers. Whoever reads one there fails, as `float(loss)`, an `if` on
a tensor, a mask that is indexed with, or a copy back to the host do: each of them would wait for a GPU.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from unstir import physics
from unstir.bars import show_training
from unstir.data import Scaling
from unstir.data.augment import augmentation
from unstir.data.items import Items
from unstir.fields import build_network, field_class
from unstir.fields.modalsketch import SKETCHES
from unstir.moving import sent
from unstir.train import TrainConfig, Trainer, session
from unstir.train.metrics import Metrics

Config = Callable[..., TrainConfig]
META = torch.device("meta")
SHAPE = (1, 8, 8)
Operation = Callable[..., object]
Options = dict[str, Any]
# What still reads: fields of the batch are made class by class (pfgm, capacitor), and coins are looked at
# before they are tossed.
LINEAR = ("edm", "vp", "rectified", "poisson:D=128", "levy", "yukawa", "heat", "blurring", "heat_poisson")
OTHERS = ("langevin", "kac", "bridge:task=deblur")


class Waiting(TorchDispatchMode):
    """Fails where a copy between the host and the device is waited for."""

    def __torch_dispatch__(
        self, func: Operation, types: object, args: tuple[Any, ...] = (), kwargs: Options | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default:
            target = kwargs.get("device")
            moved = target is not None and torch.device(target) != args[0].device
            assert not moved or kwargs.get("non_blocking"), "a copy to the device is waited for"
        return func(*args, **kwargs)


@pytest.fixture(autouse=True)
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch has fused and foreach kernels for the meta device, but says that it has none; nor autocast."""
    from torch.nn.utils import clip_grad
    from torch.optim import optimizer

    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["meta", "cpu"])
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(clip_grad, "_device_has_foreach_support", lambda _device: True)


def trainer(config: Config, process: str, floors: str | None = None, **options: Any) -> Trainer:  # noqa: ANN401
    law = physics.parse(process)
    kind = field_class(law)
    given, wanted = kind.sizes(law, SHAPE)
    own: dict[str, Any] = {}
    if kind.sketches:
        own["sketch"] = SKETCHES[floors or next(iter(kind.sketches))](SHAPE, 3, 4, 2)
        given = (2 * given[0], *given[1:])
    network = build_network("patch-unet", given, {"width": 16, "layers": 1, "middle": 1}, wanted, classes=2)
    field = kind(network, law, shape=SHAPE, **own)
    field.classes = 2
    data, labels = torch.zeros(20, *SHAPE, device=META), torch.zeros(20, dtype=torch.int64, device=META)
    return Trainer(config(**options), field.to(META), data, labels, bfloat16=False)


@pytest.mark.parametrize(
    ("process", "floors"), [*((process, None) for process in LINEAR + OTHERS), ("poisson:D=128", "modes")]
)
def test_no_step_reads_the_device_or_waits_for_a_copy(
    config: Config, process: str, floors: str | None
) -> None:
    this = trainer(config, process, floors, steps=50, optimizer="muon", augment="flip")
    walk = iter(this)
    next(walk)  # what is the same in all steps is moved once
    with Waiting():
        steps = list(itertools.islice(walk, 3))
    assert [step.index for step in steps] == [2, 3, 4]
    assert steps[-1].loss.device == META


def test_data_that_stay_with_the_host_are_sent_and_not_waited_for(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstir.data.items.free_memory", lambda _device: 5000)
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, (20, *SHAPE), dtype=torch.uint8, generator=draw)
    items = Items(values, Scaling("image", (127.5,), (150.0,)), META)
    assert items._values is values  # 1280 bytes are more than a quarter of 5000
    this = trainer(config, "edm", steps=50)
    this.data = items
    walk = iter(this)
    next(walk)
    with Waiting():
        assert next(walk).loss.device == META
    monkeypatch.setattr("unstir.data.items.free_memory", lambda _device: 5120)
    assert Items(values, Scaling("image", (127.5,), (150.0,)), META)._values.device == META


def test_the_host_reads_figures_now_and_then(config: Config) -> None:
    """The test above can fail: where figures are read, it does."""
    this = trainer(config, "edm", steps=80, optimizer="adam")
    this._rows._every = 4
    walk = iter(this)
    steps = list(itertools.islice(walk, 7))  # the first rows are sent after 4 steps, and read after 8
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        next(walk)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        float(steps[0].loss)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        _ = steps[0].skipped


def test_the_bar_and_the_metrics_read_nothing(config: Config) -> None:
    walk = iter(trainer(config, "edm", steps=40))
    steps = list(itertools.islice(walk, 3))
    out, lines = io.StringIO(), io.StringIO()
    show_training(steps, 16, None, Console(file=out))
    noted = Metrics(lines, 16, 0)
    line = noted.note(steps[0])
    assert line is not None
    assert (line["step"], line["loss"], line["skipped"]) == (1, None, 0)


def test_a_copy_that_is_waited_for_is_found() -> None:
    with Waiting():
        assert sent(torch.ones(2), META).device == META
        with pytest.raises(AssertionError, match="waited for"):
            torch.ones(2).to(META)


def test_augmentation_waits_for_nothing() -> None:
    items = torch.zeros(6, *SHAPE, device=META)
    with Waiting():
        for name in ("flip", "edm:p=0.9"):
            made, _ = augmentation(name).apply(items, torch.Generator().manual_seed(0))
            assert made.shape == items.shape


def test_what_is_sent_is_the_same_numbers() -> None:
    values = torch.arange(4.0)
    assert sent(values, "cpu") is values
    wide: Tensor = sent(values, "cpu", torch.float64)
    assert torch.equal(wide, values.double())


@pytest.mark.parametrize("process", ["poisson:D=3", "blurring"])
def test_what_is_fitted_before_training_is_fitted_on_the_host(
    process: str, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sketch needs scikit-learn: fitted on the device it would ask it for numbers that it has not."""
    monkeypatch.setattr(session, "choose_device", lambda _name: META)
    monkeypatch.setattr(
        Items, "on_host", lambda self, where=None: torch.rand(len(self if where is None else where), *SHAPE)
    )
    begun = session.start(config(data="digits", process=process, steps=1), tmp_path / "run")
    field = begun.trainer.field
    assert field.sketch is not None
    assert all(value.device == META for value in [*field.parameters(), *field.buffers()])
