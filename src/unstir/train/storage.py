"""Files that are whole or absent: written beside, fsynced, renamed, and only then believed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unstir.errors import InputError

_MENDS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file would be too large for this disk; free some space",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EACCES: "writing is not permitted; choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure to write at `path` into one line with its mend."""
    try:
        yield
    except OSError as error:
        mend = _MENDS.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        raise InputError(f"cannot write {path}: {mend}") from None
    except Exception as error:
        # safetensors reports the operating system's error inside its own.
        if type(error).__name__ == "SafetensorError":
            full = "No space left" in str(error) or "File too large" in str(error)
            raise InputError(f"cannot write {path}: {_MENDS[errno.ENOSPC] if full else error}") from None
        raise


def write_text(path: Path, text: str) -> None:
    """Write a small file, whole or not at all.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, and is removed when it does not.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
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
                shutil.rmtree(path)
            temporary.rename(path)
            sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Make renames within a folder lasting (a no-op where folders cannot be opened)."""
    if os.name == "posix":
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
