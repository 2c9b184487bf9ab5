"""A visitor: one open page, with its slots and the answers that wait to be sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque

from starlette.websockets import WebSocket

from unstir.lab.pool import Customer, Job, Pool, pack_error
from unstir.lab.requests import BadRequestError, Cancel, Request, parse

_LOG = logging.getLogger("unstir.lab")
_LONG = 64 * 1024  # bytes of a message that is read beside the loop
_TOO_SLOW, _TOO_LONG, _NOT_TEXT = 1008, 1009, 1003


class Visitor:
    """Reads requests, and sends answers as they come.

    Args:
        socket: accepted.
        pool: that works on the requests.
    """

    def __init__(self, socket: WebSocket, pool: Pool) -> None:
        self._socket, self._pool = socket, pool
        self._limits = pool.lab.limits
        self._loop = asyncio.get_running_loop()
        self._slots: dict[str, Job] = {}
        self._outbox: deque[tuple[Job | None, bytes]] = deque()
        self._filled = asyncio.Event()
        self._waiting, self._lock = 0, threading.Lock()
        self._customer = Customer(self._deliver, lambda: self._waiting < self._limits.waiting)

    async def serve(self) -> None:
        """Until the page is closed."""
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read())
        try:
            done, _ = await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (reader, writer):
                task.cancel()
            for job in list(self._slots.values()):
                self._pool.drop(job)
            self._slots.clear()
            self._customer.kept.clear()
            self._outbox.clear()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _read(self) -> None:
        tokens, at = float(self._limits.burst), time.monotonic()
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                await self._close(_NOT_TEXT, "send text")
                return
            now = time.monotonic()
            tokens, at = min(self._limits.burst, tokens + (now - at) * self._limits.rate), now
            if tokens < 1:
                await asyncio.sleep((1 - tokens) / self._limits.rate)
            tokens -= 1
            await self._take(text)

    async def _take(self, text: str) -> None:
        try:
            request = parse(text) if len(text) < _LONG else await asyncio.to_thread(parse, text)
        except BadRequestError as error:
            self._offer(None, pack_error(error), counted=False)
            return
        if isinstance(request, Cancel):
            self._vacate(request.slot)
            return
        self._begin(request)

    def _begin(self, request: Request) -> None:
        """In its slot, in place of what was there."""
        self._vacate(request.slot)
        self._slots = {slot: job for slot, job in self._slots.items() if not job.over}
        if len(self._slots) >= self._limits.slots:
            text = f"slot={request.slot}: {self._limits.slots} slots are at work; cancel one of them"
            error = BadRequestError(text, "slot", request.model_dump(include={"id", "slot"}))
            self._offer(None, pack_error(error), counted=False)
            return
        job = Job(request, self._customer)
        self._slots[request.slot] = job
        self._pool.submit(job)

    def _vacate(self, slot: str) -> None:
        job = self._slots.pop(slot, None)
        if job is not None:
            self._pool.drop(job)

    def _deliver(self, job: Job, frame: bytes) -> None:
        """From a thread of the pool."""
        with self._lock:
            self._waiting += len(frame)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._offer, job, frame)

    def _offer(self, job: Job | None, frame: bytes, counted: bool = True) -> None:
        if not counted:
            with self._lock:
                self._waiting += len(frame)
        self._outbox.append((job, frame))
        self._filled.set()

    async def _write(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._outbox:
                job, frame = self._outbox.popleft()
                if job is None or not job.dropped:
                    await self._send(frame)
                with self._lock:
                    self._waiting -= len(frame)
                self._pool.wake()

    async def _send(self, frame: bytes) -> None:
        try:
            async with asyncio.timeout(self._limits.patience):
                await self._socket.send_bytes(frame)
        except TimeoutError:
            await self._close(_TOO_SLOW, "answers are not read")
            raise ConnectionAbortedError from None

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(RuntimeError, TimeoutError, OSError):
            async with asyncio.timeout(1):
                await self._socket.close(code, reason)
