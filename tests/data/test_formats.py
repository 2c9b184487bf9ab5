"""Formats of samples: whatever the parts, the same file; what it holds, by other readers than ours."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from unstir.data import Dataset, load, save_samples
from unstir.data.formats import Format, format_of

N = 11
CUTS = (0, 4, 8, 11)


def samples(kind: str, *, labelled: bool = False, channels: int = 1) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    values = {
        "image": torch.randint(256, (N, channels, 5, 4), generator=generator).to(torch.uint8),
        "table": torch.randn(N, 2, generator=generator),
        "signal": torch.randn(N, 2, 7, generator=generator),
        "text": torch.randint(ord("a"), ord("z"), (N, 6), generator=generator).int(),
    }[kind]
    labels, names = (torch.arange(N) % 3, ("few", "some", "many")) if labelled else (None, ())
    columns: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...] | None, ...] = ()
    if kind == "table":
        values[:, 1] = torch.arange(N) % 3
        columns, categories = ("x", "colour"), (None, ("", "blue", "red"))
    if kind == "text":
        values[::2, 3:] = 0
    return Dataset("samples", kind, values, labels, names, columns, categories=categories)  # type: ignore[arg-type]


def part(of: Dataset, low: int, high: int) -> Dataset:
    return of.select(torch.arange(low, high))


def packed(form: Format, of: Dataset, cuts: tuple[int, ...] = CUTS) -> list[bytes]:
    return [form.pack(part(of, a, b), a) for a, b in itertools.pairwise(cuts)]


def joined(form: Format, of: Dataset, target: Path, cuts: tuple[int, ...] = CUTS) -> Path:
    form.join([partial(io.BytesIO, content) for content in packed(form, of, cuts)], N, target)
    return target


def content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


CASES = [
    ("x.npz", "image", False), ("x.npz", "image", True), ("x.npz", "table", False), ("x.npz", "text", False),
    ("x.npz", "signal", True), ("x.png", "image", False),
    ("x.png", "table", True),
    ("x.csv", "table", False),
    ("x.parquet", "table", False), ("x.parquet", "image", True), ("x.zip", "image", False),
    ("x.zip", "image", True), ("x", "image", False), ("x", "image", True), ("x.txt", "text", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "labelled"), CASES)
def test_parts_make_the_file_of_the_whole(tmp_path: Path, name: str, kind: str, labelled: bool) -> None:
    of = samples(kind, labelled=labelled)
    form = format_of(Path(name), part(of, 0, 0))
    (tmp_path / "parts").mkdir()
    made = joined(form, of, tmp_path / "parts" / name)
    whole = save_samples(
        tmp_path / name, of.values, of.labels,
        columns=of.columns, categories=of.categories, label_names=of.label_names,
    )  # fmt: skip
    if name == "x.parquet":  # each part a row group
        ours, theirs = parquet.ParquetFile(made), parquet.ParquetFile(whole)
        assert [ours.metadata.row_group(k).num_rows for k in range(3)] == [4, 4, 3]
        assert ours.read().equals(theirs.read(), check_metadata=True)
    else:
        assert content(made) == content(whole)


@pytest.mark.parametrize(("name", "kind", "labelled"), CASES)
def test_a_part_that_was_cut_is_noticed(name: str, kind: str, labelled: bool) -> None:
    of = samples(kind, labelled=labelled)
    form = format_of(Path(name), part(of, 0, 0))
    for whole, size in zip(packed(form, of), (4, 4, 3), strict=True):
        assert form.count(io.BytesIO(whole)) == size
        for length in (0, 1, len(whole) // 2, len(whole) - 1):
            try:
                found = form.count(io.BytesIO(whole[:length]))
            except (ValueError, zipfile.BadZipFile):
                continue
            assert found != size, length


def test_npz_has_the_bytes_of_numpy(tmp_path: Path) -> None:
    of = samples("image", labelled=True, channels=3)
    save_samples(tmp_path / "x.npz", of.values, of.labels)
    assert of.labels is not None
    images = of.values.permute(0, 2, 3, 1).numpy()
    np.savez(tmp_path / "y.npz", samples=images, labels=of.labels.numpy())
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_text_of_different_lengths_in_npz(tmp_path: Path) -> None:
    of = samples("text")
    lines = np.load(joined(format_of(Path("x.npz"), part(of, 0, 0)), of, tmp_path / "x.npz"))["samples"]
    assert [len(line) for line in lines] == [3, 6] * 5 + [3]
    assert lines[1] == "".join(map(chr, of.values[1].tolist()))


@pytest.mark.parametrize("labelled", [False, True])
def test_a_zip_is_read_by_others(tmp_path: Path, labelled: bool) -> None:
    of = samples("image", labelled=labelled)
    save_samples(tmp_path / "x.zip", of.values, of.labels)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == [f"{i % 3}/{i:06d}.png" if labelled else f"{i:06d}.png" for i in range(N)]
        for item, image in zip(archive.infolist(), of.values, strict=True):
            assert (item.date_time, item.compress_type) == ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)
            assert oct(item.external_attr >> 16) == "0o644"
            with Image.open(io.BytesIO(archive.read(item))) as found:
                assert np.array_equal(np.asarray(found), image[0].numpy())
    if not labelled:
        assert torch.equal(load(tmp_path / "x.zip").values, of.values)


@pytest.mark.parametrize("named", [False, True])
def test_parquet_is_laid_out_as_datasets_does(tmp_path: Path, named: bool) -> None:
    of = samples("image", labelled=True, channels=3)
    path = save_samples(
        tmp_path / "x.parquet", of.values, of.labels, label_names=of.label_names if named else ()
    )
    table = parquet.read_table(path)
    assert table.schema.names == ["image", "label"]
    assert str(table.schema.field("image").type) == "struct<bytes: binary, path: string>"
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    class_label = {"names": ["few", "some", "many"], "_type": "ClassLabel"}
    assert features["label"] == (class_label if named else {"dtype": "int64", "_type": "Value"})
    row = table.slice(4, 1).to_pylist()[0]
    assert (row["label"], row["image"]["path"]) == (1, "000004.png")
    with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
        assert np.array_equal(np.asarray(image), of.values[4].permute(1, 2, 0).numpy())
    found = load(path)
    assert torch.equal(found.values, of.values)
    assert found.labels is not None
    assert found.labels.tolist() == [i % 3 for i in range(N)]
    assert found.label_names == (("few", "some", "many") if named else ("0", "1", "2"))
