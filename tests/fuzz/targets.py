"""What is fuzzed: every reader of what others may have written, each as a function of the bytes of one file.

A reader may answer, or refuse with an `InputError` of one printable line that names the file. Whatever else
comes out of `Target.check` is a finding. `mend` makes checksums right again after a file was changed, so that
what lies behind them is reached.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from unstir.data import load
from unstir.errors import InputError

from . import seeds


def plain(content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class Target:
    """A reader under test.

    Attributes:
        name: of the target.
        file: the path of the file that is fuzzed, within a folder of its own.
        read: reads it, given that folder.
        seeds: whole files to begin from.
        mend: makes a changed file's checksums right.
        named: what every refusal must name.
    """

    name: str
    file: str
    read: Callable[[Path], object]
    seeds: Callable[[], Sequence[bytes]]
    mend: Callable[[bytes], bytes] = plain
    prepare: Callable[[Path], object] = lambda _folder: None
    named: str = ""

    def check(self, content: bytes, folder: Path) -> bool:
        """Whether the file was read; it was refused otherwise.

        Raises:
            AssertionError: a refusal that is no printable line, or does not name the file.
        """
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.mend(content))
        try:
            self.read(folder)
        except InputError as error:
            message = str(error)
            assert message.isprintable(), message
            assert len(message) < 10_000, message
            assert str(folder) in message or (self.named and self.named in message), message
            return False
        return True


def mend_png(content: bytes) -> bytes:
    """Chunks with their checksums right."""
    made, at = content[:8], 8
    while at + 12 <= len(content):
        size = int.from_bytes(content[at : at + 4])
        body = content[at + 4 : at + 8 + size]
        if len(body) < 4 + size:
            break
        made += content[at : at + 4] + body + zlib.crc32(body).to_bytes(4)
        at += 12 + size
    return made + content[at:]


def mend_tar(content: bytes) -> bytes:
    """Blocks that look like headers with their checksums right."""
    made = bytearray(content)
    for at in range(0, len(made) - 511, 512):
        if made[at + 257 : at + 262] == b"ustar":
            made[at + 148 : at + 156] = b" " * 8
            made[at + 148 : at + 156] = b"%06o\0 " % sum(made[at : at + 512])
    return bytes(made)


def in_npz(content: bytes) -> bytes:
    """The bytes of an array, in an archive without a fault."""
    return seeds.zipped({"samples.npy": content}, zipfile.ZIP_DEFLATED)


def in_labels(content: bytes) -> bytes:
    return seeds.zipped({"samples.npy": seeds.npy(seeds.TABLE), "labels.npy": content})


def in_album(content: bytes) -> bytes:
    return seeds.zipped({"cat/1.png": content, "dog/2.png": seeds.picture("PNG")})


def mend_zip(content: bytes) -> bytes:
    """Members stored anew, with checksums and places that are right, where the list of names can be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return seeds.zipped({item.filename: _read(archive, item) for item in archive.infolist()[:50]})
    except Exception:
        return content


def _read(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(item) if item.file_size < 2**20 else b""
    except Exception:
        return b"\x89PNG"


def file(name: str, *whole: bytes, mend: Callable[[bytes], bytes] = plain, label: str = "") -> Target:
    """A file that `load` is given by name."""
    return Target(label or name, name, lambda folder: load(folder / name), lambda: whole, mend)


def image(name: str, *whole: bytes, mend: Callable[[bytes], bytes] = plain, label: str = "") -> Target:
    """A file of a folder that `load` is given."""
    return Target(label or name, name, load, lambda: whole, mend)


def beside(name: str, content: bytes, other: str, there: bytes) -> Target:
    """A record of a folder that `datasets` has saved."""
    prepare = lambda folder: (folder / other).write_bytes(there)  # noqa: E731
    return Target(name, name, load, lambda: (content,), prepare=prepare)


@cache
def run_folder(process: str) -> Path:
    """A small run, trained once."""
    import tempfile

    from unstir.train import make_config, session

    folder = Path(tempfile.mkdtemp(prefix="unstir-fuzz-")) / "run"
    config = {"data": "two-moons", "process": process, "steps": 2, "batch": 8, "network": "mlp", "threads": 1}
    config["network_options"] = {"width": 4, "depth": 1}
    for _ in session.training(session.start(make_config(config), folder)):
        pass
    return folder


def copied(process: str, folder: Path) -> None:
    shutil.copytree(run_folder(process), folder / "run", dirs_exist_ok=True)


CHECKPOINT = "run/checkpoints/step-000002"


def loaded(folder: Path) -> None:
    """The run of a folder, and a sample of it."""
    from unstir import load as load_run

    if (manifest := folder / CHECKPOINT / "manifest.json").is_file():
        _sign(manifest)
    load_run(folder / "run", device="cpu").sample(1, steps=1)


def resumed(folder: Path) -> None:
    """The same, as training goes on with it."""
    from unstir.train import session

    if (manifest := folder / CHECKPOINT / "manifest.json").is_file():
        _sign(manifest)
    session.resume(folder / "run")


def _sign(manifest: Path) -> None:
    """Make a manifest true of the files beside it, as somebody who means harm would."""
    files = [path for path in sorted(manifest.parent.iterdir()) if path.name != "manifest.json"]
    told = {
        path.name: {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in files
    }
    manifest.write_text(json.dumps(told))


def _unsigned(folder: Path) -> None:
    from unstir import load as load_run

    load_run(folder / "run", device="cpu")


def in_run(
    name: str, process: str = "edm", read: Callable[[Path], object] = loaded, label: str = ""
) -> Target:
    """A file of a run's folder."""
    whole = lambda: ((run_folder(process).parent / name).read_bytes(),)  # noqa: E731
    return Target(label or name.rpartition("/")[2], name, read, whole, prepare=partial(copied, process))


def configured(folder: Path) -> None:
    from unstir import physics
    from unstir.train.config import dump_config, make_config, read_config

    config = make_config(read_config(folder / "config.yaml"))
    dump_config(config)
    physics.parse(config.process)


def planned(folder: Path) -> None:
    from unstir.compare.plan import read_plan

    read_plan(folder)


def weights(folder: Path) -> None:
    from unstir.interop import read_weights

    read_weights(folder / "net.pkl", device="cpu")


@cache
def weights_seed(how: str) -> bytes:
    """A published network of two small blocks, in one of the three forms of file."""
    import tempfile

    from tests.interop import published, test_weights

    model = published.unet(song=True, channels=(16, 32), layers=1, head=32)
    flat = published.renamed(model, song=True)
    inner = test_weights.settings((16, 32), 1)
    net = published.hang(flat, "SongUNet", inner, "EDMPrecond", dict(test_weights.IMAGE))
    with tempfile.TemporaryDirectory() as folder:
        return test_weights.write(net, Path(folder) / "net", how=how, protocol=2).read_bytes()


_RGB, _NPY = seeds.PIXELS, seeds.npy(seeds.PIXELS)
_NAMES = seeds.npy(seeds.np.array(["cat", "dog", "cat", "7", "10", "x"]))

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        file("x.npz", seeds.npz(samples=_RGB, labels=seeds.np.arange(6)), seeds.npz_deflated(x=seeds.TABLE)),
        file("x.npz", _NPY, seeds.npy(seeds.TABLE), mend=in_npz, label="npz-inside"),
        file("x.npz", _NAMES, seeds.npy(seeds.np.arange(6)), mend=in_labels, label="npz-labels"),
        file("x.npy", _NPY, seeds.npy(seeds.np.asfortranarray(seeds.TABLE))),
        Target("mapped", "x.npy", lambda f: mapped(f / "x.npy"), lambda: (_NPY, seeds.npy(seeds.TABLE))),
        file("x-idx3-ubyte", seeds.idx(_RGB)),
        file("x-idx3-ubyte.gz", seeds.idx_gz(_RGB)),
        image("x.png", seeds.picture("PNG"), seeds.picture("PNG", "P")),
        image(
            "x.png", *(seeds.picture("PNG", mode) for mode in ("P", "LA", "1", "I;16", "RGBA")),
            mend=mend_png, label="png-inside",
        ),
        image("x.jpg", seeds.picture("JPEG"), seeds.picture("JPEG", "CMYK", progressive=True)),
        image("x.gif", seeds.picture("GIF"), seeds.animated("GIF")),
        image("x.webp", seeds.picture("WEBP"), seeds.animated("WEBP"), seeds.picture("WEBP", lossless=True)),
        image(
            "x.tif",
            *(seeds.picture("TIFF", compression=c) for c in ("raw", "tiff_deflate", "tiff_lzw", "jpeg")),
        ),
        image("x.bmp", seeds.picture("BMP"), seeds.picture("BMP", "P")),
        file("x.zip", seeds.zipped(seeds.album()), seeds.zipped(seeds.album(), zipfile.ZIP_DEFLATED)),
        file("x.zip", seeds.zipped(seeds.album()), mend=mend_zip, label="zip-names"),
        file("x.zip", seeds.picture("PNG"), mend=in_album, label="zip-inside"),
        file("x.tar", seeds.tarred(seeds.album()), seeds.tarred(seeds.album(), seeds.tarfile.PAX_FORMAT)),
        file(
            "x.tar", seeds.tarred({"ä" * 60 + "/1.png": b"x"}, seeds.tarfile.PAX_FORMAT),
            seeds.tarred(seeds.album(), seeds.tarfile.GNU_FORMAT), mend=mend_tar, label="tar-inside",
        ),
        file("x.tar.gz", seeds.gzip.compress(seeds.tarred(seeds.album()), mtime=0)),
        file(
            "x.tar", seeds.tarred(seeds.shards()), seeds.tarred(seeds.notes()), mend=mend_tar, label="shards"
        ),
        file("x.csv", seeds.CSV),
        file("x.parquet", seeds.parquet(), seeds.parquet(compression="zstd")),
        file("x.parquet", seeds.parquet(images=True), label="parquet-images"),
        file("x.arrow", seeds.arrow(), seeds.arrow(compression="zstd")),
        file(
            "x.arrow", seeds.arrow(stream=True), seeds.arrow(images=True, stream=True), label="arrow-stream"
        ),
        file("x.feather", seeds.arrow(images=True, compression="lz4")),
        beside("state.json", seeds.STATE, "data-00000-of-00001.arrow", seeds.arrow(images=True, stream=True)),
        Target(
            "dataset_dict.json", "dataset_dict.json", load, lambda: (seeds.SPLITS,),
            prepare=lambda f: (
                (f / "train").mkdir(exist_ok=True),
                (f / "train" / "state.json").write_bytes(seeds.STATE),
                (f / "train" / "data-00000-of-00001.arrow").write_bytes(seeds.arrow(stream=True)),
            ),
        ),
        Target(
            "dataset_info.json", "dataset_info.json", load, lambda: (seeds.FEATURES,),
            prepare=lambda f: (
                (f / "state.json").write_bytes(seeds.STATE),
                (f / "data-00000-of-00001.arrow").write_bytes(seeds.arrow(images=True, stream=True)),
            ),
        ),
        *(
            Target(
                name, name, load, lambda name=name: (seeds.METADATA[name],),
                prepare=lambda f: [(f / f"{i}.png").write_bytes(seeds.picture("PNG")) for i in range(3)],
            )
            for name in seeds.METADATA
        ),
        file("x.txt", seeds.TEXT),
        Target("config", "config.yaml", configured, lambda: (seeds.CONFIG,), named=" "),  # names the option
        in_run("run/config.yaml"),
        in_run("run/data.json"),
        in_run("run/data.json", "capacitor", label="data-of-plates"),
        in_run("run/kept.safetensors", "heat"),
        in_run(f"{CHECKPOINT}/manifest.json", read=_unsigned),
        in_run(f"{CHECKPOINT}/state.json", label="state-of-checkpoint"),
        in_run(f"{CHECKPOINT}/state.json", read=resumed, label="state-resumed"),
        in_run(f"{CHECKPOINT}/ema.safetensors"),
        in_run(f"{CHECKPOINT}/generators.safetensors", read=resumed),
        in_run(f"{CHECKPOINT}/optimizer.safetensors", read=resumed),
        Target("weights", "net.pkl", weights, lambda: tuple(map(weights_seed, ("pickle", "zip", "old")))),
        Target("compare.json", "compare.json", planned, lambda: (plan_seed(),)),
    )
}  # fmt: skip


def mapped(path: Path) -> object:
    from unstir.data.mapped import read_mapped

    return read_mapped(path, str(path))


@cache
def plan_seed() -> bytes:
    from dataclasses import asdict

    from unstir.compare import make_plan

    return json.dumps({"plan": asdict(make_plan("two-moons", ["edm", "vp"], steps=2)[0])}).encode()
