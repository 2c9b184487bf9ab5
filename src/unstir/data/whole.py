"""Files and folders that are whole or absent: made under another name, synced to disk, and renamed.

All of this library that writes, writes through here. The other name tells which process is at work, so that
the next one that writes in that folder removes what a killed one has left, and nothing else.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from unstir.data.wording import reason, shown
from unstir.errors import InputError

SCRATCH = ".tmp"  # ends the names of what is not whole yet
_NAME = re.compile(r"\.unstir-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{8}(?:-old-(.+))?" + re.escape(SCRATCH))
_THREADS = 32
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


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure to write at `path` into one line with its mend."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {shown(path)}: {mend(error)}") from error
    except Exception as error:
        # safetensors reports the operating system's error inside its own.
        if type(error).__name__ != "SafetensorError":
            raise
        code = re.search(r"(?:os error|code:) (\d+)", str(error))
        told = OSError(int(code[1]), os.strerror(int(code[1]))) if code else OSError(str(error))
        raise InputError(f"cannot write {shown(path)}: {mend(told)}") from error


def mend(error: OSError) -> str:
    """What is wrong with the disk, and what helps."""
    return _MENDS.get(error.errno or 0) or reason(error)


def write_whole(path: Path, fill: Callable[[Path], object]) -> None:
    """Make `path` by `fill` under a temporary name, then rename; leave nothing behind where that fails.

    A file that is replaced hands on its permissions. Where `path` is a symbolic link, the link is replaced,
    and what it points to stays.

    Args:
        path: the file or folder; missing folders above it are made. A folder there must be empty.
        fill: makes what is there, and syncs it, at the path that it is given.

    Raises:
        InputError: the disk is full, or takes no such file.
    """
    with explained(path), _above(path), placed(path) as scratch:
        fill(scratch)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, and is removed when it does not.

    A folder that is there already makes way only once the new one is on disk. A kill between the two renames
    leaves it under another name, from which `clear` brings it back.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    with explained(path), _above(path), placed(path) as scratch:
        scratch.mkdir()
        yield scratch
        inside = [item for item in (scratch, *scratch.rglob("*")) if not item.is_symlink()]
        sync_all(item for item in inside if item.is_file())
        for folder in (item for item in inside if item.is_dir()):
            sync(folder)


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A name beside `path` for what takes its place when the block ends well, and goes when it does not.

    Raises:
        OSError: the disk is full, or takes no such file.
    """
    scratch = _scratch(path)
    try:
        yield scratch
        _keep_permissions(path, scratch)
        if scratch.is_dir() and path.is_dir():
            _exchange(path, scratch)
        else:
            os.replace(scratch, path)
        sync(path.absolute().parent)
    except BaseException:
        with suppress(OSError):
            remove(scratch)
        raise


def discard(path: Path) -> None:
    """Remove a file or a folder: it is there with all that is in it, or not at all.

    Raises:
        OSError: it may not be removed.
    """
    aside = _scratch(path)
    os.replace(path, aside)
    remove(aside)


def _exchange(path: Path, scratch: Path) -> None:
    """Put a folder in the place of another."""
    aside = _scratch(path, path.name)
    os.replace(path, aside)
    try:
        os.replace(scratch, path)
    except BaseException:
        os.replace(aside, path)
        raise
    sync(path.absolute().parent)
    remove(aside)


def _scratch(path: Path, old: str = "") -> Path:
    told = f"-old-{old}" if old else ""
    return path.with_name(f".unstir-{_here()}-{os.getpid()}-{secrets.token_hex(4)}{told}{SCRATCH}")


@contextmanager
def _above(path: Path) -> Iterator[None]:
    """The folders above `path` are made, and go where all fails."""
    made = [folder for folder in path.absolute().parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear(path.parent)
        yield
        for folder in made:
            sync(folder.parent)
    except BaseException:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()  # where nothing else lies in it
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file, whole or not at all.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    write_whole(path, lambda scratch: write_file(scratch, content))


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of a text in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_file(path: Path, content: bytes) -> None:
    """A new file, synced to disk."""
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def clear(folder: Path, *, alone: bool = False) -> None:
    """Remove what processes that are no more have left half-written in `folder`.

    Those of other machines are left alone, for nobody can tell here whether they are still at work.

    Args:
        folder: where to look.
        alone: whether nobody else is at work there, so that all goes.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        found = [match for entry in entries if (match := _NAME.fullmatch(entry.name))]
        for match in found:
            if not alone and (match[1] != _here() or _lives(int(match[2]))):
                continue
            left = folder / match[0]
            if match[3] and not (folder / match[3]).exists():
                os.replace(left, folder / match[3])  # the new one never took its place
            else:
                remove(left)


def is_scratch(name: str) -> bool:
    """Whether a name is that of something not whole yet."""
    return _NAME.fullmatch(name) is not None


@cache
def _here() -> str:
    """Eight hexadecimal digits for this machine, and on it for the container that numbers the processes."""
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return f"{zlib.crc32((platform.node() + space).encode()):08x}"


def _lives(process: int) -> bool:
    """Whether a process of this number is at work; where the system does not say, it is taken to be."""
    if os.name != "posix" or process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _keep_permissions(path: Path, scratch: Path) -> None:
    with suppress(OSError):
        if path.is_file() and not path.is_symlink() and scratch.is_file():
            scratch.chmod(path.stat().st_mode & 0o777)


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
