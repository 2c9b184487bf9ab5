"""Images in archives and folders, from the same names and contents."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

Files = dict[str, bytes]


def picture(seed: int, suffix: str = ".png", size: tuple[int, int] = (6, 5)) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=size, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=Image.registered_extensions()[suffix])
    return stream.getvalue()


def pack(path: Path, files: Files) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return path


def unpacked(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def laid(place: Path, files: Files) -> Path:
    """Files where the name of a place says: in an archive by its ending, else in a folder."""
    return pack(place, files) if place.suffix else unpacked(place, files)
