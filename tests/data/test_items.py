from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from unstir.data import Columns, Dataset, Levels, Scaling, limits, load
from unstir.data.items import Items, drawn, model_units, parted, spaced
from unstir.data.limits import fits_device
from unstir.data.text import Letters
from unstir.moving import free_memory

Refused = Callable[..., str]
MEMORY = 40_000  # bytes that the machine is said to have: a fourth of it may be filled


def images(n: int = 50, channels: int = 3) -> Dataset:
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, (n, channels, 9, 10), dtype=torch.uint8, generator=draw)
    return Dataset("images", "image", values, torch.arange(n) % 7, tuple("abcdefg"))


def table(n: int) -> Dataset:
    values = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    return Dataset("table", "table", values, torch.arange(n) % 7, tuple("abcdefg"), ("a", "b", "c", "d"))


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
    assert torch.equal(items.on_host(), truth)
    assert torch.equal(items.on_host(index), truth[index])
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
    assert items.on_host() is items._values  # no copy


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
    index = drawn(2000, 1000, 0)
    assert torch.equal(parts.train.values, train.values[index])
    assert torch.equal(parts.heldout.values, heldout.values[index])
    coder = Scaling.fit(parts.train)
    known, labels = parts.known(parts.items(coder))
    assert torch.equal(known, coder.to_model(parts.train.values))
    assert labels is not None
    assert parts.train.labels is not None
    assert torch.equal(labels, parts.train.labels)


@pytest.mark.parametrize("dataset", [images(4000, channels=1), table(4000)])
def test_what_is_fitted_before_training_is_bounded(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parted(dataset, 0.5, seed=3)
    coder = Scaling.fit(parts.train)
    items = parts.items(coder)
    everything, labels = parts.known(items)
    assert torch.equal(everything, coder.to_model(parts.train.values))
    size = everything[0].nbytes
    monkeypatch.setattr("unstir.data.items._KNOWN_BYTES", 1500 * size)
    known, theirs = parts.known(items)
    index = drawn(2000, 1500, 3)
    assert torch.equal(known, everything[index])
    assert labels is not None
    assert theirs is not None
    assert torch.equal(theirs, labels[index])
    assert known.mean() == pytest.approx(float(everything.mean()), abs=0.01)
    monkeypatch.setattr("unstir.data.items._KNOWN_BYTES", 2000 * size)
    assert torch.equal(parts.known(items)[0], everything)


def test_letters_are_all_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process counts them: one that a sample lacks would be none of its states."""
    values = torch.full((3000, 5), ord("a"), dtype=torch.int32)
    values[1234, 2] = ord("z")
    parts = parted(Dataset("text", "text", values), 0.0)
    items = parts.items(Letters.fit(parts.train))
    monkeypatch.setattr("unstir.data.items._KNOWN_BYTES", 0)
    assert len(parts.known(items)[0]) == 3000


def test_a_sample_has_no_period() -> None:
    """Of data in which classes take turns evenly spaced items are all of one class."""
    assert len((spaced(5000, 500) % 10).unique()) == 1
    index = drawn(5000, 500, 0)
    assert len(index) == len(index.unique()) == 500
    assert torch.equal(index, index.sort().values)
    assert torch.bincount(index % 10).min() > 25
    assert not torch.equal(index, drawn(5000, 500, 1))
    assert torch.equal(drawn(20, 20, 0), torch.arange(20))


def test_data_beyond_a_quarter_of_a_devices_free_memory_stay_with_the_host() -> None:
    assert fits_device(25, 100)
    assert not fits_device(26, 100)
    assert fits_device(10**12, None)  # the host's own memory, of which `is_large` judges
    assert free_memory(torch.device("cpu")) is None


@pytest.mark.parametrize("dataset", [images(), table(50)])
def test_items_that_stay_with_the_host_come_on_the_device(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's meta device stands for a GPU: its tensors have a place and a shape, and no numbers."""
    coder = Scaling.fit(dataset)
    assert Items(dataset.values, coder, "meta")._values.device.type == "meta"
    monkeypatch.setattr("unstir.data.items.free_memory", lambda _: dataset.values.nbytes)
    items = Items(dataset.values, coder, "meta")
    assert items._values.device.type == "cpu"
    batch = items[torch.tensor([3, 1])]
    assert (batch.device.type, batch.dtype, batch.shape) == ("meta", torch.float32, (2, *dataset.shape))


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
