import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.packing import Files, pack, picture, unpacked

from unstir.data import load
from unstir.data.archives import expand

Refused = Callable[..., str]

NAMES = ["set/eel 10/1.png", "set/cat/2.png", "set/cat/10.jpg", "set/eel 9/1.gif", "set/Dog/old/7.png"]
KINDS = ["x.zip", "x.tar", "x.tar.gz", "x.tgz"]


def pictures() -> Files:
    return {name: picture(i, Path(name).suffix) for i, name in enumerate(NAMES)}


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_the_folder_it_unpacks_to(tmp_path: Path, kind: str) -> None:
    files = pictures() | {"notes.txt": b"no image", "__MACOSX/set/cat/._2.png": b"", ".hidden/x.png": b"no"}
    folder = load(unpacked(tmp_path / "f", files))
    packed = load(pack(tmp_path / kind, files))
    assert packed.label_names == folder.label_names == ("cat", "Dog", "eel 9", "eel 10")
    assert folder.labels is not None
    assert packed.labels is not None
    assert packed.labels.tolist() == folder.labels.tolist() == [0, 0, 1, 2, 3]
    assert torch.equal(packed.values, folder.values)
    assert packed.values[0, 0].tolist() == np.asarray(Image.open(io.BytesIO(files[NAMES[1]]))).tolist()
    assert packed.name == str(tmp_path / kind)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_written(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    pack(tmp_path / kind, pictures())
    load(tmp_path / kind)
    assert [*inner.iterdir()] == []
    assert [item.name for item in tmp_path.iterdir() if item != inner] == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_would_lead_out(tmp_path: Path, kind: str, refused: Refused) -> None:
    good = picture(0)
    for name in ("/cat/1.png", "./cat/1.png", "cat\\1.png", "C:/cat/1.png"):
        assert load(pack(tmp_path / kind, {name: good})).label_names[-1:] == ("cat",)
    files = {"cat/1.png": good, "../../cat/2.png": good}
    message = refused(load, pack(tmp_path / kind, files))
    assert "1 of 2 images: ../../cat/2.png (its name leads out of the archive)" in message
    dataset = load(tmp_path / kind, skip_bad=True)
    assert (len(dataset), dataset.label_names) == (1, ("cat",))


@pytest.mark.parametrize("kind", KINDS)
def test_bad_images(tmp_path: Path, kind: str, refused: Refused) -> None:
    files = pictures() | {"set/cat/bad.png": b"hello", "set/cat/none.jpg": b""}
    path = pack(tmp_path / kind, files)
    message = refused(load, path)
    assert message.startswith(f"{path}: cannot read 2 of 7 images: set/cat/bad.png (not an image), ")
    assert message.endswith(
        "set/cat/none.jpg (empty file): remove or mend them, or pass over them with --skip-bad"
    )
    dataset = load(path, skip_bad=True)
    assert torch.equal(dataset.values, load(pack(tmp_path / f"good-{kind}", pictures())).values)
    assert dataset.skipped == (
        f"{path}/set/cat/bad.png: not an image",
        f"{path}/set/cat/none.jpg: empty file",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_of_a_name_counts(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    old, new = picture(1), picture(2)
    if kind == "x.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.png", old)
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr("a.png", new)
    else:
        with tarfile.open(path, "w:gz" if kind != "x.tar" else "w") as archive:
            for content in (old, new):
                item = tarfile.TarInfo("a.png")
                item.size = len(content)
                archive.addfile(item, io.BytesIO(content))
    values = load(path).values
    assert values[0, 0].tolist() == np.asarray(Image.open(io.BytesIO(new))).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_archives_without_images(tmp_path: Path, kind: str, refused: Refused) -> None:
    assert "holds no images but 1 other file, such as a.txt: give a place with .png" in refused(
        load, pack(tmp_path / kind, {"a.txt": b"x"})
    )
    assert "holds no images and no other files" in refused(load, pack(tmp_path / kind, {}))


@pytest.mark.parametrize("kind", KINDS)
def test_cut_archives(tmp_path: Path, kind: str, refused: Refused) -> None:
    path = pack(tmp_path / kind, pictures())
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        if kind == "x.tar" and share == 0.9:
            continue  # within the padding of zeros, of which nothing is needed
        assert str(path) in refused(load, path)
    path.write_bytes(b"")
    assert "copy or pack it again" in refused(load, path)


def test_a_damaged_header_is_no_end(tmp_path: Path, refused: Refused) -> None:
    path = pack(tmp_path / "x.tar", {"1.png": picture(1), "2.png": picture(2)})
    content = bytearray(path.read_bytes())
    place = content.index(b"2.png")
    content[place + 150] ^= 1
    path.write_bytes(content)
    assert f"{path} is no whole archive (damaged at byte {place})" in refused(load, path)


def test_checksums(tmp_path: Path, refused: Refused) -> None:
    for kind in ("x.zip", "x.tar.gz"):
        path = tmp_path / kind
        files = {"1.bmp": picture(1, ".bmp"), "2.bmp": picture(2, ".bmp")}
        pack(path, files)
        content = bytearray(path.read_bytes())
        if kind == "x.zip":
            at = content.index(b"2.bmp") + 5 + 40
            content[at] ^= 0x10
        else:
            content[-8] ^= 1
        path.write_bytes(content)
        assert str(path) in refused(load, path)


def test_an_encrypted_zip(tmp_path: Path, refused: Refused) -> None:
    path = pack(tmp_path / "x.zip", {"1.png": picture(1)})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    for skip_bad in (False, True):
        message = refused(load, path, skip_bad=skip_bad)
        assert message == f"{path} is encrypted, 1.png for one: unpack it and give the folder"


def test_bombs(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.data.limits.FREE_EXPANSION", 2**20)
    for kind in KINDS:
        path = tmp_path / kind
        if kind != "x.tar":
            pack(path, {"1.png": picture(1), "2.bmp": bytes(5 * 2**20)})
            assert "as decompression bombs do: if you trust it, unpack it and give the folder" in refused(
                load, path
            )
    # Zeros after the end of the archive within: read for the checksum, and not without limit.
    plain = pack(tmp_path / "y.tar", {"1.png": picture(1)}).read_bytes()
    (tmp_path / "y.tar.gz").write_bytes(gzip.compress(plain + bytes(9 * 2**20)))
    assert "decompression bombs" in refused(load, tmp_path / "y.tar.gz")


def test_members_that_promise_more_than_there_is(tmp_path: Path, refused: Refused) -> None:
    item = tarfile.TarInfo("1.png")
    for size in (10_000, 2**40):
        item.size = size
        (tmp_path / "x.tar").write_bytes(item.tobuf() + picture(1).ljust(1024, b"\0"))
        assert str(tmp_path / "x.tar") in refused(load, tmp_path / "x.tar")
    # A header for a long name of a gigabyte.
    item = tarfile.TarInfo("././@LongLink")
    item.type, item.size = tarfile.GNUTYPE_LONGNAME, 2**30
    (tmp_path / "x.tar").write_bytes(item.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    assert "a header of no sense" in refused(load, tmp_path / "x.tar")


def test_members_above_the_limit_of_a_file(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstir.data.images.MAX_IMAGE_BYTES", 100)
    for kind in KINDS:
        path = pack(tmp_path / kind, {"1.bmp": picture(1, ".bmp")})
        assert "1.1 KiB, above the limit of 100 bytes for one image" in refused(load, path)


def test_links_and_devices_are_not_followed(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        item = tarfile.TarInfo("1.png")
        item.size = len(picture(1))
        archive.addfile(item, io.BytesIO(picture(1)))
        for name, kind in (
            ("2.png", tarfile.SYMTYPE),
            ("3.png", tarfile.LNKTYPE),
            ("4.png", tarfile.CHRTYPE),
        ):
            item = tarfile.TarInfo(name)
            item.type, item.linkname = kind, "1.png"
            archive.addfile(item)
    message = refused(load, path)
    assert "cannot read 3 of 4 images: 2.png (a link, not a file: " in message
    assert "4.png (no regular file)" in message
    assert len(load(path, skip_bad=True)) == 1


def test_a_file_that_is_no_archive(tmp_path: Path, refused: Refused) -> None:
    for kind in KINDS:
        (tmp_path / kind).write_bytes(b"hello, this is no archive" * 100)
        assert f"{tmp_path / kind} is no whole " in refused(load, tmp_path / kind)


def test_large_images_are_decoded_by_threads_to_the_same(tmp_path: Path) -> None:
    files = {f"{i}.png": picture(i, size=(200, 300)) for i in range(12)}
    stream = io.BytesIO()
    Image.open(io.BytesIO(files["7.png"])).convert("RGB").save(stream, "PNG")
    files["7.png"] = stream.getvalue()
    values = load(pack(tmp_path / "x.tar.gz", files)).values
    assert values.shape == (12, 3, 200, 300)
    for i in range(12):
        truth = np.asarray(Image.open(io.BytesIO(files[f"{i}.png"])).convert("RGB"))
        assert np.array_equal(values[i].permute(1, 2, 0).numpy(), truth)


def test_patterns() -> None:
    assert expand("a-{008..011}.tar") == ["a-008.tar", "a-009.tar", "a-010.tar", "a-011.tar"]
    assert expand("{0..1}/{1..2}.tar") == ["0/1.tar", "0/2.tar", "1/1.tar", "1/2.tar"]
    assert expand("a{b}.tar") == ["a{b}.tar"]


def test_patterns_of_no_sense(refused: Refused) -> None:
    assert "stands for 0 files" in refused(expand, "a-{5..1}.tar")
    assert "give 1 to 10000" in refused(expand, "a-{0..999999999}.tar")


def test_zip_of_bmp_header(tmp_path: Path, refused: Refused) -> None:
    header = struct.pack("<2sIII IIIHH 24x", b"BM", 54, 0, 54, 40, 60000, 60000, 1, 24)
    assert "above the limit of 64 megapixels" in refused(load, pack(tmp_path / "x.zip", {"a.bmp": header}))
