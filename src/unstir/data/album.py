"""Many images, wherever they lie, decoded into one array of bytes.

A folder, an archive, shards and a table differ only in where the files come from: an `Album` says how many
there are and reads them in any order. All images have one size, or are scaled to one that is asked for;
one in colour makes all of them RGB.

Images of `_THREADED` pixels and more are decoded by a pool of threads; for smaller ones Pillow holds the
interpreter's lock nearly all the time, and two threads are half as fast as one (measured at 32x32).
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from unstir.data.dataset import Dataset
from unstir.data.decode import UNREADABLE, Pixels, Size, decode, strict_about_bombs
from unstir.data.labels import Labels
from unstir.data.limits import check_memory
from unstir.data.wording import counted, listed, reason, shown
from unstir.errors import InputError

NAMED = 20  # how many bad images a message names
_FIRST = 32  # pixels of a first model's images

_THREADED = 2**15
_MOST_THREADS = 16
_AT_WORK = 2**28  # bytes of pixels that are being decoded at a time; decoding takes about five times these
_CHUNK = 32  # images that a thread takes at once
_CHUNK_BYTES = 2**22  # and fewer where they are large

Read = Callable[[], bytes]
_Outcome = tuple[int, Size | None, Pixels | None, str]


@dataclass(frozen=True)
class Album:
    """Images to be read.

    Attributes:
        what: where they lie, for messages.
        count: how many there are.
        name: what the image of a number is called, within `what`.
        read: gives each number once, in any order, with a function that gives the file's bytes or raises one
            of `UNREADABLE`; these functions are called from several threads.
        labels: of the images kept, from their numbers in order, or None.
        files: whether each is a file of its own, of the name that `name` gives.
        passed: what lies beside them and is not read, each as 'place: reason'.
    """

    what: str
    count: int
    name: Callable[[int], str]
    read: Callable[[], Iterable[tuple[int, Read]]]
    labels: Callable[[Sequence[int]], Labels | None]
    files: bool = True
    passed: tuple[str, ...] = ()


def read_album(album: Album, name: str, skip_bad: bool = False, size: int | None = None) -> Dataset:
    """All images of an album, as uint8 `(n, 1 or 3, height, width)` in the order of their numbers.

    Args:
        album: where they come from.
        name: the data set's name.
        skip_bad: pass over images that cannot be read, and name them in `Dataset.skipped`.
        size: crop and scale each image to a square of so many pixels; by default they stay as they are.

    Raises:
        InputError: unreadable images (the first `NAMED` are named); more than one size; too many for memory.
    """
    canvas = _Canvas(album)
    with strict_about_bombs():
        files = iter(album.read())
        while canvas.values is None and (first := list(islice(files, 1))):
            canvas.take(_develop(first, canvas.wanted, size))
        if canvas.values is not None:
            taken = canvas.values[0].nbytes
            parts = _parts(files, max(1, min(_CHUNK, _CHUNK_BYTES // taken)))
            threads = _threads(taken, size)
            for outcomes in _spread(parts, lambda part: _develop(part, canvas.wanted, size), threads):
                canvas.take(outcomes)
    values, kept = canvas.finished(skip_bad)
    found = album.labels(kept)
    labels, names = (None, ()) if found is None else found
    skipped = tuple(f"{album.what}/{shown(album.name(i))}: {why}" for i, why in sorted(canvas.bad))
    called = tuple(map(album.name, kept)) if album.files else ()
    return Dataset(name, "image", values, labels, names, skipped=(*album.passed, *skipped), files=called)


def _develop(files: Iterable[tuple[int, Read]], wanted: Size | None, size: int | None) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    for index, read in files:
        try:
            outcomes.append((index, *decode(read(), wanted, size), ""))
        except UNREADABLE as error:
            outcomes.append((index, None, None, reason(error)))
    return outcomes


def _parts(files: Iterator[tuple[int, Read]], size: int) -> Iterator[list[tuple[int, Read]]]:
    while part := list(islice(files, size)):
        yield part


def _spread(
    parts: Iterator[list[tuple[int, Read]]],
    work: Callable[[list[tuple[int, Read]]], list[_Outcome]],
    threads: int,
) -> Iterator[list[_Outcome]]:
    """`work` of each part in order, a few parts ahead and never all of them: they may be a whole archive."""
    if threads == 1:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead = deque(pool.submit(work, part) for part in islice(parts, threads + 1))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(work, part) for part in islice(parts, 1))


def _threads(taken: int, size: int | None) -> int:
    """How many decode images of `taken` bytes; those that are scaled were larger in their files."""
    if size is not None:
        return _cores()
    return min(_cores(), max(1, _AT_WORK // taken)) if taken >= _THREADED else 1


def _cores() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    return min(_MOST_THREADS, len(usable(0)) if usable else os.cpu_count() or 1)


def _suggested(sizes: Iterable[Size]) -> int:
    """A size to begin with: what a processor learns in minutes, and no larger than the smallest image."""
    least = min(side for size in sizes for side in size)
    return _FIRST if least >= _FIRST else max(8, least // 4 * 4)


class _Canvas:
    """The array that is being filled, and what was wrong.

    Attributes:
        values: `(count, channels, height, width)`, or None before the first image and after a second size.
        bad: numbers of unreadable images, each with the reason.
    """

    def __init__(self, album: Album) -> None:
        self.album = album
        self.values: Pixels | None = None
        self.bad: list[tuple[int, str]] = []
        self._sizes: Counter[Size] = Counter()
        self._firsts: dict[Size, int] = {}

    @property
    def wanted(self) -> Size | None:
        """The one size there is so far; after a second one no size, as then only sizes count, to be told."""
        return next(iter(self._sizes), None) if len(self._sizes) < 2 else (0, 0)

    def take(self, outcomes: Iterable[_Outcome]) -> None:
        for index, size, pixels, why in outcomes:
            if size is None:
                self.bad.append((index, why))
                continue
            self._sizes[size] += 1
            self._firsts[size] = min(index, self._firsts.get(size, index))
            if len(self._sizes) > 1:
                self.values = None
            elif pixels is not None:
                self._put(index, pixels)

    def _put(self, index: int, pixels: Pixels) -> None:
        if self.values is None or len(pixels) > self.values.shape[1]:
            count, before = self.album.count, self.values
            check_memory(f"{self.album.what} with {counted(count, 'image')}", count * pixels.nbytes)
            self.values = np.empty((count, *pixels.shape), dtype=np.uint8)
            if before is not None:
                self.values[:] = before
        self.values[index] = pixels

    def finished(self, skip_bad: bool) -> tuple[Tensor, list[int]]:
        """The images that could be read, and their numbers.

        Raises:
            InputError: there is something wrong with them.
        """
        self._check(skip_bad)
        values = self._values()
        bad = {index for index, _ in self.bad}
        kept = [index for index in range(self.album.count) if index not in bad]
        for place, index in enumerate(kept if bad else ()):
            values[place] = values[index]
        return torch.from_numpy(values[: len(kept)]), kept

    def _values(self) -> Pixels:
        if self.values is None:
            raise InputError(f"{self.album.what} holds no images: give a place with some")
        return self.values

    def _check(self, skip_bad: bool) -> None:
        what, name = self.album.what, self.album.name
        if self.bad and (not self._sizes or not skip_bad):
            named = listed(f"{name(index)} ({why})" for index, why in sorted(self.bad)[:NAMED])
            more = f" and {len(self.bad) - NAMED} more" if len(self.bad) > NAMED else ""
            mend = "remove or mend them, or pass over them with --skip-bad"
            raise InputError(
                f"{what}: cannot read {len(self.bad)} of {counted(self.album.count, 'image')}: "
                f"{named}{more}: {mend if self._sizes else 'give images that can be read'}"
            )
        if len(self._sizes) > 1:
            kinds = [
                f"{count} of {size[0]}x{size[1]} (first {shown(name(self._firsts[size]))})"
                for size, count in self._sizes.most_common(4)
            ]
            more = f" and {len(self._sizes) - 4} more" if len(self._sizes) > 4 else ""
            raise InputError(
                f"{what} mixes images of {len(self._sizes)} sizes: {', '.join(kinds)}{more}: "
                f"give {what}:size={_suggested(self._sizes)}, and each is cropped to a square and scaled; or "
                "make them one size yourself"
            )
