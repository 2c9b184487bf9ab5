"""The exported page, from a server that only gives files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from unstir.lab.export import export, questions

Visit = Callable[..., Any]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("export") / "site"
    asked = [one for one in questions(("two-moons",), ("edm",), (), ()) if one.kind != "field"]
    asked = [replace(one, rest={**one.rest, "n": 50}) if "n" in one.rest else one for one in asked]
    *_, last = export(folder, asked)
    assert last.done == len(asked)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_shows_its_runs_and_no_way_to_ask_for_others(visit: Visit, site: str) -> None:
    seat = visit(at=f"{site}#data=two-moons&process=edm")
    assert seat.page.get_by_role("button", name="Draw").is_hidden()
    assert seat.seen().std() > 1


def test_a_lab_that_computes_offers_them(visit: Visit) -> None:
    assert visit("#n=100").page.get_by_role("button", name="Draw").is_visible()
