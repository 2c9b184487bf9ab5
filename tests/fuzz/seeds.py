"""A small whole file of every kind that is read, as bytes: what the fuzzers begin from."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from functools import cache

import numpy as np
import yaml
from PIL import Image

PIXELS = np.arange(90, dtype=np.uint8).reshape(6, 5, 3)
TABLE = np.linspace(-1, 1, 12, dtype=np.float32).reshape(6, 2)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npz_deflated(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4) for n in array.shape) + array.tobytes()


def picture(form: str, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def animated(form: str) -> bytes:
    stream = io.BytesIO()
    frames = [Image.fromarray(PIXELS + i) for i in range(3)]
    frames[0].save(stream, form, save_all=True, append_images=frames[1:])
    return stream.getvalue()


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files: Mapping[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return stream.getvalue()


def album() -> dict[str, bytes]:
    return {f"{kind}/{i}.png": picture("PNG") for i, kind in enumerate(("cat", "cat", "dog"))}


def shards() -> dict[str, bytes]:
    image = picture("PNG")
    return {"a.png": image, "a.cls": b"1", "b.png": image, "b.cls": b"0", "c.png": image, "c.cls": b"1"}


def notes() -> dict[str, bytes]:
    image = picture("JPEG")
    told = [json.dumps({"label": i % 2}).encode() for i in range(2)]
    return {"0.jpg": image, "0.json": told[0], "1.jpg": image, "1.json": told[1]}


@cache
def parquet(images: bool = False, compression: str = "snappy") -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(_arrow(images), sink, compression=compression)
    return bytes(sink.getvalue())


@cache
def arrow(images: bool = False, stream: bool = False, compression: str | None = None) -> bytes:
    import pyarrow as pa
    from pyarrow import ipc

    table, sink = _arrow(images), pa.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression=compression)
    opening = ipc.new_stream if stream else ipc.new_file
    with opening(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _arrow(images: bool):  # noqa: ANN202  pyarrow has no types
    import pyarrow as pa

    if not images:
        kinds = pa.array(["red", "blue", "red", "red", "blue", ""]).dictionary_encode()
        return pa.table({"a": pa.array(TABLE[:, 0]), "kind": kinds, "n": pa.array(range(6))})
    content = [{"bytes": picture("PNG"), "path": None}] * 3
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    told = json.dumps({"info": {"features": features}})
    table = pa.table({"image": pa.array(content), "label": pa.array([0, 1, 0])})
    return table.replace_schema_metadata({"huggingface": told})


def idx_gz(array: np.ndarray) -> bytes:
    return gzip.compress(idx(array), mtime=0)


CSV = b"a,kind,n\n0.5,red,1\n-1e3,blue,2\n2,red,3\n0.25,red,4\n"
METADATA = {
    "metadata.csv": b'file_name,label,text\n0.png,3,"a, b"\n./1.png,0,\n2.png,1,x\n',
    "metadata.jsonl": b"\n".join(
        b'{"file_name": "%d.png", "label": "%s"}' % (i, b"ab"[i % 2 :][:1]) for i in range(3)
    ),
}
TEXT = "Stir milk into coffee.\nIt never comes apart.\n\nä ü 🙂\n".encode()
STATE = json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}).encode()
SPLITS = json.dumps({"splits": ["train", "test"]}).encode()
FEATURES = json.dumps({"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}).encode()
CONFIG = yaml.safe_dump({
    "data": "digits", "process": "poisson:D=128", "steps": 10, "network": "mlp", "lr": 1e-3,
    "network_options": {"width": 16, "depth": 1}, "categorical": ["a", "b"], "labels": "auto",
}).encode()  # fmt: skip
