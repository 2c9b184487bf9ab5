"""The pool: a few threads that work for all visitors, in fair order, and drop what nobody waits for.

A job is a generator of stages. A thread takes one stage of the job whose turn it is and puts the rest back,
so that everybody's coarse answer comes before anybody's fine one. Among those, first comes the visitor who
has lately had the least. One who does not read answers as fast as they are made has no turn until he does.
Long stages call `Context.check` on their way, and there step aside for coarse answers that wait.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Cancelled, Context, Lab, too_long
from unstir.lab.frames import pack
from unstir.lab.memory import Trimmer
from unstir.lab.requests import BadRequestError, Request

_LOG = logging.getLogger("unstir.lab")
_MEMORY = 20.0  # seconds after which work that was done for a visitor counts 1/e
_LATER = 1.0  # seconds of work that a fine stage counts more than a coarse one
_PATIENCE = 0.1  # and less for each second that it has waited
_MEMO = 192 * 2**20


@dataclass(eq=False)
class Customer:
    """Whom a job is for.

    Attributes:
        deliver: takes a job's frame, from any thread.
        ready: whether there is room for another.
        kept: what requests keep for one another.
    """

    deliver: Callable[[Job, bytes], None]
    ready: Callable[[], bool] = lambda: True
    kept: dict[str, Any] = field(default_factory=dict)
    _load: float = 0.0
    _at: float = 0.0

    def load(self, now: float) -> float:
        """Seconds of work lately done for him."""
        return self._load * math.exp(-(now - self._at) / _MEMORY)

    def served(self, seconds: float, now: float) -> None:
        """Count work."""
        self._load, self._at = self.load(now) + seconds, now


@dataclass(eq=False)
class Job:
    """One request at work.

    Attributes:
        request: what was asked.
        customer: by whom.
        dropped: whether nobody waits for it any more.
        stage: of the next answer.
        spent: seconds of work so far.
        over: whether its last answer is made.
        stages: its generator, once it has begun.
        aside: whether it is at work in the middle of another one.
    """

    request: Request
    customer: Customer
    dropped: bool = False
    stage: int = 0
    spent: float = 0.0
    over: bool = False
    stages: Iterator[Answer] | None = None
    aside: bool = False
    since: float = field(default_factory=time.monotonic)
    _from: float = 0.0

    def score(self, now: float) -> float:
        """The lowest has its turn."""
        later = _LATER if self.stage else 0.0
        return self.customer.load(now) + later - _PATIENCE * (now - self.since)

    def begin(self, lab: Lab, aside: Callable[[], None]) -> None:
        """Make the generator, of a request that may look whether anybody still waits."""
        limit = lab.limits.seconds

        def late() -> bool:
            return self.spent + time.thread_time() - self._from > limit

        context = Context(lab, self.customer.kept, lambda: self.dropped, late, aside)
        self.stages = self.request.answer(context)

    def next(self) -> Answer | None:
        """The next stage, with its time counted."""
        if self.stages is None:
            raise TypeError("job: has not begun")
        self._from = time.thread_time()
        try:
            return next(self.stages, None)
        finally:
            self.spent += time.thread_time() - self._from

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Time that does not count."""
        before = time.thread_time()
        try:
            yield
        finally:
            self._from += time.thread_time() - before


class Memo:
    """Last answers of requests that anybody may ask again, up to so many bytes."""

    def __init__(self, most: int = _MEMO) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Answer | None:
        """The answer, if it is still there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer, and forget those that nobody asked for longest."""
        with self._lock:
            old = self._kept.pop(key, None)
            self._size += answer.size - (old.size if old else 0)
            self._kept[key] = answer
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1].size


class Pool:
    """Threads that work on jobs."""

    def __init__(self, lab: Lab, threads: int = 2) -> None:
        self.lab = lab
        self.memo = Memo()
        self._trimmer = Trimmer()
        self._jobs: list[Job] = []
        self._turn = threading.Condition()
        self._open = True
        self._threads = [
            threading.Thread(target=self._work, name=f"lab-{i}", daemon=True) for i in range(threads)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self, patience: float = 5.0) -> None:
        """Drop all jobs, and wait for the threads to notice."""
        with self._turn:
            self._open = False
            for job in self._jobs:
                job.dropped = True
            self._jobs.clear()
            self._turn.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(patience)

    def submit(self, job: Job) -> None:
        """Put a job into the queue."""
        with self._turn:
            if self._open:
                self._jobs.append(job)
                self._turn.notify()

    def drop(self, job: Job) -> None:
        """Work on a job no more."""
        job.dropped = True
        with self._turn:
            if job in self._jobs:
                self._jobs.remove(job)

    def wake(self) -> None:
        """Look again whose turn it is: somebody has read an answer."""
        with self._turn:
            self._turn.notify_all()

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._jobs)

    def _take(self) -> Job | None:
        """The job whose turn it is, once there is one; None when the pool has stopped."""
        with self._turn:
            while self._open:
                job = self._next(self._jobs)
                if job is not None:
                    return job
                self._turn.wait()
            return None

    def _next(self, jobs: Iterable[Job]) -> Job | None:
        """Out of the queue, the one of these whose turn it is; the lock is held."""
        now = time.monotonic()
        ready = [job for job in jobs if job.customer.ready()]
        if not ready:
            return None
        job = min(ready, key=lambda job: job.score(now))
        self._jobs.remove(job)
        return job

    def _work(self) -> None:
        torch.set_num_threads(1)  # small tensors: threads that wait for each other cost more than they bring
        while (job := self._take()) is not None:
            self._turn_of(job)
            del job  # and its arrays, while this thread waits
            self._trimmer.now_and_then()

    def _turn_of(self, job: Job) -> None:
        """One stage, and what becomes of the job."""
        before = job.spent
        with torch.enable_grad():  # whatever a generator may have left over a yield
            self._step(job)
        job.customer.served(job.spent - before, time.monotonic())
        if job.over or job.dropped:
            job.over = True
            if isinstance(job.stages, Generator):
                job.stages.close()
        else:
            job.since = time.monotonic()
            self.submit(job)

    def _step_aside(self, job: Job) -> None:
        """In the middle of a fine stage, do the coarse ones that wait."""
        while job.stage and not job.aside and self._jobs:
            with self._turn:
                short = self._next([other for other in self._jobs if not other.stage])
            if short is None:
                return
            short.aside = True
            with job.resting():
                self._turn_of(short)
            short.aside = False

    def _step(self, job: Job) -> None:
        """One stage of a job, delivered."""
        request = job.request
        before = job.spent
        try:
            answer = self.memo.get(request.key) if request.lasting and not job.stage else None
            if answer is None:
                if job.spent > self.lab.limits.seconds:
                    raise too_long(self.lab.limits.seconds)
                if job.stages is None:
                    job.begin(self.lab, lambda: self._step_aside(job))
                answer = job.next()
            if answer is None:
                raise RuntimeError(f"request {request.kind}: ended without a last stage")
            if answer.done and request.lasting:
                self.memo.put(request.key, answer)
            header = {
                **answer.scalars,
                "id": request.id,
                "slot": request.slot,
                "kind": request.kind,
                "stage": job.stage,
                "done": answer.done,
                "seconds": round(job.spent - before, 6),
            }
            frame = pack(header, answer.arrays)
            job.over = answer.done
        except Cancelled:
            job.dropped = True
            return
        except InputError as error:
            job.over = True
            frame = pack_error(error, request.id, request.slot)
        except Exception as error:
            job.over = True
            _LOG.exception("request %s in slot %s", request.kind, request.slot)
            what = type(error).__name__
            text = f"request {request.kind}: met an error of ours ({what}); the terminal shows it"
            frame = pack_error(InputError(text), request.id, request.slot)
        job.stage += 1
        if not job.dropped:
            job.customer.deliver(job, frame)


def pack_error(error: InputError, number: int | None = None, slot: str | None = None) -> bytes:
    """An error as a frame of its own."""
    field = None
    if isinstance(error, BadRequestError):
        number, slot, field = error.id, error.slot, error.field
    line = " ".join(str(error).split())
    if field is None:
        word = line.partition(":")[0].partition("=")[0].split(" ")[0]
        field = word if word.isidentifier() and word not in ("request", "message") else None
    header = {"id": number, "slot": slot, "kind": "error", "stage": 0, "done": True}
    return pack({**header, "error": line, "field": field}, {})
