"""The pool: fair, and idle when nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import torch

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context, Lab
from unstir.lab.frames import unpack
from unstir.lab.limits import Limits
from unstir.lab.pool import Customer, Job, Memo, Pool
from unstir.lab.requests import Request

PATIENCE = 20


class Work(Request):
    """What a test does."""

    kind: Literal["work"] = "work"
    keep: bool = False
    does: Any = None

    @property
    def lasting(self) -> bool:
        return self.keep

    @property
    def key(self) -> str:
        return "work"

    def answer(self, context: Context) -> Iterator[Answer]:
        yield from self.does(context)


class Desk:
    """A customer who writes down what he gets."""

    def __init__(self, ready: Callable[[], bool] = lambda: True) -> None:
        self.got: list[dict[str, Any]] = []
        self.done = threading.Event()
        self.customer = Customer(self.take, ready)

    def take(self, job: Job, frame: bytes) -> None:
        header, _ = unpack(frame)
        self.got.append(header)
        if header["done"]:
            self.done.set()

    def job(self, does: Callable[[Context], Iterator[Answer]], keep: bool = False) -> Job:
        return Job(Work(id=1, slot="main", does=does, keep=keep), self.customer)


@pytest.fixture
def pool() -> Iterator[Pool]:
    """With one thread, so that order is seen."""
    found = Pool(Lab(limits=Limits(seconds=0.5)), threads=1)
    found.start()
    yield found
    found.stop()


def quick(context: Context) -> Iterator[Answer]:
    yield Answer({"quick": True})


def test_stages_are_numbered_and_the_last_is_done(pool: Pool) -> None:
    def work(context: Context) -> Iterator[Answer]:
        for i in range(3):
            yield Answer({"i": i}, {"x": torch.zeros(2)}, done=i == 2)

    desk = Desk()
    pool.submit(desk.job(work))
    assert desk.done.wait(PATIENCE)
    assert [(h["stage"], h["i"], h["done"]) for h in desk.got] == [(0, 0, False), (1, 1, False), (2, 2, True)]


def test_dropped_work_ends_at_its_next_check_and_sends_nothing(pool: Pool) -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(context: Context) -> Iterator[Answer]:
        begun.set()
        try:
            while True:
                context.check()
                time.sleep(0.001)
        finally:
            ended.set()
        yield Answer()

    desk, after = Desk(), Desk()
    job = desk.job(work)
    pool.submit(job)
    assert begun.wait(PATIENCE)
    pool.drop(job)
    assert ended.wait(PATIENCE)
    pool.submit(after.job(quick))
    assert after.done.wait(PATIENCE)
    assert desk.got == []


def test_work_dropped_at_a_yield_is_closed(pool: Pool) -> None:
    ended = threading.Event()
    desk = Desk()

    def work(context: Context) -> Iterator[Answer]:
        try:
            while True:
                yield Answer(done=False)
                time.sleep(0.001)
        finally:
            ended.set()

    job = desk.job(work)
    pool.submit(job)
    while not desk.got:
        time.sleep(0.001)
    pool.drop(job)
    assert ended.wait(PATIENCE)


def test_coarse_answers_come_before_fine_ones(pool: Pool) -> None:
    order: list[str] = []
    gate = threading.Event()

    def named(name: str) -> Callable[[Context], Iterator[Answer]]:
        def work(context: Context) -> Iterator[Answer]:
            order.append(f"{name} coarse")
            yield Answer(done=False)
            order.append(f"{name} fine")
            yield Answer()

        return work

    def hold(context: Context) -> Iterator[Answer]:
        gate.wait(PATIENCE)
        yield Answer()

    desks = [Desk() for _ in range(3)]
    pool.submit(Desk().job(hold))
    for name, desk in zip("abc", desks, strict=True):
        pool.submit(desk.job(named(name)))
    gate.set()
    assert all(desk.done.wait(PATIENCE) for desk in desks)
    assert [step.split()[1] for step in order] == ["coarse"] * 3 + ["fine"] * 3


def test_a_long_fine_stage_steps_aside_for_a_coarse_one(pool: Pool) -> None:
    answered, gradients = threading.Event(), []

    def long(context: Context) -> Iterator[Answer]:
        yield Answer(done=False)
        with torch.no_grad():
            while not answered.is_set():
                context.check()
        yield Answer()

    def short(context: Context) -> Iterator[Answer]:
        gradients.append(torch.is_grad_enabled())
        yield Answer()
        answered.set()

    slow, fast = Desk(), Desk()
    pool.submit(slow.job(long))
    while not slow.got:
        time.sleep(0.001)
    pool.submit(fast.job(short))
    assert fast.done.wait(PATIENCE)  # by the only thread, which is in the middle of the other
    answered.set()
    assert slow.done.wait(PATIENCE)
    assert slow.got[-1]["kind"] == "work"
    assert gradients == [True]  # whatever the long one had turned off


def test_who_has_had_less_comes_first(pool: Pool) -> None:
    order: list[str] = []
    gate = threading.Event()

    def hold(context: Context) -> Iterator[Answer]:
        gate.wait(PATIENCE)
        yield Answer()

    def note(name: str) -> Callable[[Context], Iterator[Answer]]:
        def work(context: Context) -> Iterator[Answer]:
            order.append(name)
            yield Answer()

        return work

    greedy, modest = Desk(), Desk()
    greedy.customer.served(5.0, time.monotonic())
    pool.submit(Desk().job(hold))
    pool.submit(greedy.job(note("greedy")))
    pool.submit(modest.job(note("modest")))
    gate.set()
    assert greedy.done.wait(PATIENCE)
    assert order == ["modest", "greedy"]


def test_who_does_not_read_has_no_turn_until_he_does(pool: Pool) -> None:
    reads = threading.Event()
    desk, other = Desk(reads.is_set), Desk()
    pool.submit(desk.job(quick))
    pool.submit(other.job(quick))
    assert other.done.wait(PATIENCE)
    assert desk.got == []
    reads.set()
    pool.wake()
    assert desk.done.wait(PATIENCE)


@pytest.mark.parametrize("checks", [False, True])
def test_work_that_takes_too_long_is_ended(pool: Pool, checks: bool) -> None:
    def work(context: Context) -> Iterator[Answer]:
        while True:
            if checks:
                context.check()
            else:
                sum(range(20_000))
                yield Answer(done=False)

    desk = Desk()
    pool.submit(desk.job(work))
    assert desk.done.wait(PATIENCE)
    assert "0.5 s" in desk.got[-1]["error"]


@pytest.mark.parametrize("at_yield", [False, True])
def test_an_error_is_told_and_the_next_job_is_done(
    pool: Pool, caplog: pytest.LogCaptureFixture, at_yield: bool
) -> None:
    def ours(context: Context) -> Iterator[Answer]:
        if at_yield:
            yield Answer(done=False)
        raise ZeroDivisionError("secret detail")

    def theirs(context: Context) -> Iterator[Answer]:
        raise InputError("steps=0: at least one\nis needed")
        yield Answer()

    first, second, third = Desk(), Desk(), Desk()
    for desk, work in ((first, ours), (second, theirs), (third, quick)):
        pool.submit(desk.job(work))
        assert desk.done.wait(PATIENCE)
    assert "ZeroDivisionError" in first.got[-1]["error"]
    assert "secret" not in first.got[-1]["error"]
    assert "secret" in caplog.text
    assert second.got[0]["error"] == "steps=0: at least one is needed"
    assert second.got[0]["field"] == "steps"
    assert third.got[0]["quick"]


def test_lasting_answers_are_made_once(pool: Pool) -> None:
    calls: list[int] = []

    def work(context: Context) -> Iterator[Answer]:
        calls.append(1)
        yield Answer(done=False)
        yield Answer({"x": 1})

    for _ in range(2):
        desk = Desk()
        pool.submit(desk.job(work, keep=True))
        assert desk.done.wait(PATIENCE)
    assert calls == [1]
    assert [h["done"] for h in desk.got] == [True]


def test_the_memo_forgets_what_was_not_asked_for_longest() -> None:
    memo = Memo(100)
    for name in "abc":
        memo.put(name, Answer(arrays={"x": torch.zeros(10)}))
        memo.get("a")
    assert memo.get("a") is not None
    assert memo.get("b") is None
    memo.put("a", Answer(arrays={"x": torch.zeros(1)}))
    memo.put("d", Answer(arrays={"x": torch.zeros(10)}))
    assert all(memo.get(name) is not None for name in "acd")
    memo.put("large", Answer(arrays={"x": torch.zeros(1000)}))
    assert memo.get("large") is None


def test_a_stopped_pool_takes_no_more(pool: Pool) -> None:
    pool.stop()
    desk = Desk()
    pool.submit(desk.job(quick))
    assert pool.waiting == 0
