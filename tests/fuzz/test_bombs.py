"""Small files that promise, or hide, much more: refused, within the memory that SECURITY.md states."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

import unstir
from unstir.data import limits, load
from unstir.interop.foreign import from_diffusers
from unstir.train.config import read_config
from unstir.train.session import resume

from . import seeds

Refused = Callable[..., str]
BOUND = (
    120 * 2**20
)  # bytes that a refusal may take here, libraries among them; a bomb asks for 256 MiB and more
HIDDEN = 2**28
CLEAR = Path("/proc/self/clear_refs")


def status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024 * int(line.split()[1])
    raise AssertionError(key)


@pytest.fixture
def within_bound() -> Iterator[None]:
    """What happens takes no more than `BOUND` at any moment, as Linux counts it."""
    if not (CLEAR.exists() and os.access(CLEAR, os.W_OK)):
        pytest.skip("asks Linux for the peak of memory")
    CLEAR.write_text("5")
    before = status("VmRSS")
    yield
    assert status("VmHWM") - before < BOUND


@pytest.fixture(autouse=True)
def small_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file may grow to at least is 16 MiB here, so that bombs can be small and quick to make."""
    monkeypatch.setattr(limits, "FREE_EXPANSION", 2**24)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *extra: bytes, pixels: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = (chunk(b"IHDR", head), *extra, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.fixture(scope="module")
def packed() -> bytes:
    return zlib.compress(bytes(HIDDEN), 1)


def lying(name: str, content: bytes, told: int) -> bytes:
    """A .zip whose member is said to be of `told` bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(name, content)
    made = bytearray(stream.getvalue())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = made.find(mark) + place
        made[at : at + 4] = struct.pack("<I", told)
    return bytes(made)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_texts_of_a_png(
    tmp_path: Path, refused: Refused, packed: bytes, kind: bytes, within_bound: None
) -> None:
    head = b"a\0\1\0\0\0" if kind == b"iTXt" else b"a\0\0"
    whole = png(4, 4, chunk(kind, head + packed), pixels=zlib.compress(bytes(52)))
    (tmp_path / "x.png").write_bytes(whole)
    assert "x.png (Decompressed data too large" in refused(load, tmp_path)


def test_pixels_of_a_png(tmp_path: Path, refused: Refused, packed: bytes, within_bound: None) -> None:
    (tmp_path / "x.png").write_bytes(png(100_000, 100_000, pixels=packed))
    assert "above the limit of 64 megapixels" in refused(load, tmp_path)
    # More than its head says is not unpacked.
    (tmp_path / "x.png").write_bytes(png(4, 4, pixels=packed))
    assert load(tmp_path).values.shape == (1, 3, 4, 4)


@pytest.mark.parametrize("name", ["x.zip", "x.npz"])
def test_archives_that_lie_of_their_size(tmp_path: Path, refused: Refused, name: str) -> None:
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", HIDDEN) + b" " * HIDDEN
    content = lying("a.png" if name == "x.zip" else "x.npy", header, 100_000)
    (tmp_path / name).write_bytes(content)
    del header
    CLEAR.write_text("5")
    before = status("VmRSS")
    message = refused(load, tmp_path / name)
    assert status("VmHWM") - before < BOUND
    assert ("Bad CRC" if name == "x.zip" else "a header of 256.0 MiB") in message


@pytest.mark.parametrize("name", ["x.zip", "x.npz"])
def test_archives_that_say_their_size(
    tmp_path: Path, refused: Refused, name: str, within_bound: None
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png" if name == "x.zip" else "x.npy", bytes(2**25))
    assert "would grow from" in refused(load, tmp_path / name)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_packed_in_another_way(tmp_path: Path, refused: Refused, method: int) -> None:
    """Python unpacks those at a stroke, whatever a step is asked for."""
    (tmp_path / "x.zip").write_bytes(seeds.zipped(seeds.album(), method))
    assert f"(method {method}): pack it again by deflate" in refused(load, tmp_path / "x.zip")
    (tmp_path / "x.npz").write_bytes(seeds.zipped({"x.npy": seeds.npy(seeds.TABLE)}, method))
    assert "write it again with np.savez" in refused(load, tmp_path / "x.npz")


def test_idx(tmp_path: Path, refused: Refused, within_bound: None) -> None:
    path = tmp_path / "x-idx3-ubyte.gz"
    for axes, more in (((1000, 1000, 1000), "would grow"), ((1, 4, 4), "holds more than the 16 bytes")):
        with gzip.open(path, "wb", 1) as stream:
            stream.write(bytes([0, 0, 8, 3]) + struct.pack(">III", *axes))
            for _ in range(32):
                stream.write(bytes(2**20))
        assert more in refused(load, path)


@pytest.mark.parametrize("axes", [(2**31, 0, 2**31), (1,) * 5, (2**32 - 1,) * 200])
def test_idx_of_no_sense(tmp_path: Path, refused: Refused, axes: tuple[int, ...]) -> None:
    """NumPy cannot make such arrays, and a float cannot say how large some are."""
    path = tmp_path / "x-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, len(axes)]) + struct.pack(f">{len(axes)}I", *axes) + b"\0")
    assert " in its header: give images (n, h, w)" in refused(load, path)


def test_tar(tmp_path: Path, refused: Refused, within_bound: None) -> None:
    path, item = tmp_path / "x.tar.gz", tarfile.TarInfo("a.png")
    item.size = 2**26
    with gzip.open(path, "wb", 1) as stream:
        stream.write(item.tobuf())
        for _ in range(64):
            stream.write(bytes(2**20))
        stream.write(bytes(1024))
    assert "would grow from" in refused(load, path)
    item.type, item.size = tarfile.XHDTYPE, HIDDEN
    with gzip.open(path, "wb", 1) as stream:
        stream.write(item.tobuf())
        for _ in range(HIDDEN // 2**20):
            stream.write(bytes(2**20))
    assert "a header of no sense" in refused(load, path)


@pytest.mark.parametrize(
    ("shape", "kind"), [((10**12,), "<f8"), ((2**62, 8), "<f8"), ((1,) * 100, "|u1"), ((10**400,), "|u1")]
)
def test_npy(tmp_path: Path, refused: Refused, shape: tuple[int, ...], kind: str, within_bound: None) -> None:
    told = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(told)) + told
    (tmp_path / "x.npy").write_bytes(head + bytes(100))
    assert str(tmp_path) in refused(load, tmp_path / "x.npy")


def test_dictionaries_are_not_written_out(tmp_path: Path, refused: Refused, within_bound: None) -> None:
    """20,000 rows of one text of a megabyte are half a kilobyte on disk, and would be 20 GB in memory."""
    import pyarrow as pa
    from pyarrow import ipc, parquet

    codes = pa.array(np.zeros(20_000, dtype=np.int32))
    table = pa.table({"a": pa.DictionaryArray.from_arrays(codes, pa.array(["x" * 2**20]))})
    parquet.write_table(table, tmp_path / "x.parquet", compression="zstd")
    with ipc.new_file(tmp_path / "x.arrow", table.schema) as writer:
        writer.write_table(table)
    assert (tmp_path / "x.parquet").stat().st_size < 1000
    for name in ("x.parquet", "x.arrow"):
        assert "1048576 letters are too many for a category" in refused(load, tmp_path / name)


@pytest.mark.parametrize("method", ["zstd", "lz4"])
@pytest.mark.parametrize("stream", [False, True])
def test_packed_arrow(tmp_path: Path, refused: Refused, method: str, stream: bool) -> None:
    import pyarrow as pa
    from pyarrow import ipc

    def write(n: int) -> None:
        table = pa.table({"a": np.zeros(n), "b": np.zeros(n, dtype=np.int8)})
        opening = ipc.new_stream if stream else ipc.new_file
        with opening(path, table.schema, options=ipc.IpcWriteOptions(compression=method)) as writer:
            writer.write_table(table)

    path = tmp_path / "x.arrow"
    write(3_000_000)
    assert "to 25.7 MiB (the limit is 100 times), as decompression bombs do" in refused(load, path)
    write(1000)
    assert load(path).values.shape == (1000, 2)


def test_parquet(tmp_path: Path, refused: Refused, within_bound: None) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": pa.array(np.zeros(3_000_000, dtype=np.int8))}), tmp_path / "x.parquet")
    assert "would grow from" in refused(load, tmp_path / "x.parquet")


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 20_000,
        "- " * 24_000,
        "a: &a [x, x]\nb: [*a, *a]\n",
        "a: " + "9" * 40_000,
        "a: !!python/object/apply:os.system [ls]",
        "a: 2020-99-99",
        "x" * 60_000,
    ],
)
def test_yaml(tmp_path: Path, refused: Refused, text: str, within_bound: None) -> None:
    (tmp_path / "c.yaml").write_text(text)
    assert str(tmp_path / "c.yaml") in refused(read_config, tmp_path / "c.yaml")


def test_deep_json(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "state.json").write_text("[" * 100_000)
    assert "state.json cannot be read" in refused(load, tmp_path)


def test_names_that_lead_elsewhere(tmp_path: Path, refused: Refused) -> None:
    files = {"a/1.png": seeds.picture("PNG"), "../../a/2.png": seeds.picture("PNG")}
    (tmp_path / "x.zip").write_bytes(seeds.zipped(files))
    (tmp_path / "x.tar").write_bytes(seeds.tarred(files))
    for name in ("x.zip", "x.tar"):
        assert "its name leads out of the archive" in refused(load, tmp_path / name)
    for told in ("../data.arrow", "a\0b", "x" * 5000, "/etc/passwd"):
        state = f'{{"_data_files": [{{"filename": "{told}"}}]}}'.replace("\0", "\\u0000")
        (tmp_path / "state.json").write_text(state)
        assert "names no files in its folder" in refused(load, tmp_path)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step."""
    out = tmp_path_factory.mktemp("runs") / "run"
    options = {"width": 16, "depth": 1}
    return unstir.fit("edm", "two-moons", steps=1, network="mlp", network_options=options, out=out).path


@pytest.mark.parametrize(
    "asked",
    [
        {"network_options": {"width": 20_000, "depth": 1}},
        {"network_options": {"width": 16, "depth": 10**9}},
        {"network_options": {"width": 10**9, "depth": 1}},
        {"sketch": 10**6},
    ],
)
def test_runs_that_ask_for_a_huge_network(
    honest: Path, tmp_path: Path, refused: Refused, asked: dict[str, object], within_bound: None
) -> None:
    run = shutil.copytree(honest, tmp_path / "run")
    config = yaml.safe_load((run / "config.yaml").read_text()) | asked
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for opened in (unstir.load, resume):
        assert str(run) in refused(opened, run)


def test_a_pipeline_that_asks_for_a_huge_network(
    tmp_path: Path, refused: Refused, within_bound: None
) -> None:
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    network = UNet2DModel(8, 1, 1, block_out_channels=(8,), norm_num_groups=4, layers_per_block=1, **blocks)
    DDPMPipeline(network, DDPMScheduler()).save_pretrained(tmp_path)
    file = tmp_path / "unet" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"layers_per_block": 10**9}))
    assert "larger network than" in refused(from_diffusers, tmp_path)
