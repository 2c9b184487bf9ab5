"""The lab's server for a long time, with visitors of every kind: does it stay quick, right and of one size?

    python benchmarks/lab_soak.py                    three minutes
    python benchmarks/lab_soak.py --minutes 120      two hours

A server of its own is started. Good visitors choose data and physics, drag sliders and look at fields, and
measure how long the first answer takes. Others send nonsense, too much, from elsewhere, read nothing, leave
in the middle, or train a network and go. The server's memory, threads and open files are read from /proc.
Exit status 1 where an answer differs from the same one at the start, where the server complains, or where
after the first third its memory grows by more than 10 % from the middle of the rest to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connected
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from unstir.lab.export import PICTURES, PLANE
from unstir.lab.frames import unpack
from unstir.lab.points import POINTS

NONSENSE = (
    "",
    "{",
    "[" * 5000,
    "null",
    '{"id": 1}',
    "\0\1",
    '{"id": -1, "slot": "x", "kind": "path"}',
    "9" * 9999,
)

# A machine that is busy with other things may take its time: visitors wait, and do not ask whether it lives.
connect = partial(connected, open_timeout=300, ping_interval=None, max_size=None)


@dataclass
class Tally:
    """What happened."""

    first: list[float] = field(default_factory=list)  # seconds to the first stage
    last: list[float] = field(default_factory=list)  # and to the last
    counts: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)  # seconds, MiB
    wrong: list[str] = field(default_factory=list)


def question(dice: random.Random) -> dict[str, Any]:
    """What a visitor may look at."""
    if dice.random() < 0.15:
        data: dict[str, Any] = {"images": "digits"}
        process = dice.choice(PICTURES)
        return {
            "kind": "path",
            "data": data,
            "process": process,
            "n": 16,
            "direction": dice.choice(("forward", "backward")),
        }
    kind = dice.random()
    if kind < 0.5:
        data = {"preset": dice.choice(POINTS)}
    elif kind < 0.8:
        count = dice.choice((1, 2, 30, 400))
        data = {
            "points": [[round(dice.uniform(-1, 1), 3), round(dice.uniform(-1, 1), 3)] for _ in range(count)]
        }
    else:
        data = {"word": "".join(dice.choices("abcdefgh", k=4))}
    process = dice.choice(PLANE)
    if process.startswith("poisson"):
        process = f"poisson:D={dice.randint(1, 300)}"
    told = {"data": data, "process": process}
    pick = dice.random()
    if pick < 0.45:
        return {
            "kind": "path",
            **told,
            "direction": dice.choice(("forward", "backward")),
            "seed": dice.randint(0, 5),
        }
    if pick < 0.9:
        return {
            "kind": "field",
            **told,
            "time": dice.uniform(0.01, 0.9),
            "half": dice.uniform(1, 4),
            "arrows": 22,
            "cells": 100,
        }
    return {"kind": "python", "state": told}


async def ask(socket: ClientConnection, number: int, slot: str, given: dict[str, Any], tally: Tally) -> bytes:
    """All stages; the digest of the last."""
    start = time.perf_counter()
    await socket.send(json.dumps({"id": number, "slot": slot, **given}))
    begun = False
    while True:
        frame = await socket.recv()
        assert isinstance(frame, bytes)
        header, arrays = unpack(frame)
        if header["id"] != number:
            continue  # of a question that this one has replaced
        if not begun:
            tally.first.append(time.perf_counter() - start)
            begun = True
        if header["kind"] == "error":
            tally.counts["refused"] += 1
            if "error of ours" in header["error"]:
                tally.wrong.append(f"{header['error']}: {json.dumps(given)[:300]}")
            return b""
        if header["done"]:
            tally.last.append(time.perf_counter() - start)
            tally.counts["answered"] += 1
            return hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).digest()


async def good(url: str, seed: int, tally: Tally, end: float) -> None:
    """Looks around, and comes back."""
    dice, numbers, known = random.Random(seed), itertools.count(1), dict[str, bytes]()
    while time.monotonic() < end:
        try:
            async with connect(url) as socket:
                await look_around(socket, dice, numbers, known, tally, end)
        except (ConnectionClosed, InvalidHandshake, TimeoutError) as error:
            tally.wrong.append(f"a good visitor was turned away: {error!r}")
            await asyncio.sleep(1)


async def look_around(
    socket: ClientConnection,
    dice: random.Random,
    numbers: Iterator[int],
    known: dict[str, bytes],
    tally: Tally,
    end: float,
) -> None:
    """Ask this and that; now and then drag a slider."""
    for _ in range(dice.randint(5, 40)):
        given = question(dice)
        if dice.random() < 0.2:
            for D in range(1, dice.randint(3, 20)):
                dragged = {
                    "kind": "path",
                    "data": {"preset": "swissroll"},
                    "process": f"poisson:D={D}",
                }
                await socket.send(json.dumps({"id": next(numbers), "slot": "main", **dragged}))
                await asyncio.sleep(0.03)
            tally.counts["dragged"] += 1
        if dice.random() < 0.05:
            given = {
                "kind": "path",
                "data": {"preset": "swissroll"},
                "process": "edm",
                "n": 500,
                "direction": "backward",
            }
        found = await ask(socket, next(numbers), "main", given, tally)
        key = json.dumps(given)
        if found and known.setdefault(key, found) != found:
            tally.wrong.append(f"another answer than before: {key[:300]}")
        if len(known) > 2000:
            known.clear()
        await asyncio.sleep(dice.uniform(0.1, 1.0))
        if time.monotonic() > end:
            break


async def bad(url: str, tally: Tally, end: float) -> None:
    """Sends what is no request, more than may be sent, and comes from elsewhere."""
    dice = random.Random(0)
    while time.monotonic() < end:
        try:
            elsewhere = {"Origin": "http://evil.example"} if dice.random() < 0.2 else {}
            async with connect(url, additional_headers=elsewhere) as socket:
                for _ in range(30):
                    message: str | bytes = dice.choice(NONSENSE)
                    if dice.random() < 0.05:
                        message = b"bytes"
                    if dice.random() < 0.03:
                        message = "x" * (9 * 2**20)
                    await socket.send(message)
                    tally.counts["nonsense"] += 1
                    await socket.recv()
        except (ConnectionClosed, InvalidHandshake):
            tally.counts["turned away"] += 1
        await asyncio.sleep(0.5)


async def slow(url: str, tally: Tally, end: float) -> None:
    """Asks for much and reads nothing."""
    while time.monotonic() < end:
        try:
            async with connect(url, max_queue=1) as socket:
                for i in range(40):
                    given = {
                        "kind": "path",
                        "data": {"preset": "swissroll"},
                        "process": "edm",
                        "n": 5000,
                        "frames": 64,
                        "seed": i,
                    }
                    await socket.send(json.dumps({"id": i + 1, "slot": f"s{i % 6}", **given}))
                    await asyncio.sleep(0.25)
                await asyncio.sleep(10)
        except ConnectionClosed:
            tally.counts["cut off"] += 1
        tally.counts["read nothing"] += 1


async def rude(url: str, tally: Tally, end: float) -> None:
    """Asks and leaves."""
    dice = random.Random(1)
    while time.monotonic() < end:
        socket = await connect(url)
        train = {"kind": "train", "data": {"preset": "two-moons"}, "process": "edm"}
        await socket.send(
            json.dumps({"id": 1, "slot": "main", **(train if dice.random() < 0.5 else question(dice))})
        )
        await asyncio.sleep(dice.uniform(0, 3))
        if dice.random() < 0.5:
            await socket.close()
        else:
            socket.transport.abort()
        tally.counts["left in the middle"] += 1


async def watch(pid: int, tally: Tally, start: float, end: float) -> None:
    """The server's memory."""
    while time.monotonic() < end:
        tally.memory.append((time.monotonic() - start, resident(pid)))
        await asyncio.sleep(2)


def resident(pid: int) -> float:
    """MiB that a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def quantiles(seconds: list[float]) -> str:
    """Median, 95th and 99th of a hundred, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return ", ".join(f"{1000 * cuts[i]:.0f}" for i in (49, 94, 98))


async def soak(url: str, pid: int, minutes: float, visitors: int) -> Tally:
    """Everybody at once."""
    tally, start = Tally(), time.monotonic()
    end = start + 60 * minutes
    same = {
        "kind": "path",
        "data": {"preset": "gaussians8"},
        "process": "yukawa:kappa=1",
        "n": 700,
        "direction": "backward",
    }
    async with connect(url) as socket:
        before = await ask(socket, 1, "main", same, Tally())
    crowd = [good(url, seed, tally, end) for seed in range(visitors)]
    crowd += [bad(url, tally, end), bad(url, tally, end), slow(url, tally, end), rude(url, tally, end)]
    await asyncio.gather(watch(pid, tally, start, end), *crowd)
    async with connect(url) as socket:
        if await ask(socket, 1, "main", same, Tally()) != before:
            tally.wrong.append("the first question has another answer at the end")
    return tally


def means(memory: list[tuple[float, float]], parts: int) -> list[float]:
    """The mean of each of so many equal parts of the time."""
    whole = memory[-1][0]
    return [
        statistics.mean([size for t, size in memory if i * whole / parts <= t <= (i + 1) * whole / parts])
        for i in range(parts)
    ]


def report(tally: Tally, pid: int) -> bool:
    """Print the figures; whether all is well."""
    print(", ".join(f"{count:,} {what}" for what, count in sorted(tally.counts.items())))
    print(f"first answer after  {quantiles(tally.first)} ms (median, 95 %, 99 %)")
    print(f"last answer after   {quantiles(tally.last)} ms")
    thirds, tenths = means(tally.memory, 3), means(tally.memory, 10)
    most = max(size for _, size in tally.memory)
    print(f"memory in thirds    {', '.join(f'{mean:.0f}' for mean in thirds)} MiB, at most {most:.0f}")
    print(f"memory in tenths    {', '.join(f'{mean:.0f}' for mean in tenths)} MiB")
    threads, files = (len(list(Path(f"/proc/{pid}/{what}").iterdir())) for what in ("task", "fd"))
    print(f"at the end          {threads} threads, {files} open files")
    for line in tally.wrong[:10]:
        print("wrong:", line)
    flat = thirds[2] < 1.1 * thirds[1]
    if not flat:
        print("wrong: memory grows")
    return flat and not tally.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--visitors", type=int, default=8)
    options = parser.parse_args()
    command = [sys.executable, "-m", "unstir", "lab", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    found = re.search(r"http://([^/]+)/", server.stdout.readline())
    assert found, "the server did not say its address"
    try:
        tally = asyncio.run(soak(f"ws://{found[1]}/ws", server.pid, options.minutes, options.visitors))
        well = report(tally, server.pid)
    finally:
        server.terminate()
        _, errors = server.communicate(timeout=30)
    complaints = errors.splitlines()[1:]  # but for the line that it is opening
    for line in complaints[:60]:
        print("the server says:", line)
    return 0 if well and not complaints else 1


if __name__ == "__main__":
    sys.exit(main())
