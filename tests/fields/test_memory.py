"""What is fitted before training takes little memory beside the items, and gives the same by parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from unstir import physics
from unstir.byparts import by_columns, by_parts
from unstir.fields.modalsketch import ModalSketch
from unstir.fields.sketch import Sketch
from unstir.fields.widths import fit_widths

SHAPE = (3, 16, 16)


def modal(items: Tensor) -> Tensor:
    sketch = ModalSketch(SHAPE, 8, 6)
    sketch.fit(items)
    return sketch.means


def alike(items: Tensor) -> Tensor:
    """All in one component."""
    sketch = ModalSketch(SHAPE, 1, 6)
    sketch.fit(items)
    return sketch.rest


def plain(items: Tensor) -> Tensor:
    sketch = Sketch(SHAPE, 8, 6)
    sketch.fit(items)
    return sketch.means


def heat(items: Tensor) -> Tensor:
    return physics.parse("blurring").prepared(items).kept()["spectrum"]


def widths(items: Tensor) -> Tensor:
    return fit_widths(items)[0]


def peak(work: Callable[[], object], folder: Path) -> int:
    """The most bytes that torch had taken at once in `work`, beyond those before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        work()
    watched.export_chrome_trace(str(folder / "trace.json"))
    events = json.loads((folder / "trace.json").read_text("utf-8"))["traceEvents"]
    told = [event["args"] for event in events if event["name"] == "[memory]"]
    return max(each["Total Allocated"] for each in told) - (told[0]["Total Allocated"] - told[0]["Bytes"])


@pytest.fixture
def items(monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr("unstir.byparts._NUMBERS", 2**15)
    monkeypatch.setattr("unstir.fields.modalsketch._MUCH", 2**15)
    monkeypatch.setattr("unstir.fields.sketch._MOST", 200)  # of many items these are few
    monkeypatch.setattr("unstir.physics.moments._FEW", 200)
    monkeypatch.setattr("unstir.physics.moments._WORK", 0)
    return torch.randn(4000, *SHAPE, generator=torch.Generator().manual_seed(0)) + 0.1


@pytest.mark.parametrize(
    ("fit", "most"), [(modal, 2.3), (alike, 2.3), (plain, 0.7), (heat, 1.5), (widths, 0.3)]
)
def test_fitting_takes_little_memory_beside_the_items(
    items: Tensor, fit: Callable[[Tensor], Tensor], most: float, tmp_path: Path
) -> None:
    found = peak(lambda: fit(items), tmp_path) / items.nbytes
    assert found < most, f"{found:.2f} times the items"


@pytest.mark.parametrize("fit", [modal, alike, plain, heat, widths])
def test_parts_give_what_all_at_once_gives(
    items: Tensor, fit: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fit(items)
    monkeypatch.setattr("unstir.byparts._NUMBERS", 2**30)
    assert torch.allclose(found, fit(items), rtol=1e-5, atol=1e-6)


def test_parts_come_in_order() -> None:
    values = torch.arange(23 * 2.0).reshape(23, 2)
    for numbers in (1, 7, 10, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("unstir.byparts._NUMBERS", numbers)
            assert torch.equal(by_parts(lambda part: part.sum(1), values), values.sum(1))
            assert torch.equal(by_columns(lambda part: part.sum(0), values), values.sum(0))
            assert by_parts(lambda part: part[:, 0], values[:0]).shape == (0,)
