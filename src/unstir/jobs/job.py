"""The folder in which a job grows, beside its target F, until F is there: `F.parts/`.

    job.json         what is drawn, and `part`: how many samples a part has
    part-000012      samples 12·part … 13·part − 1 of the job, packed as the format of F packs them
    whole            F, while it is put together
    joined           `whole` is whole: it takes the place of F next, and then the folder goes

Parts are cut at the same places whoever draws them, so that one drawn again has the bits that the first would
have had. Each is written under another name, synced and renamed: it is whole or absent.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from unstir.data import Dataset
from unstir.data.formats import Format
from unstir.data.target import check_place
from unstir.data.whole import SCRATCH, clear, discard, placed, remove, sync, write_file
from unstir.data.wording import quoted, reason, shown
from unstir.errors import InputError

_RECORD, _WHOLE, _JOINED, _LOCK = "job.json", "whole", "joined", "lock"
_SIZE = "part"
_DAMAGED = (ValueError, zipfile.BadZipFile, EOFError)
_LARGEST_JSON = 1_000_000  # bytes
_FEWEST, _MOST = 256, 16384  # samples in a part
_QUICK, _LARGE = 2**17, 2**20  # numbers in a part that take no time to draw, and that take some memory
_PARTS = 64  # so many share the work evenly

Record = Mapping[str, Any]


def part_size(n: int, shape: Sequence[int]) -> int:
    """How many of `n` samples of this shape make a part: a power of two.

    Enough that to write it takes no time beside drawing it, few enough that a kill costs little and that the
    processes of a launch end together.
    """
    numbers = math.prod(shape)
    low, high = (min(max(size // numbers, _FEWEST), _MOST) for size in (_QUICK, _LARGE))
    return int(2 ** int(math.log2(min(max(n // _PARTS, low), high))))


def folder_of(target: Path) -> Path:
    """Where the job for a target grows."""
    return target.with_name(f"{target.name}.parts")


@dataclass
class Job:
    """A job on disk.

    Attributes:
        target: the file or folder that is wanted.
        form: its format.
        n: how many samples.
        size: of a part.
    """

    target: Path
    form: Format
    n: int
    size: int = 0

    def __post_init__(self) -> None:
        self.folder = folder_of(self.target)
        self._lock: IO[bytes] | None = None

    def open(self, record: Record) -> list[int] | None:
        """Begin the job, or go on with it; done by one process of a launch.

        Args:
            record: what decides the samples.

        Returns:
            The parts that are still to be drawn; None where the target is made already.

        Raises:
            InputError: there is a job of other samples, somebody is at work on it, something else lies there,
                or the target or the folder cannot be written.
        """
        with self._written():
            clear(self.target.absolute().parent)
            if self.folder.is_dir():
                self._take()
                self._compare(record)
                if (self.folder / _JOINED).exists() and not (self.folder / _WHOLE).exists():
                    self.discard()
                    return None
        check_place(self.target)
        if not self.size:
            self._begin(record)
        with self._written():
            for scratch in self.folder.glob(f"*{SCRATCH}"):
                remove(scratch)
            return [k for k in range(self.parts) if not self._holds(k)]

    def needed(self) -> bool:
        """Whether there are several parts, or a folder from before."""
        return part_size(self.n, self.form.layout.shape) < self.n or self.folder.exists()

    def forget(self) -> None:
        """Throw away what there is of any job for this target.

        Raises:
            InputError: somebody is at work on it, or it may not be removed.
        """
        if (self.folder / _RECORD).is_file():
            with self._written():
                self._take()
                self.discard()

    def close(self) -> None:
        """Let others at it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.n // self.size)

    def bounds(self, k: int) -> tuple[int, int]:
        """The first sample of a part, and its end."""
        return k * self.size, min((k + 1) * self.size, self.n)

    def has(self, k: int) -> bool:
        """Whether a part need not be drawn any more."""
        return self._part(k).exists() or not self.folder.exists()

    def kept(self) -> int:
        """How many samples are on disk."""
        ends = (self.bounds(k) for k in range(self.parts) if self.has(k))
        return sum(high - low for low, high in ends)

    def keep(self, k: int, samples: Dataset) -> None:
        """Write a part.

        Raises:
            InputError: the disk is full, or takes no more files.
        """
        packed = self.form.pack(samples, self.bounds(k)[0])
        with self._written():
            if self.folder.exists():  # or the others were done before
                self._write(self._part(k).name, packed)

    def join(self) -> None:
        """Put the parts together, and remove the folder.

        Raises:
            InputError: the disk is full, and all parts are kept; or one of them is damaged.
        """
        parts = [partial(_opened, self._part(k)) for k in range(self.parts)]
        with self._written():
            for name in (_JOINED, _WHOLE):  # in this order: one without the other says that all is done
                remove(self.folder / name)
            try:
                self.form.join(parts, self.n, self.folder / _WHOLE)
            except _DAMAGED as error:
                raise InputError(
                    f"{shown(self.folder)}: a part is damaged ({reason(error)}); begin anew with --restart"
                ) from error
            self._write(_JOINED, b"")
            os.replace(self.folder / _WHOLE, self.target)
            sync(self.target.absolute().parent)
            self.discard()

    def discard(self) -> None:
        """Remove the folder: it is there with all that is in it, or not at all."""
        discard(self.folder)

    def _part(self, k: int) -> Path:
        return self.folder / f"part-{k:06d}"

    def _holds(self, k: int) -> bool:
        """Whether a part is there with all its samples; it goes where it is damaged."""
        low, high = self.bounds(k)
        if not self._part(k).exists():
            return False
        try:
            with self._part(k).open("rb") as packed:
                whole = self.form.count(packed) == high - low
        except _DAMAGED:
            whole = False
        if not whole:
            remove(self._part(k))
        return whole

    def _begin(self, record: Record) -> None:
        """Make the folder; where it cannot be written nothing is left."""
        self.size = part_size(self.n, self.form.layout.shape)
        made = [folder for folder in (self.folder, *self.folder.absolute().parents) if not folder.exists()]
        try:
            with self._written():
                self.folder.mkdir(parents=True, exist_ok=True)
                self._take()
                self._write(_RECORD, json.dumps({**record, _SIZE: self.size}, indent=1).encode())
                sync(self.folder.absolute().parent)
        except BaseException:
            with suppress(OSError):
                remove(self.folder)
                for folder in made[1:]:
                    folder.rmdir()
            raise

    def _compare(self, record: Record) -> None:
        """Take the size of parts from the job that is there, if that is of the same samples."""
        if not (self.folder / _RECORD).is_file():
            strange = [path.name for path in self.folder.iterdir() if path.name != _LOCK]
            if strange := [name for name in strange if not name.endswith(SCRATCH)]:
                raise InputError(
                    f"{shown(self.folder)} holds {quoted(strange[0])} and no job: move that folder elsewhere"
                )
            return
        told = self._read()
        wanted = json.loads(json.dumps(dict(record)))
        for key in sorted(told.keys() | wanted.keys(), key=[*wanted, *told].index):
            if key != _SIZE and _decides(told.get(key)) != _decides(wanted.get(key)):
                raise InputError(
                    f"{shown(self.folder)} holds an unfinished job of {_difference(key, told, wanted)}: give "
                    "the same options to go on with it, or --restart to begin anew"
                )
        self.size = told[_SIZE]

    def _read(self) -> dict[str, Any]:
        file = self.folder / _RECORD
        try:
            told = json.loads(file.read_bytes()) if file.stat().st_size < _LARGEST_JSON else None
        except (ValueError, RecursionError):
            told = None
        size = told.get(_SIZE) if isinstance(told, dict) else None
        if not isinstance(told, dict) or not isinstance(size, int) or not 0 < size <= _MOST:
            raise InputError(f"{shown(file)} is damaged: begin anew with --restart")
        return told

    def _take(self) -> None:
        """Be the only launch at work here, as far as the system can tell; it forgets whoever is killed."""
        with suppress(ImportError):
            import fcntl

            self.close()
            self._lock = (self.folder / _LOCK).open("ab")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"{shown(self.folder)}: another process is at work on it; wait, or end that one"
                ) from None
            except OSError:  # a disk that knows no locks
                return

    def _write(self, name: str, content: bytes) -> None:
        """Write a file of the folder, whole or not at all, whoever writes the same one elsewhere."""
        with placed(self.folder / name) as scratch:
            write_file(scratch, content)

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Say in one line that the disk takes no more, and what is kept."""
        try:
            yield
        except OSError as error:
            mend = "free some space there or give another place"
            if (self.folder / _RECORD).exists() and self.size:
                mend = (
                    f"free some space there; {self.kept():,} of {self.n:,} samples are kept, and the same "
                    "command goes on"
                )
            raise InputError(f"{shown(self.folder)} cannot be written ({reason(error)}): {mend}") from error


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _decides(value: object) -> object:
    """Of a source its digest: where it lies, and what it is called, is the same to its samples."""
    return value.get("digest") if isinstance(value, dict) else value


def _difference(key: str, told: Record, wanted: Record) -> str:
    """In what two jobs differ, in a few words."""
    ours, theirs = told.get(key), wanted.get(key)
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        if isinstance(ours, dict) or isinstance(theirs, dict):
            return f"{'another' if ours else 'no'} {key}"
        return f"{key}={_value(ours)}, and this one has {key}={_value(theirs)}"
    plain = [name for name in ours if name != "digest" and ours[name] != theirs.get(name)]
    name = plain[0] if plain else next(iter(ours))
    if not plain:
        return f"{name} {_value(ours[name])}, which has changed since"
    return f"{name} {_value(ours[name])}, and this one is of {name} {_value(theirs.get(name))}"


def _value(value: object) -> str:
    return quoted(value) if isinstance(value, str) else quoted(value).strip("'")
