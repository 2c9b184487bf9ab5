"""Tables of images in the layouts that Hugging Face's `datasets` writes, made by pyarrow alone."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import feather, parquet

from unstir.data import Dataset, load
from unstir.errors import InputError

Refused = Callable[..., str]

NAMES = ["cat", "dog", "Eel 10"]
CLASSES = [2, 0, 0, 1, 2, 0]
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
FEATURES = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=(6, 5, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


FILES = [picture(i) for i in range(6)]
TRUTH = torch.stack(
    [torch.from_numpy(np.array(Image.open(io.BytesIO(file)))).permute(2, 0, 1) for file in FILES]
)


def table(rows: Sequence[int] = range(6), features: object = FEATURES, **more: object) -> pa.Table:
    """As `datasets` lays out images and classes, with its metadata in the schema."""
    columns = {
        "image": pa.array([{"bytes": FILES[i], "path": f"{i}.png"} for i in rows], IMAGE),
        "label": pa.array([CLASSES[i] for i in rows], pa.int64()),
    } | more
    held = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    return pa.table(
        {key: value for key, value in columns.items() if value is not None}
    ).replace_schema_metadata(held)


def stream(path: Path, content: pa.Table, rows: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.RecordBatchStreamWriter(str(path), content.schema) as writer:
        for batch in content.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
    return path


def save_to_disk(folder: Path, parts: Sequence[pa.Table], **state: object) -> Path:
    """What `Dataset.save_to_disk` leaves."""
    names = [f"data-{i:05d}-of-{len(parts):05d}.arrow" for i in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        stream(folder / name, part)
    about = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": "0123456789abcdef",
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    (folder / "state.json").write_text(json.dumps(about | state, indent=2, sort_keys=True))
    info = {"citation": "", "description": "", "features": FEATURES, "homepage": "", "license": ""}
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2))
    return folder


def write(path: Path, content: pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(content, path, row_group_size=4)
    elif path.suffix == ".feather":
        feather.write_feather(content, path)
    else:
        stream(path, content)
    return path


def check(dataset: Dataset, rows: Sequence[int] = range(6), names: Sequence[str] = NAMES) -> None:
    assert torch.equal(dataset.values, TRUTH[list(rows)])
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [CLASSES[i] for i in rows]
    assert dataset.label_names == tuple(names)


@pytest.mark.parametrize("kind", [".parquet", ".arrow", ".feather"])
def test_a_file_of_images(tmp_path: Path, kind: str) -> None:
    check(load(write(tmp_path / f"x{kind}", table())))
    (tmp_path / "f").mkdir()
    check(load(write(tmp_path / "f" / f"x{kind}", table()).parent))
    with (
        pa.OSFile(str(tmp_path / "file.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table().schema) as writer,
    ):
        writer.write_table(table())
    check(load(tmp_path / "file.arrow"))


def test_a_saved_data_set(tmp_path: Path) -> None:
    folder = save_to_disk(tmp_path / "d", [table([0, 1, 2]), table([3, 4]), table([5])])
    check(load(folder))


def test_its_files_come_in_the_order_of_state(tmp_path: Path) -> None:
    files = [{"filename": f"data-0000{i}-of-00002.arrow"} for i in (1, 0)]
    check(load(save_to_disk(tmp_path, [table([0, 1]), table([2])], _data_files=files)), [2, 0, 1])


def test_names_from_the_file_beside(tmp_path: Path) -> None:
    check(load(save_to_disk(tmp_path, [table(features=None)])))


def test_a_saved_dictionary_of_parts(tmp_path: Path, refused: Refused) -> None:
    for part, rows in (("train", [0, 1, 2, 3]), ("test", [4, 5])):
        save_to_disk(tmp_path / part, [table(rows)])
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    check(load(tmp_path), [0, 1, 2, 3])
    assert load(tmp_path).skipped == (f"{tmp_path / 'test'}: is beside train, the part that is read",)
    check(load(tmp_path / "test"), [4, 5])
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["a", "b"]}')
    assert "has the parts a, b: give the folder of one" in refused(load, tmp_path)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["../train"]}')
    assert "has the parts ../train" in refused(load, tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        tuple(f"data/{name}-of-00002.parquet" for name in ("train-00000", "train-00001", "test-00000")),
        ("mnist/train/0000.parquet", "mnist/train/0001.parquet", "mnist/test/0000.parquet"),
        ("a-train.arrow", "b_train.arrow", "c-test.arrow"),
    ],
)  # fmt: skip
def test_folders_as_on_the_hub(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name, rows in zip(names, ([0, 1], [2, 3], [4, 5]), strict=True):
        write(tmp_path / name, table(rows))
    (tmp_path / "README.md").touch()
    check(load(tmp_path), [0, 1, 2, 3])
    assert load(tmp_path).skipped == (f"{tmp_path}, test: 1 file beside train, the part that is read",)
    check(load(tmp_path / names[2]), [4, 5])


def test_one_part_of_any_name(tmp_path: Path, refused: Refused) -> None:
    write(tmp_path / "data" / "test-00000-of-00001.parquet", table([4, 5]))
    check(load(tmp_path), [4, 5])
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", table([1]))
    assert "holds the parts test, validation, and none is train" in refused(load, tmp_path)
    write(tmp_path / "other" / "train.parquet", table([1]))
    assert "holds tables in data, other: give the folder of one set" in refused(load, tmp_path)


def test_folders_of_several_kinds(tmp_path: Path, refused: Refused) -> None:
    write(tmp_path / "data" / "train.parquet", table())
    (tmp_path / "logo.png").write_bytes(FILES[0])
    assert "holds logo.png as well as data/train.parquet: give the folder, or the file" in refused(
        load, tmp_path
    )
    check(load(tmp_path / "data"))


def test_other_names_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write(path, table(features=None).rename_columns(["img", "cls"]))
    check(load(path), names=["0", "1", "2"])
    features = {"photo": FEATURES["image"], "fine": FEATURES["label"]}
    renamed = table().rename_columns(["photo", "fine"])
    write(path, renamed.replace_schema_metadata(table(features=features).schema.metadata))
    check(load(path))
    binary = {"img": pa.array(FILES, pa.large_binary()), "label": pa.array([NAMES[i] for i in CLASSES])}
    write(path, pa.table(binary))
    assert load(path).label_names == ("cat", "dog", "Eel 10")
    assert torch.equal(load(path).values, TRUTH)


def test_of_several_labels_the_one_called_so_or_asked_for(tmp_path: Path, refused: Refused) -> None:
    features = FEATURES | {"coarse": {"names": ["x", "z"], "_type": "ClassLabel"}}
    content = table(features=features, coarse=pa.array([0, 1] * 3), size=pa.array([0.5] * 6))
    path = write(tmp_path / "x.parquet", content.select(["coarse", "image", "label", "size"]))
    check(load(path))
    other = f"{path}:label=coarse"
    assert load(path).skipped == (
        f"{path}, column 'coarse': the classes are those of 'label'; {other} takes these",
    )
    for place in (
        other,
        f"{path}:size=6:label=coarse",
        f"{path}:label=coarse:size=6",
        f"{tmp_path}:label=coarse",
    ):
        coarse = load(place)
        assert coarse.labels is not None
        assert (coarse.labels.tolist(), coarse.label_names, coarse.skipped) == ([0, 1] * 3, ("x", "z"), ())
    said = f"label=fine: is no column of {path}; give one of coarse, label"
    assert refused(load, f"{path}:label=fine") == said
    assert "label=size: holds neither whole numbers nor text of" in refused(load, f"{path}:label=size")
    assert "label is asked for twice" in refused(load, f"{other}:label=label")
    assert "label= has no name" in refused(load, f"{path}:label=")
    saved = save_to_disk(tmp_path / "f", [content])
    assert load(f"{saved}:label=coarse").label_names == ("x", "z")
    numbers = write(tmp_path / "n.parquet", pa.table({"a": [1, 2], "b": [0, 1]}))
    assert "is one of numbers; give --label-column b" in refused(load, f"{numbers}:label=b")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert "label is for images in .parquet" in refused(load, f"{tmp_path / 'x.csv'}:label=b")


def test_of_several_images_the_one_called_so(tmp_path: Path, refused: Refused) -> None:
    other = pa.array([{"bytes": b"no", "path": None}] * 6, IMAGE)
    check(load(write(tmp_path / "x.parquet", table(mask=other))))
    twins = table(features=None, image=None, a=other, b=other)
    assert "has images in columns a, b: call one of them 'image'" in refused(
        load, write(tmp_path / "x.parquet", twins)
    )


def test_images_without_labels(tmp_path: Path) -> None:
    for kind in (".parquet", ".arrow"):
        for label in (None, pa.array([-1] * 6)):
            dataset = load(write(tmp_path / f"x{kind}", table(label=label)))
            assert torch.equal(dataset.values, TRUTH)
            assert dataset.labels is None


def test_bad_rows(tmp_path: Path, refused: Refused) -> None:
    column = pa.array(
        [
            {"bytes": FILES[0]},
            {"bytes": b"hello"},
            {"bytes": None, "path": "/etc/passwd"},
            None,
            {"bytes": FILES[1]},
        ],
        IMAGE,
    )
    path = write(tmp_path / "x.parquet", table(image=column, label=pa.array([0, 0, 0, 0, None])))
    message = refused(load, path)
    assert message.startswith(f"{path}: cannot read 4 of 5 images: row 2 (not an image), row 3 (no bytes: ")
    assert "row 5 (no label)" in message
    dataset = load(path, skip_bad=True)
    assert torch.equal(dataset.values, TRUTH[:1])
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0]
    assert dataset.skipped[0] == f"{path}/row 2: not an image"


def test_classes_without_a_name(tmp_path: Path, refused: Refused) -> None:
    path = write(tmp_path / "x.parquet", table(label=pa.array([0, 1, 2, 3, 0, 0])))
    assert "column 'label', holds class 3, and its metadata name 3: write it again" in refused(load, path)


@pytest.mark.parametrize("kind", [".arrow", ".feather"])
def test_numbers_as_in_parquet(tmp_path: Path, kind: str, refused: Refused) -> None:
    content = pa.table({"a": [1.5, 2.0], "b": [3, 4], "c": ["x", "y"]})
    dataset = load(write(tmp_path / f"x{kind}", content))
    same = load(write(tmp_path / "x.parquet", content))
    assert torch.equal(dataset.values, same.values)
    assert (dataset.columns, dataset.categories) == (same.columns, same.categories)
    assert dataset.categories == (None, None, ("x", "y"))
    bad = pa.table({"a": [[1], [2]]})
    assert "column 'a' holds" in refused(load, write(tmp_path / f"x{kind}", bad))


def test_numbers_in_several_files(tmp_path: Path, refused: Refused) -> None:
    write(tmp_path / "train-0.parquet", pa.table({"a": [1.0], "b": [2.0]}))
    write(tmp_path / "train-1.parquet", pa.table({"a": [3.0], "b": [4.0]}))
    assert load(tmp_path).values.tolist() == [[1, 2], [3, 4]]
    write(tmp_path / "train-1.parquet", pa.table({"a": [3.0], "c": [4.0]}))
    assert "train-1.parquet has other columns than" in refused(load, tmp_path)


def test_damaged_folders(tmp_path: Path, refused: Refused) -> None:
    folder = save_to_disk(tmp_path / "d", [table()])
    whole = (folder / "state.json").read_text()
    for change, words in [
        ({"_data_files": []}, "names no files in its folder"),
        ({"_data_files": [{"filename": "../x.arrow"}]}, "names no files in its folder"),
        ({"_data_files": [{"filename": "x.arrow"}]}, "x.arrow is not there, and state.json names it"),
        ({"_indices_data_files": [{"filename": "i.arrow"}]}, "keeps a choice of rows"),
    ]:
        (folder / "state.json").write_text(json.dumps(json.loads(whole) | change))
        assert words in refused(load, folder)
    for text, words in [
        ("{", "cannot be read"),
        ("[]", "holds 'list', no record"),
        ("[" * 99999, "cannot be read"),
    ]:
        (folder / "state.json").write_text(text)
        assert words in refused(load, folder)


@pytest.mark.parametrize(
    "metadata", ["[" * 99999, "3", '{"info": 3}', '{"info": {"features": {"image": 3}}}']
)
def test_metadata_of_no_sense(tmp_path: Path, metadata: str) -> None:
    content = table().replace_schema_metadata({"huggingface": metadata})
    check(load(write(tmp_path / "x.arrow", content)), names=["0", "1", "2"])


@pytest.mark.parametrize("kind", [".parquet", ".arrow", ".feather"])
def test_damaged_tables(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"x{kind}", table())
    whole, draw = path.read_bytes(), np.random.default_rng(1)
    messages = []
    for turn in range(60):
        content = bytearray(whole)
        if turn % 2:
            content = content[: draw.integers(len(content))]
        else:
            for i in draw.integers(len(content), size=3):
                content[i] = draw.integers(256)
        path.write_bytes(content)
        try:
            load(path)
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert all(message.isprintable() and str(tmp_path) in message for message in messages)


def test_bombs_in_parquet(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.data.limits.FREE_EXPANSION", 2**16)
    column = pa.array([{"bytes": bytes(10**6), "path": ""}] * 6, IMAGE)
    parquet.write_table(table(image=column), tmp_path / "x.parquet", compression="zstd", use_dictionary=False)
    assert "as decompression bombs do" in refused(load, tmp_path / "x.parquet")


def test_names_of_columns_that_are_no_text(tmp_path: Path, refused: Refused) -> None:
    path = write(tmp_path / "x.arrow", table())
    content = path.read_bytes()
    assert content.count(b"label") > 1
    path.write_bytes(content.replace(b"label\0", b"la\xbdel\0"))
    assert f"{path} is damaged" in refused(load, path)


def test_feather_of_the_first_version(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "x.feather").write_bytes(b"FEA1" + bytes(100))
    assert "is of Feather's first version" in refused(load, tmp_path / "x.feather")
