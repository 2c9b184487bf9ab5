"""Files and folders that are whole or absent: made under another name, synced to disk, and renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from unstir.data.wording import reason, shown
from unstir.errors import InputError

SCRATCH = ".tmp"  # ends the names of what is not whole yet
_THREADS = 32


def write_whole(path: Path, fill: Callable[[Path], None]) -> None:
    """Make `path` by `fill` under a temporary name, then rename; leave nothing behind where that fails.

    Args:
        path: the file or folder; missing folders above it are made.
        fill: makes what is there, and syncs it, at the path that it is given.

    Raises:
        InputError: the disk is full, or takes no such file.
    """
    made = [folder for folder in path.absolute().parents if not folder.exists()]
    scratch = path.with_name(f".unstir-{secrets.token_hex(8)}{SCRATCH}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fill(scratch)
        os.replace(scratch, path)
        sync(path.parent)
    except BaseException as error:
        remove(scratch)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        if isinstance(error, OSError):
            raise InputError(
                f"{shown(path)} cannot be written ({reason(error)}): free some space there or give "
                "another place"
            ) from error
        raise


def write_file(path: Path, content: bytes) -> None:
    """A new file, synced to disk."""
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Make the content of a file lasting, or the names in a folder (where folders can be opened)."""
    if os.name == "posix" or not path.is_dir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_all(paths: Iterable[Path]) -> None:
    """`sync` of many: together, for a disk that writes one at a time makes each wait for the one before."""
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(sync, paths))


def remove(path: Path) -> None:
    """Remove a file or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
