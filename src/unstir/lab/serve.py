"""Serving: a socket, the application on it, and the browser that opens once the first answer is ready."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from unstir.errors import InputError
from unstir.lab.app import LOOPBACK, create_app
from unstir.lab.context import Context, Lab
from unstir.lab.requests import parse

PORT = 8177
FIRST = '{"id": 0, "slot": "main", "kind": "path", "data": {"preset": "swissroll"}, "process": "poisson:D=1"}'


def listening(host: str, port: int | None) -> socket.socket:
    """A socket on the port, or on any free one where none was asked for and the usual is taken.

    Raises:
        InputError: the port, or the address, cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"host={host}: is no address of this machine; leave it out, or give 0.0.0.0"
        ) from error
    for number in (PORT, 0) if port is None else (port,):
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, number))
            found.listen(128)
        except OSError as error:
            found.close()
            reason = error.strerror or str(error)
        else:
            return found
    raise InputError(
        f"port={port if port is not None else PORT}: cannot be had on {host} ({reason}); give another"
    )


def warm(lab: Lab) -> None:
    """Import what answers need, and make what the page asks for first."""
    context = Context(lab)
    for text in ('{"id": 0, "slot": "main", "kind": "hello"}', FIRST):
        for _ in parse(text).answer(context):
            pass


def configuration(app: ASGIApp, lab: Lab) -> uvicorn.Config:
    """How an application of the lab is served: quiet, and within the lab's limits."""
    return uvicorn.Config(
        app,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=lab.limits.message,
        ws_max_queue=4,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
    )


class _Server(uvicorn.Server):
    """Says when it is up."""

    def __init__(self, config: uvicorn.Config, up: Callable[[], None]) -> None:
        super().__init__(config)
        self._up = up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up()


def serve(
    *,
    host: str = LOOPBACK[1],
    port: int | None = None,
    browser: bool = True,
    runs: Path | None = None,
    say: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the lab until it is interrupted.

    Args:
        host: an address of this machine; others than loopback let other machines in.
        port: by default the usual one, or any that is free.
        browser: whether to open one.
        runs: the folder whose trained runs may be opened.
        say: is told the page's address, once it answers.

    Raises:
        InputError: a port or address that cannot be had, or a folder that is none.
    """
    if runs is not None and not runs.is_dir():
        raise InputError(f"runs={runs}: is no folder; give the one that runs were written to")
    found = listening(host, port)
    address, number = found.getsockname()[:2]
    wide = address in ("0.0.0.0", "::")  # noqa: S104  # asked for by the user
    shown = "localhost" if wide else f"[{address}]" if ":" in address else address
    url = f"http://{shown}:{number}/"
    lab = Lab(runs.resolve() if runs is not None else None)
    names = {*LOOPBACK, host, address} | ({socket.gethostname()} if wide else set())
    app = create_app(lab, names, addresses=wide)
    warm(lab)

    def up() -> None:
        say(url)
        if browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(found):
        asyncio.run(_Server(configuration(app, lab), up).serve(sockets=[found]))
