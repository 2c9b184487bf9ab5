"""A server of the lab on a free port, for the tests that speak to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import uvicorn

from unstir.lab.app import create_app
from unstir.lab.context import Lab
from unstir.lab.limits import Limits
from unstir.lab.serve import configuration


@dataclass
class Served:
    """A lab that answers."""

    port: int
    lab: Lab

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With narrow limits, so that they are soon reached."""
    lab = Lab(tmp_path_factory.mktemp("runs"), Limits(slots=4, visitors=60, message=200_000))
    found = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configuration(create_app(lab), lab))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [found]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield Served(found.getsockname()[1], lab)
    server.should_exit = True
    thread.join(10)
    found.close()
