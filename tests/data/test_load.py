import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import typer
from pyarrow import parquet

from unstir.cli import app
from unstir.data import load
from unstir.data.asked import short_name
from unstir.data.builtin import BUILTIN
from unstir.data.load import _READERS, READABLE

Refused = Callable[..., str]
Paint = Callable[..., Path]

TABLE = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)


def test_a_data_set_comes_back_as_it_is() -> None:
    dataset = load(TABLE)
    assert load(dataset) is dataset


@pytest.mark.parametrize("name", ["digits", "checkerboard"])
def test_built_in_names(name: str) -> None:
    assert load(name).name == name


def test_arrays_and_tensors() -> None:
    for source, name in ((TABLE, "array"), (torch.from_numpy(TABLE), "tensor")):
        dataset = load(source)
        assert dataset.name == name
        assert dataset.values.tolist() == TABLE.tolist()


def test_masked_arrays(refused: Refused) -> None:
    assert "masked values: fill them" in refused(load, np.ma.array(TABLE, mask=TABLE > 3))
    assert load(np.ma.array(TABLE)).values.tolist() == TABLE.tolist()


@pytest.mark.parametrize("kind", [str, Path])
def test_every_kind_of_path(tmp_path: Path, paint: Paint, kind: Callable[[str], str | Path]) -> None:
    np.save(tmp_path / "x.npy", TABLE)
    with (tmp_path / "X.NPZ").open("wb") as stream:
        np.savez(stream, x=TABLE)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "x.idx").write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4]))
    for file in ("x.npy", "X.NPZ", "x.csv", "x.idx"):
        dataset = load(kind(str(tmp_path / file)))
        assert dataset.name == str(tmp_path / file)
        assert dataset.values.tolist() == TABLE.tolist()
    paint("images/a.png", 7)
    assert (load(kind(str(tmp_path / "images"))).values == 7).all()


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "x.npy", TABLE)
    assert len(load("~/x.npy")) == 2


def test_skip_bad_reaches_the_folder(tmp_path: Path, paint: Paint, refused: Refused) -> None:
    paint("f/a.png")
    (tmp_path / "f" / "b.png").write_bytes(b"")
    assert "--skip-bad" in refused(load, tmp_path / "f")
    kept = load(tmp_path / "f", skip_bad=True)
    assert (len(kept.skipped), kept.files) == (1, ("a.png",))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("digit", "digits"), ("moons", "two-moons"), ("Swissroll", "swissroll"), ("checkboard", "checkerboard")],
)
def test_unknown_names(name: str, nearest: str, refused: Refused) -> None:
    message = refused(load, name)
    assert message.startswith(f"data {name} is no path and no built-in set: did you mean {nearest}? give ")
    assert all(known in message for known in BUILTIN)


def test_nothing_there(tmp_path: Path, refused: Refused) -> None:
    assert f"data {tmp_path / 'none.npz'} is no path" in refused(load, tmp_path / "none.npz")
    assert "did you mean" not in refused(load, "zzzzzz")


@pytest.mark.parametrize(
    ("files", "pattern", "mend"),
    [
        (["s-000.tar", "s-001.tar", "s-002.tar", "notes.txt"], "s-*.tar", "s-{000..002}.tar"),
        (["s-9.tar", "s-10.tar"], "s-*.tar", "s-{9..10}.tar"),
        (["s-9.tar", "s-010.tar"], "s-*.tar", "shard-{000..004}.tar"),  # no such range
        (["s-0.tar", "s-2.tar"], "s-*.tar:size=8", "shard-{000..004}.tar"),  # one is not there
        ([], "s-*.tar", "shard-{000..004}.tar"),
        (["a.png"], "?.png", "shard-{000..004}.tar"),
    ],
)
def test_patterns(files: list[str], pattern: str, mend: str, tmp_path: Path, refused: Refused) -> None:
    for file in files:
        (tmp_path / file).touch()
    message = refused(load, tmp_path / pattern)
    assert message.startswith(f"data {tmp_path / pattern}: patterns are not looked up; give the folder that ")
    assert message.endswith(f", as {tmp_path / mend}")


def test_the_shards_that_a_pattern_is_told_can_be_read(
    tmp_path: Path, paint: Paint, refused: Refused
) -> None:
    for i in range(2):
        with tarfile.open(tmp_path / f"s-{i:02}.tar", "w") as shard:
            shard.add(paint(f"{i}.png"), f"{i}.png")
    mend = refused(load, tmp_path / "s-*.tar").rpartition(" as ")[2]
    assert len(load(mend)) == 2


@pytest.mark.parametrize("name", ["", " ", "a\0b", "x" * 5000, "a\nb"])
def test_names_that_no_file_has(name: str, refused: Refused) -> None:
    assert refused(load, name).startswith("data ")


def test_what_cannot_be_read(tmp_path: Path, paint: Paint, refused: Refused) -> None:
    readable = "a folder of images, .zip, .tar, .npz, .npy, .csv, .parquet, .arrow, .feather, .txt, an idx "
    for file, words in [
        ("x.rar", "is of a kind '.rar' that cannot be read"),
        ("x.csv.gz", "is of a kind '.gz' that cannot be read"),
        ("noend", "has no ending, and cannot be read"),
    ]:
        (tmp_path / file).write_bytes(b"PK")
        message = refused(load, tmp_path / file)
        assert words in message
        assert readable in message
    assert "is a single image: give the folder it lies in" in refused(load, paint("a.PNG"))
    os.mkfifo(tmp_path / "pipe.npy")
    assert "neither a file nor a folder" in refused(load, tmp_path / "pipe.npy")


def test_all_that_can_be_read_is_told() -> None:
    option = next(it for it in typer.main.get_group(app).commands["train"].params if it.name == "data")
    told: Any = option
    words = {word.strip(",") for word in told.help.split()}
    assert set(BUILTIN) <= words
    endings = set(_READERS) - {".tar.gz", ".tgz"}
    assert endings <= words
    assert endings <= {word.strip(",") for word in READABLE.split()}


@pytest.mark.parametrize("source", [None, 3, [[1.0]], {"x": 1}])
def test_other_types(source: object, refused: Refused) -> None:
    assert f"data of type {type(source).__name__}: give a name, a path" in refused(load, source)


def test_import_is_light() -> None:
    heavy = "{'sklearn', 'pyarrow', 'PIL', 'matplotlib', 'scipy', 'pandas'}"
    code = f"import unstir.data, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_size_behind_the_name_of_every_place_with_images(
    tmp_path: Path, paint: Paint, refused: Refused
) -> None:
    files = [paint("f/a.png", 9, size=(20, 30)), paint("f/b.png", 7, size=(40, 10))]
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        for file in files:
            archive.write(file, file.name)
    with tarfile.open(tmp_path / "f.tar", "w") as tar:
        for file in files:
            tar.add(file, file.name)
    images = pa.table({"image": [{"bytes": file.read_bytes(), "path": file.name} for file in files]})
    parquet.write_table(images, tmp_path / "f.parquet")
    for name in ("f", "f/", "f.zip", "f.tar", "f.parquet"):
        values = load(f"{tmp_path}/{name}:size=6").values
        assert values[:, 0, 0, 0].tolist() == [9, 7], name
        named = load(f"{tmp_path}/{name}:size=6").select(torch.tensor([1]))
        assert named.files == (() if name == "f.parquet" else ("b.png",)), name
        assert values.shape == (2, 1, 6, 6)
        assert "2 sizes" in refused(load, f"{tmp_path}/{name}")
    (tmp_path / "f").rename(tmp_path / "f:size=6")  # a path of that very name is that path
    assert "2 sizes" in refused(load, f"{tmp_path}/f:size=6")


@pytest.mark.parametrize("size", ["", "0", "-3", "6.5", "5000", "9" * 5000, "big"])
def test_sizes_that_are_none(tmp_path: Path, paint: Paint, refused: Refused, size: str) -> None:
    paint("f/a.png")
    assert "is no number of pixels from 1 to 4096; give one such as size=64" in refused(
        load, f"{tmp_path}/f:size={size}"
    )


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("my-pictures/:size=28", "my-pictures-size28"),
        ("/a/b/t.csv:missing=drop", "t"),
        ("~/photos", "photos"),
        ("digits", "digits"),
        ("/", "data"),
    ],
)
def test_what_is_made_of_data_is_called_by_their_place(name: str, short: str) -> None:
    assert short_name(name) == short


def test_here_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moons").mkdir()
    monkeypatch.chdir(tmp_path / "moons")
    assert short_name(".") == "moons"


def test_missing_is_for_tables(tmp_path: Path, paint: Paint, refused: Refused) -> None:
    paint("f/a.png")
    np.save(tmp_path / "x.npy", np.ones((3, 2), dtype=np.float32))
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.write(tmp_path / "f" / "a.png", "a.png")
    images = pa.table({"image": [{"bytes": (tmp_path / "f" / "a.png").read_bytes(), "path": "a.png"}]})
    parquet.write_table(images, tmp_path / "f.parquet")
    for name in ("f", "f.zip", "x.npy", "f.parquet"):
        assert "is for tables" in refused(load, f"{tmp_path}/{name}:missing=drop"), name
    assert "is for tables" in refused(load, "digits:missing=drop")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    for value in ("", "mean", "drop "):
        told = refused(load, f"{tmp_path}/t.csv:missing={value}")
        assert told.endswith(f"missing={value} is not known; give missing=drop")


def test_a_size_is_for_images_in_files(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n")
    parquet.write_table(pa.table({"a": [1.0, 2.0]}), tmp_path / "a.parquet")
    for name in (f"{tmp_path}/a.csv", f"{tmp_path}/a.parquet", "digits"):
        assert "is for images" in refused(load, f"{name}:size=8")
    assert "no path and no built-in set" in refused(load, f"{tmp_path}/none:size=8")
