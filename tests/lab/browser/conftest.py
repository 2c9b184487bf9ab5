"""One server and one browser for all of these tests; without Chromium they are skipped."""

from __future__ import annotations

import io
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

import unstir
from unstir.lab.app import create_app
from unstir.lab.context import Lab

api = pytest.importorskip("playwright.sync_api", reason="the lab's page is tested with playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
Pixels = np.ndarray[Any, Any]
PATIENCE = 60_000  # milliseconds: machines may be busy
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 360, "height": 740}


class Server:
    """The lab, which can go away and come back under the same address."""

    def __init__(self, runs: Path | None = None) -> None:
        self.runs = runs
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = int(found.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._others: set[threading.Thread] = set()

    def start(self) -> None:
        config = uvicorn.Config(
            create_app(Lab(runs=self.runs)),
            host="127.0.0.1",
            port=self.port,
            log_level="error",
            ws_max_size=2**23,
            timeout_graceful_shutdown=1,
        )
        # Another server of the same tests may be up, whose threads go on.
        self._others = set(threading.enumerate())
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join(30)
        for thread in set(threading.enumerate()) - self._others:
            if thread.name.startswith("lab-"):  # work that was dropped may still be in the middle of a step
                thread.join(10)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    runs = tmp_path_factory.mktemp("lab") / "runs"
    small = {"width": 16, "depth": 1}
    unstir.fit(
        "edm", "digits", steps=4, network="mlp", network_options=small, sketch=2, out=runs / "small-digits"
    )
    server = Server(runs)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[api.Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt install chromium")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        yield found
        found.close()


class Seat:
    """One page, and what a person sees of it."""

    def __init__(self, page: api.Page) -> None:
        self.page = page

    def settle(self, plates: int = 2) -> None:
        """Wait until all plates show what was asked for."""
        page = self.page
        ready = page.locator(".panel[data-ready]:not([data-busy])")
        api.expect(ready).to_have_count(plates, timeout=PATIENCE)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def seen(self, plate: str = "forward", number: int = 0) -> Pixels:
        """The pixels of a plate."""
        shot = self.page.locator(f".panel.{plate} .plate").nth(number).screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)

    @property
    def times(self) -> list[str]:
        """As they stand over the plates."""
        return self.page.locator(".panel .time").all_text_contents()

    def told(self, key: str) -> str | None:
        """What the link says of a key, once it has settled."""
        self.page.wait_for_timeout(350)
        found = re.search(rf"[#&]{key}=([^&]*)", self.page.url)
        return found[1] if found else None


@pytest.fixture
def visit(browser: api.Browser, lab: Server) -> Iterator[Callable[..., Seat]]:
    """Opens pages, each in a fresh context, and holds them to silence at the end: no error, no stranger."""
    contexts, said = list[api.BrowserContext](), list[str]()

    def opened(
        place: str = "",
        *,
        narrow: bool = False,
        dark: bool = False,
        motion: bool = False,
        ready: bool = True,
        quiet: bool = True,
        at: str | None = None,
        before: str = "",
    ) -> Seat:
        context = browser.new_context(
            viewport=NARROW if narrow else WIDE,
            color_scheme="dark" if dark else "light",
            reduced_motion="no-preference" if motion else "reduce",
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        if quiet:
            page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: None if _ours(asked.url, lab, at) else said.append(asked.url))
        if before:
            page.add_init_script(before)
        page.goto(at if at is not None else lab.url + place)
        seat = Seat(page)
        if ready:
            seat.settle()
        return seat

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def _ours(url: str, lab: Server, at: str | None) -> bool:
    site = (at or lab.url).partition("#")[0]
    return url.startswith((site, lab.url, f"ws://127.0.0.1:{lab.port}/", "blob:", "data:"))
