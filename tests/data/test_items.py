from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from unstir.data import Columns, Dataset, Levels, Scaling, limits, load
from unstir.data.items import Items, model_units, parted, spaced

Refused = Callable[..., str]
MEMORY = 40_000  # bytes that the machine is said to have: a fourth of it may be filled


def images(n: int = 50, channels: int = 3) -> Dataset:
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, (n, channels, 9, 10), dtype=torch.uint8, generator=draw)
    return Dataset("images", "image", values, torch.arange(n) % 7, tuple("abcdefg"))


def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "physical_memory", lambda: MEMORY)


def coders(dataset: Dataset) -> list[Scaling | Levels]:
    return [Scaling.fit(dataset), Levels.fit(dataset, 2), Levels.fit(dataset, 256)]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_images_stay_bytes_and_come_out_as_the_coder_makes_them(which: int) -> None:
    dataset = images()
    coder = coders(dataset)[which]
    items, truth = Items(dataset.values, coder), coder.to_model(dataset.values)
    index = torch.tensor([49, 0, 7, 7])
    assert torch.equal(items[index], truth[index])
    assert items[index].dtype == truth.dtype
    assert torch.equal(items[:5], truth[:5])
    assert torch.equal(items.sample(), truth)
    assert items.shape == tuple(truth.shape)
    assert len(items) == 50
    assert items._values is dataset.values  # no copy of the bytes


def test_a_coder_that_looks_at_neighbours_is_not_looked_up() -> None:
    class Blur(Scaling):
        def to_model(self, values: Tensor) -> Tensor:
            return values.float().cumsum(-1)

    dataset = images()
    items = Items(dataset.values, Blur("image", (0.0,), (1.0,)))
    assert torch.equal(items[:50], dataset.values.float().cumsum(-1))


def test_tables_are_in_model_units_from_the_beginning() -> None:
    values = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    dataset = Dataset("table", "table", values, columns=("a", "b", "c", "d"))
    coder = Scaling.fit(dataset)
    items = Items(values, coder)
    assert items._coder is None
    assert torch.equal(items[torch.arange(30)], coder.to_model(values))


def test_model_units_of_categories() -> None:
    values = torch.tensor([[0.0, 1.5], [2.0, 2.5], [1.0, 0.5]])
    dataset = Dataset("t", "table", values, columns=("c", "x"), categories=(("a", "b", "c"), None))
    coder = Columns.fit(dataset)
    assert torch.equal(Items(values, coder)[:3], coder.to_model(values))
    assert torch.equal(model_units(coder, values), coder.to_model(values))


def test_model_units_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    small_machine(monkeypatch)
    dataset = images(40)
    coder = Scaling.fit(dataset)
    assert "40 items in model units needs 42.2 KiB, more than the 39.1 KiB of memory here" in refused(
        model_units, coder, dataset.values
    )


@pytest.mark.parametrize("holdout", [0.0, 0.2])
def test_a_set_in_memory_is_parted_as_ever(holdout: float) -> None:
    dataset = images()
    parts = parted(dataset, holdout, seed=3)
    train, heldout = dataset.split(holdout, seed=3)
    assert torch.equal(parts.train.values, train.values)
    assert torch.equal(parts.heldout.values, heldout.values)
    assert parts.rows is None
    assert parts.count == len(train)
    assert parts.labels is not None
    assert train.labels is not None
    assert torch.equal(parts.labels, train.labels)


def test_a_large_set_is_parted_by_the_same_rows(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    dataset = images(400)
    train, heldout = dataset.split(0.25, seed=5)
    small_machine(monkeypatch)
    parts = parted(dataset, 0.25, seed=5)
    coder = Scaling.fit(dataset)
    items = parts.items(coder)
    assert len(items) == parts.count == len(train) == 300
    assert torch.equal(items[torch.arange(300)], coder.to_model(train.values))
    assert torch.equal(items[10:20], coder.to_model(train.values[10:20]))
    assert items._values is dataset.values  # no copy of a large set
    assert parts.labels is not None
    assert train.labels is not None
    assert torch.equal(parts.labels, train.labels)
    assert torch.equal(parts.heldout.values, heldout.values)  # few enough to be kept in full
    assert "leaves none of 400 items" in refused(parted, dataset, 0.999)


def test_samples_of_a_large_set(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = images(4000, channels=1)
    small_machine(monkeypatch)
    monkeypatch.setattr("unstir.data.items._SAMPLE_BYTES", 0)
    parts = parted(dataset, 0.5)
    train, heldout = dataset.split(0.5)
    assert torch.equal(parts.train.values, train.values[::2])
    assert torch.equal(parts.heldout.values, heldout.values[::2])
    coder = Scaling.fit(parts.train)
    items = parts.items(coder)
    assert torch.equal(items.sample(), coder.to_model(train.values[::2]))
    assert torch.equal(items.sample(20), coder.to_model(train.values[::100]))


def test_a_file_on_disk_gives_the_same_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = images(400)
    np.save(tmp_path / "x.npy", dataset.values.permute(0, 2, 3, 1).contiguous().numpy())
    coder, index = Scaling.fit(dataset), torch.tensor([3, 399, 0])
    small_machine(monkeypatch)
    read = load(tmp_path / "x.npy")
    assert torch.equal(parted(read, 0.0).items(coder)[index], coder.to_model(dataset.values[index]))


def test_spaced() -> None:
    assert spaced(10, 20).tolist() == list(range(10))
    assert spaced(10, 4).tolist() == [0, 2, 5, 7]
    assert spaced(0, 4).tolist() == []
