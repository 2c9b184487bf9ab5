"""The server as browsers, good and bad, meet it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from unstir.lab.frames import unpack
from unstir.lab.guard import host_of, same_origin

from .conftest import Served

T = TypeVar("T")
SWISSROLL = {"preset": "swissroll"}
QUICK = {"kind": "path", "data": SWISSROLL, "process": "edm", "n": 50, "frames": 4}
SLOW = {"kind": "path", "data": SWISSROLL, "process": "kac", "n": 5000, "direction": "backward"}

PATHS = (
    *("../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "//etc/passwd", "js/../../app.py"),
    *("secret.txt", "runs/secret.txt", "..\\app.py", "docs", "openapi.json", "app.py\0.js"),
)

Frame = tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]


def run(work: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await work

    # In a thread of its own: the browser's tests leave a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, bounded()).result()


async def send(socket: ClientConnection, number: int, slot: str = "main", **given: Any) -> None:  # noqa: ANN401
    await socket.send(json.dumps({"id": number, "slot": slot, **given}))


async def receive(socket: ClientConnection) -> Frame:
    frame = await socket.recv()
    assert isinstance(frame, bytes)
    return unpack(frame)


async def answer(socket: ClientConnection, number: int, slot: str = "main", **given: Any) -> Frame:  # noqa: ANN401
    """The last stage."""
    await send(socket, number, slot, **given)
    while True:
        header, arrays = await receive(socket)
        assert header["id"] == number
        if header["done"]:
            return header, arrays


def test_the_greeting_says_what_there_is(served: Served) -> None:
    async def work() -> dict[str, Any]:
        async with connect(served.ws) as socket:
            return (await answer(socket, 1, kind="hello"))[0]

    header = run(work())
    names = [process["name"] for process in header["catalog"]["processes"]]
    assert {"poisson", "kac", "coins", "pde"} <= set(names)
    assert header["limits"]["particles"] == 5000
    rows = {row["name"]: row["generates"] for row in header["catalog"]["rows"]}
    assert rows["poisson"]
    assert not rows["wave"]


def test_a_malformed_message_gets_an_error_and_harms_nobody(served: Served) -> None:
    async def work() -> None:
        async with connect(served.ws) as good, connect(served.ws) as bad:
            for text in ("", "{", "[]", '{"id": 5, "slot": "a", "kind": "fly"}', "\0" * 100, "9" * 5000):
                await bad.send(text)
                header, _ = await receive(bad)
                assert header["kind"] == "error"
                assert header["done"]
            assert (await answer(good, 1, **QUICK))[0]["kind"] == "path"
            assert (await answer(bad, 6, **QUICK))[0]["kind"] == "path"

    run(work())


def test_an_error_names_its_argument_and_the_mend(served: Served) -> None:
    async def work() -> dict[str, Any]:
        async with connect(served.ws) as socket:
            return (await answer(socket, 3, "here", **{**QUICK, "process": "poisson:D=1e9"}))[0]

    header = run(work())
    assert (header["kind"], header["slot"], header["field"]) == ("error", "here", "process")
    assert "D=1e9" in header["error"]
    assert "4096" in header["error"]


def test_a_newer_request_takes_its_slot_s_older_one_s_place(served: Served) -> None:
    async def work() -> list[int]:
        async with connect(served.ws) as socket:
            await send(socket, 1, **SLOW)
            await send(socket, 2, **SLOW, seed=1)
            await asyncio.sleep(0.3)
            await send(socket, 3, **QUICK)
            seen = []
            while not seen or seen[-1] != 3:
                header, _ = await receive(socket)
                seen.append(header["id"])
            await socket.send('{"kind": "cancel", "slot": "main"}')
            # Nothing of the older ones comes after.
            assert (await answer(socket, 4, **QUICK))[0]["id"] == 4
            return seen

    seen = run(work())
    assert seen == sorted(seen)


def test_a_cancelled_request_is_worked_on_no_more(served: Served) -> None:
    async def work() -> None:
        async with connect(served.ws) as socket:
            for slot in ("a", "b"):
                await send(socket, 1, slot, **SLOW, seed=7)
            await asyncio.sleep(0.2)
            for slot in ("a", "b"):
                await socket.send(json.dumps({"kind": "cancel", "slot": slot}))
            await send(socket, 2, "c", **{**QUICK, "seed": 99})
            header: dict[str, Any] = {"id": 0}
            while header["id"] != 2 or not header["done"]:
                header, _ = await receive(socket)
                # A coarse answer may have been on its way before.
                assert header["slot"] == "c" or not header["done"]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await socket.recv()

    run(work())


def test_fifty_visitors_get_the_same_answers_at_once(served: Served) -> None:
    async def one(number: int) -> bytes:
        async with connect(served.ws) as socket:
            seed = number % 5
            _, arrays = await answer(socket, number, **QUICK, seed=seed, direction="backward")
            return bytes([seed]) + arrays["states"].tobytes()

    async def work() -> list[bytes]:
        return await asyncio.gather(*map(one, range(50)))

    assert len(set(run(work()))) == 5


def test_who_leaves_in_the_middle_is_no_error(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        for seed in range(12):
            socket = await connect(served.ws, max_queue=1)
            for slot in "abcd":
                await send(socket, 1, slot, **{**QUICK, "n": 5000, "frames": 64, "seed": 100 + seed})
            await asyncio.sleep(0.02 * seed)
            socket.transport.abort()
        async with connect(served.ws) as socket:
            assert (await answer(socket, 1, **QUICK))[0]["kind"] == "path"

    run(work())
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


def test_more_slots_than_there_are_is_refused(served: Served) -> None:
    async def work() -> dict[str, Any]:
        async with connect(served.ws) as socket:
            for i in range(5):
                await send(socket, i + 1, f"slot{i}", **SLOW, seed=i)
            while True:
                header, _ = await receive(socket)
                if header["kind"] == "error":
                    return header

    header = run(work())
    assert header["field"] == "slot"
    assert header["slot"] == "slot4"


def test_a_message_too_long_ends_the_connection_that_sent_it(served: Served) -> None:
    async def work() -> int | None:
        async with connect(served.ws) as good, connect(served.ws) as bad:
            await bad.send("x" * 300_000)
            with pytest.raises(ConnectionClosed) as caught:
                await bad.recv()
            assert (await answer(good, 1, **QUICK))[0]["kind"] == "path"
            return caught.value.rcvd.code if caught.value.rcvd else None

    assert run(work()) == 1009


def test_bytes_are_refused(served: Served) -> None:
    async def work() -> int | None:
        async with connect(served.ws) as socket:
            await socket.send(b"\0\1\2")
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            return caught.value.rcvd.code if caught.value.rcvd else None

    assert run(work()) == 1003


def test_more_visitors_than_may_come_are_told_to_come_later(served: Served) -> None:
    async def work() -> int | None:
        many = [await connect(served.ws) for _ in range(served.lab.limits.visitors)]
        try:
            async with connect(served.ws) as late:
                with pytest.raises(ConnectionClosed) as caught:
                    await late.recv()
                return caught.value.rcvd.code if caught.value.rcvd else None
        finally:
            await asyncio.gather(*(socket.close() for socket in many))

    assert run(work()) == 1013


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.e"]
)
def test_another_site_cannot_connect(served: Served, origin: str) -> None:
    async def work() -> None:
        async with connect(served.ws, additional_headers={"Origin": origin}):
            pass

    with pytest.raises(InvalidStatus) as caught:
        run(work())
    assert caught.value.response.status_code == 403


def test_the_page_itself_can(served: Served) -> None:
    async def work() -> None:
        async with connect(served.ws, additional_headers={"Origin": served.http}) as socket:
            assert (await answer(socket, 1, **QUICK))[0]["kind"] == "path"

    run(work())


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.9", "a@127.0.0.1", "["])
def test_another_host_s_name_is_refused(served: Served, host: str) -> None:
    found = httpx.get(served.http, headers={"Host": host})
    assert found.status_code == 403
    assert "html" not in found.headers["content-type"]


def test_pages_come_with_a_policy(served: Served) -> None:
    found = httpx.get(served.http)
    assert found.status_code == 200
    policy = found.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    assert "unsafe-eval" not in policy
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "server" not in found.headers


def test_no_file_beside_the_page_can_be_had(served: Served) -> None:
    (served.lab.runs or pytest.fail("no folder")).joinpath("secret.txt").write_text("secret")
    for path in PATHS:
        request = httpx.Request("GET", f"{served.http}/x")
        request.url = request.url.copy_with(raw_path=f"/{path}".encode().replace(b"\0", b"%00"))
        with httpx.Client() as client:
            assert client.send(request).status_code in (400, 404), path
    assert httpx.post(served.http).status_code == 405


def test_plotly_is_the_package_s_own(served: Served) -> None:
    found = httpx.get(f"{served.http}/plotly.min.js")
    assert found.headers["content-type"].startswith("text/javascript")
    assert b"plotly.js v" in found.content[:200]


def test_hosts_and_origins_are_told_apart() -> None:
    assert host_of("LocalHost:80") == "localhost"
    assert host_of("[::1]:8177") == "::1"
    assert host_of("") == host_of("user@localhost") == host_of("[") == ""
    assert same_origin("http://localhost:8177", "localhost:8177")
    assert same_origin("http://[::1]:8177", "[::1]:8177")
    assert same_origin("https://lab.example", "lab.example:443")
    assert not same_origin("http://localhost:8178", "localhost:8177")
    assert not same_origin("http://localhost", "localhost:8177")
    assert not same_origin("file://localhost:8177", "localhost:8177")
    assert not same_origin("http://localhost:x", "localhost:8177")
