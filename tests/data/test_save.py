import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unstir.data import image_grid, load, save_samples
from unstir.data.picture import scatter_bytes
from unstir.data.target import check_target

Refused = Callable[..., str]
FullDisk = Callable[[int], AbstractContextManager[None]]


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def everything(folder: Path) -> list[str]:
    return sorted(str(item.relative_to(folder)) for item in folder.rglob("*"))


TABLE = torch.tensor([[0.1, -1e30], [2.5, 3.0]])
LABELS = torch.tensor([2, 0])


@pytest.mark.parametrize(("channels", "shape"), [(1, (2, 5, 4)), (3, (2, 5, 4, 3))])
def test_npz_of_images(tmp_path: Path, channels: int, shape: tuple[int, ...]) -> None:
    values = noise(2, channels, 5, 4)
    path = save_samples(tmp_path / "x.npz", values, LABELS, "image")
    with np.load(path) as arrays:
        assert sorted(arrays) == ["labels", "samples"]
        assert (arrays["samples"].shape, arrays["samples"].dtype) == (shape, np.uint8)
        assert arrays["labels"].dtype == np.int64
    dataset = load(path)
    assert torch.equal(dataset.values, values)
    assert dataset.labels is not None
    assert torch.equal(dataset.labels, LABELS)


def test_npz_of_a_table(tmp_path: Path) -> None:
    path = save_samples(str(tmp_path / "x.npz"), TABLE.double(), kind="table")
    with np.load(path) as arrays:
        assert list(arrays) == ["samples"]
        assert arrays["samples"].dtype == np.float32
    assert torch.equal(load(path).values, TABLE)


def test_the_same_samples_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        save_samples(tmp_path / name, noise(2, 1, 3, 3), LABELS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_with_names(tmp_path: Path, suffix: str) -> None:
    named = load(save_samples(tmp_path / f"a{suffix}", TABLE, columns=("height", "weight")))
    assert torch.equal(named.values, TABLE)
    assert named.columns == ("height", "weight")
    assert load(save_samples(tmp_path / f"b{suffix}", TABLE)).columns == ("x0", "x1")


def test_pictures(tmp_path: Path) -> None:
    values = noise(9, 1, 8, 8)
    save_samples(tmp_path / "grid.PNG", values)
    with Image.open(tmp_path / "grid.PNG") as grid:
        assert np.array_equal(np.asarray(grid), np.asarray(image_grid(values)))
    save_samples(tmp_path / "points.png", TABLE, LABELS, columns=("u", "v"))
    assert (tmp_path / "points.png").read_bytes() == scatter_bytes(TABLE, LABELS, ("u", "v"))


@pytest.mark.parametrize("channels", [1, 3])
def test_folders_of_images(tmp_path: Path, channels: int) -> None:
    values = noise(12, channels, 5, 4)
    save_samples(tmp_path / "f", values)
    assert everything(tmp_path / "f") == [f"{i:06d}.png" for i in range(12)]
    assert torch.equal(load(tmp_path / "f").values, values)


def test_folders_by_label(tmp_path: Path) -> None:
    values, labels = noise(4, 1, 5, 4), torch.tensor([10, 2, 10, 0])
    save_samples(tmp_path / "f", values, labels)
    files = ["0", "0/000003.png", "10", "10/000000.png", "10/000002.png", "2", "2/000001.png"]
    assert everything(tmp_path / "f") == files
    dataset = load(tmp_path / "f")
    assert dataset.label_names == ("0", "2", "10")
    assert torch.equal(dataset.values, values[[3, 1, 0, 2]])


def test_a_file_is_replaced_and_a_full_folder_is_not(tmp_path: Path, refused: Refused) -> None:
    for values in (noise(2, 1, 3, 3), noise(5, 1, 3, 3)):
        save_samples(tmp_path / "x.npz", values)
    assert len(load(tmp_path / "x.npz")) == 5
    (tmp_path / "empty").mkdir()
    save_samples(tmp_path / "empty", noise(2, 1, 3, 3))
    assert "is a folder with something in it: give a new one" in refused(
        save_samples, tmp_path / "empty", noise(2, 1, 3, 3)
    )


def test_folders_above_are_made(tmp_path: Path) -> None:
    save_samples(tmp_path / "a" / "b" / "x.npz", TABLE)
    assert everything(tmp_path) == ["a", "a/b", "a/b/x.npz"]


@pytest.mark.parametrize("name", ["x.npz", "x.png", "new/deep/x.npz", "folder", "new/folder"])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, refused: Refused, full_disk: FullDisk, name: str
) -> None:
    values = noise(4, 1, 40, 40)
    with full_disk(500):
        message = refused(save_samples, tmp_path / name, values)
    assert message.startswith(f"cannot write {tmp_path / name}: the file would be too large for this disk")
    assert everything(tmp_path) == []
    save_samples(tmp_path / name, values)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, refused: Refused, full_disk: FullDisk) -> None:
    save_samples(tmp_path / "x.npz", TABLE)
    with full_disk(500):
        refused(save_samples, tmp_path / "x.npz", noise(4, 1, 40, 40))
    assert torch.equal(load(tmp_path / "x.npz").values, TABLE)
    assert everything(tmp_path) == ["x.npz"]


def test_an_error_on_sync_is_an_error(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", broken)
    assert "the disk is full; free some space" in refused(save_samples, tmp_path / "x.npz", TABLE)
    assert everything(tmp_path) == []


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    for name in ("x.npz", "folder"):
        with pytest.raises(KeyboardInterrupt):
            save_samples(tmp_path / "new" / name, noise(2, 1, 3, 3))
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "values", "labels", "words"),
    [
        (
            "x.jpg",
            noise(2, 1, 3, 3),
            None,
            "ends in '.jpg': give .npz, .png, .csv, .parquet, .txt, .zip or a folder",
        ),
        ("x.csv", noise(2, 1, 3, 3), None, "holds tables, and these are images: give .npz"),
        ("x", TABLE, None, "is a folder of images, and this is a table: add .npz or .csv"),
        ("x.png", torch.zeros(4, 3), None, "points of 2 columns, and these have 3"),
        ("x.csv", TABLE, LABELS, "holds numbers and no labels: give .npz"),
        (
            "x.png",
            torch.zeros(1, 1, 1).to(torch.uint8).expand(9000, 1, 100, 100),
            None,
            "megapixels, above 64",
        ),
        ("file/x.npz", TABLE, None, "file is no folder we may write in"),
        ("file", noise(2, 1, 3, 3), None, "is a file: give a folder"),
        ("dir.npz", TABLE, None, "is a folder: give the name of a file in it"),
        ("a\0b.npz", TABLE, None, "cannot be written"),
        ("x" * 300 + ".npz", TABLE, None, "cannot be written (File name too long): give another place"),
    ],
)
def test_targets_that_cannot_be(
    tmp_path: Path, refused: Refused, name: str, values: torch.Tensor, labels: torch.Tensor | None, words: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dir.npz").mkdir()
    # Known before any sample is made, and when there are some.
    early = refused(check_target, tmp_path / name, values.shape, labelled=labels is not None)
    assert words in early
    assert refused(save_samples, tmp_path / name, values, labels) == early
    assert everything(tmp_path) == ["dir.npz", "file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path, refused: Refused) -> None:
    tmp_path.chmod(0o500)
    assert f"{tmp_path} is no folder we may write in" in refused(
        check_target, tmp_path / "x.npz", TABLE.shape
    )


def test_a_folder_that_takes_no_files(refused: Refused) -> None:
    place = Path("/proc/self/x.npz")
    if not place.parent.is_dir():
        pytest.skip("no /proc on this system")
    assert f"{place} cannot be written" in refused(save_samples, place, TABLE)


@pytest.mark.parametrize(
    ("values", "labels", "kind", "words"),
    [
        (
            torch.zeros(2, 1, 3, 3),
            None,
            None,
            "samples of torch.float32 and shape (2, 1, 3, 3): give uint8 images",
        ),
        (noise(2, 3), None, None, "samples of torch.uint8 and shape (2, 3)"),
        (torch.zeros(0, 2), None, None, "shape (0, 2)"),
        (noise(2, 2, 3, 3), None, None, "shape (2, 2, 3, 3)"),
        (TABLE, None, "image", "are no image: leave kind out"),
        (noise(2, 1, 3, 3), None, "table", "are no table: leave kind out"),
        (TABLE, torch.tensor([1]), None, "labels of torch.int64 and shape (1,) for 2 samples"),
        (TABLE, torch.zeros(2), None, "labels of torch.float32 and shape (2,) for 2 samples: give integers"),
    ],
)
def test_values_that_cannot_be(
    tmp_path: Path,
    refused: Refused,
    values: torch.Tensor,
    labels: torch.Tensor | None,
    kind: str | None,
    words: str,
) -> None:
    assert words in refused(save_samples, tmp_path / "x.npz", values, labels, kind)


def test_names_that_do_not_fit(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "x.csv"
    assert "the table has 2, give a name for each" in refused(save_samples, path, TABLE, columns=["a"])
    assert "has two columns 'a'" in refused(save_samples, path, TABLE, columns=["a", "a"])
