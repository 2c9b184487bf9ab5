"""How large a file may be, checked against its header before anything is allocated.

A file of a few bytes can promise terabytes. Four limits hold that off: an image has at most `MAX_PIXELS`, and
its file `MAX_IMAGE_BYTES`; a compressed file may grow to `MAX_EXPANSION` times its size, or to
`FREE_EXPANSION` where that is more; and nothing is read that is larger than the machine's memory. What takes
more than `RESIDENT` of that memory stays on disk where its format allows (`mapped.py`), and what takes more
than `RESIDENT` of a device's free memory stays in the host's.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from unstir.errors import InputError

MAX_PIXELS = 64_000_000
MAX_IMAGE_BYTES = 8 * MAX_PIXELS
MAX_EXPANSION = 100
FREE_EXPANSION = 256 * 2**20
RESIDENT = 0.25
_CONTAINERS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def size_text(n: int) -> str:
    """Bytes for people: `1.5 GiB`."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    for place, unit in enumerate(units):
        if n < 1024 ** (place + 1) or unit == units[-1]:
            break
    if not place:
        return f"{n} bytes"
    tenths = (20 * n // 1024**place + 1) // 2  # a header may promise more than a float can say
    return f"{tenths / 10:.1f} {unit}" if tenths < 10**6 else f"over {10**5:,} {unit}"


def physical_memory() -> int | None:
    """The memory in bytes of the machine, or of the container, or None where the system does not say."""
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):
        found = []
    for place in _CONTAINERS:
        with suppress(OSError, ValueError):  # `max` is no number
            found.append(int(place.read_text()))
    return min(found, default=None)


def check_memory(what: str, needed: int) -> None:
    """Refuse what cannot fit in memory.

    Raises:
        InputError: `needed` bytes are more than the machine has.
    """
    memory = physical_memory()
    if memory is not None and needed > memory:
        raise InputError(
            f"{what} needs {size_text(needed)}, more than the {size_text(memory)} of memory here: "
            "give fewer or smaller items"
        )


def is_large(size: int) -> bool:
    """Whether `size` bytes are more than the share of memory that data may take in full."""
    memory = physical_memory()
    return memory is not None and size > RESIDENT * memory


def fits_device(size: int, free: int | None) -> bool:
    """Whether data of `size` bytes may lie in a device's memory beside a network in training.

    Args:
        size: of all of them.
        free: bytes that the device has free; None where it is the host, or does not say.
    """
    return free is None or size <= RESIDENT * free


def check_expansion(what: str, packed: int, unpacked: int, mend: str) -> None:
    """Refuse a compressed file that would grow beyond reason.

    Args:
        what: the file, for the message.
        packed: its size on disk in bytes.
        unpacked: the size it promises.
        mend: what to do where the file is honest.

    Raises:
        InputError: `unpacked` is above both limits of this module.
    """
    if unpacked > max(FREE_EXPANSION, MAX_EXPANSION * packed):
        raise InputError(
            f"{what} would grow from {size_text(packed)} to {size_text(unpacked)} (the limit is "
            f"{MAX_EXPANSION} times), as decompression bombs do: if you trust it, {mend}"
        )
