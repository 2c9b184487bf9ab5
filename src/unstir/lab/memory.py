"""Memory that is free but still held: the C library keeps what threads have used, in pieces, for later.

Large temporary arrays leave its heaps ragged, and a server that could do with 400 MiB holds a gigabyte. From
time to time it is asked to give back what it can, where it is one that can be asked (glibc).
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable

_EVERY = 5.0  # seconds


class Trimmer:
    """Gives memory back, not too often."""

    def __init__(self) -> None:
        self._trim: Callable[[int], int] | None = None
        with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
            self._trim = ctypes.CDLL(None).malloc_trim
        self._last, self._lock = time.monotonic(), threading.Lock()

    def now_and_then(self) -> None:
        """Give it back if it is some time since."""
        if self._trim is None or time.monotonic() - self._last < _EVERY:
            return
        if self._lock.acquire(blocking=False):
            try:
                self._trim(0)
                self._last = time.monotonic()
            finally:
                self._lock.release()
