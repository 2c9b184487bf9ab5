"""Files that are whole or absent: written beside, fsynced, renamed, and only then believed."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unstir.errors import InputError

_MENDS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file would be too large for this disk; free some space",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EACCES: "writing is not permitted; choose another folder",
    errno.EPERM: "writing is not permitted; choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EEXIST: "a file of that name is in the way; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}

_PART = ".part"  # ends the names of files and folders that are not whole yet


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure to write at `path` into one line with its mend."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {path}: {_mend(error.errno, str(error))}") from None
    except Exception as error:
        # safetensors reports the operating system's error inside its own.
        if type(error).__name__ != "SafetensorError":
            raise
        code = re.search(r"(?:os error|code:) (\d+)", str(error))
        mend = _mend(int(code[1]) if code else None, str(error))
        raise InputError(f"cannot write {path}: {mend}") from None


def _mend(number: int | None, otherwise: str) -> str:
    return otherwise if number is None else _MENDS.get(number, os.strerror(number))


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of a text in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file, whole or not at all.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    temporary = _temporary(path)
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def json_text(value: object) -> str:
    """Strict JSON, indented: a number that is not finite becomes null."""
    return json.dumps(_finite(value), indent=1, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, and is removed when it does not.

    A folder that is there already makes way only once the new one is on disk.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    temporary, aside = _temporary(path), _temporary(path, "old")
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            yield temporary
            for file in temporary.iterdir():
                _sync(file)
            sync_folder(temporary)
            if path.exists():
                path.rename(aside)
            temporary.rename(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            if aside.exists() and not path.exists():
                aside.rename(path)
        for folder in (temporary, aside):
            shutil.rmtree(folder, ignore_errors=True)


def clear_parts(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`."""
    with suppress(OSError):
        for path in folder.glob(f".*{_PART}"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def sync_folder(path: Path) -> None:
    """Make renames within a folder lasting (a no-op where folders cannot be opened)."""
    if os.name == "posix":
        _sync(path)


def _temporary(path: Path, kind: str = "new") -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{kind}{_PART}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
