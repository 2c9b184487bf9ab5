"""Images a second of each reader, beside those of a training step: reading is done once, steps many times.

    python benchmarks/loading.py --images IMAGES.zip [--idx TRAIN-IMAGES] [-n 10000] [--json]

The first `n` images of the archive are written as a folder, .tar, .tar.gz, shards with labels, .parquet and a
Hugging Face folder, with the bytes they had, and each is read in full; best of `--rounds`. `.npy` holds the
same pixels decoded. Then batches: from bytes in memory, from a file on disk, and from floats in memory as a
trainer without `Items` would keep them. Last the steps of unstir's default network on these images.
"""

import argparse
import io
import json
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

from unstir.data import Dataset, Scaling, load
from unstir.data.items import Items, model_units
from unstir.data.mapped import read_mapped
from unstir.train.config import make_config
from unstir.train.session import start

Files = dict[str, bytes]


def taken(archive: Path, n: int) -> Files:
    """The first images of a .zip, one class after the other."""
    with zipfile.ZipFile(archive) as source:
        names = [name for name in source.namelist() if not name.endswith("/")]
        return {name: source.read(name) for name in names[:: max(1, len(names) // n)][:n]}


def written(folder: Path, files: Files) -> dict[str, Path | str]:
    """The files in every form, by the name of the form."""
    for name, content in files.items():
        (folder / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "folder" / name).write_bytes(content)
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    for mode in ("w", "w:gz"):
        with tarfile.open(folder / ("x.tar" if mode == "w" else "x.tar.gz"), mode) as archive:
            for name, content in files.items():
                _add(archive, name, content)
    for shard in range(4):
        with tarfile.open(folder / f"shard-{shard}.tar", "w") as archive:
            for i, (name, content) in enumerate(files.items()):
                if i % 4 == shard:
                    _add(archive, f"{i:06d}{Path(name).suffix}", content)
                    _add(archive, f"{i:06d}.cls", Path(name).parent.name.encode())
    _write_tables(folder, files)
    values = load(folder / "folder").values
    np.save(folder / "x.npy", values.permute(0, 2, 3, 1).contiguous().numpy())
    return {
        "folder": folder / "folder",
        ".zip": folder / "x.zip",
        ".tar": folder / "x.tar",
        ".tar.gz": folder / "x.tar.gz",
        "4 shards": f"{folder}/shard-{{0..3}}.tar",
        ".parquet": folder / "x.parquet",
        "save_to_disk": folder / "saved",
        ".npy": folder / "x.npy",
    }


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    item = tarfile.TarInfo(name)
    item.size = len(content)
    archive.addfile(item, io.BytesIO(content))


def _write_tables(folder: Path, files: Files) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    names = sorted({Path(name).parent.name for name in files})
    table = pa.table(
        {
            "image": pa.array([{"bytes": content, "path": name} for name, content in files.items()], kind),
            "label": pa.array([names.index(Path(name).parent.name) for name in files]),
        }
    )
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, folder / "x.parquet", row_group_size=1000)
    (folder / "saved").mkdir()
    file = "data-00000-of-00001.arrow"
    with pa.RecordBatchStreamWriter(str(folder / "saved" / file), table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    (folder / "saved" / "state.json").write_text(json.dumps({"_data_files": [{"filename": file}]}))


def best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest round."""
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def batches(dataset: Dataset, npy: Path, batch: int, rounds: int) -> dict[str, float]:
    """Images a second in batches of model units at random."""
    coder = Scaling.fit(dataset)
    mapped = read_mapped(npy, "npy")
    sources: dict[str, Items | torch.Tensor] = {
        "batches from floats": model_units(coder, dataset.values),
        "batches from bytes": Items(dataset.values, coder),
        "batches from disk": Items(mapped.values, coder),
    }
    draw = torch.Generator().manual_seed(0)
    order = torch.randint(len(dataset), (50, batch), generator=draw)

    def through(items: Items | torch.Tensor) -> None:
        for index in order:
            items[index]

    return {name: order.numel() / best(lambda i=items: through(i), rounds) for name, items in sources.items()}


def steps(dataset: Dataset, seconds: float) -> float:
    """Images a second of unstir's training out of the box."""
    with tempfile.TemporaryDirectory() as folder:
        session = start(make_config({"data": "array", "minutes": 600}), Path(folder) / "run", dataset)
        each = iter(session.trainer)
        for _ in range(3):
            next(each)
        done, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            next(each)
            done += 1
        return done * session.config.batch / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="a .zip of images in folders of classes")
    parser.add_argument("--idx", type=Path, help="an idx file of images")
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    load("digits")  # what is imported once is not counted
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        forms = written(folder, taken(given.images, given.n))
        dataset = load(forms["folder"])
        for name, source in forms.items():
            rates[name] = len(dataset) / best(lambda s=source: load(s), given.rounds)
        if given.idx is not None:
            count = len(load(given.idx))
            rates["idx, .gz"] = count / best(lambda: load(given.idx), given.rounds)
        rates |= batches(dataset, folder / "x.npy", 128, given.rounds)
    rates["training steps"] = steps(dataset, given.seconds)
    if given.json:
        print(json.dumps(rates))
        return
    for name, rate in rates.items():
        print(f"{name:22} {rate:12,.0f} images/s   {rate / rates['training steps']:10,.0f} times the steps'")


if __name__ == "__main__":
    main()
