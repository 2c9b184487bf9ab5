"""`unstir lab` as it is called."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.calling import call

from unstir.errors import InputError
from unstir.lab.serve import PORT, listening, serve


def test_the_lab_prints_its_address_answers_and_ends_with_ctrl_c() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "unstir", "lab", "--no-browser", "--port", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert address, line
        assert address[0] == f"http://127.0.0.1:{port}/"
        found = httpx.get(address[0])
        assert found.status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        rest, errors = process.communicate()
        assert rest == ""
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.wait()


def test_a_free_port_is_taken_where_the_usual_one_is_not_free() -> None:
    usual = listening("127.0.0.1", None)
    with usual, listening("127.0.0.1", None) as second:
        assert second.getsockname()[1] not in (0, usual.getsockname()[1], PORT)


def test_a_port_that_was_asked_for_and_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found, pytest.raises(InputError, match="port"):
        listening("127.0.0.1", found.getsockname()[1])


@pytest.mark.parametrize("host", ["999.1.1.1", "no.such.host.invalid", "192.0.2.1", "x" * 300, "\0"])
def test_an_address_that_cannot_be_had_is_an_error(host: str) -> None:
    with pytest.raises(InputError, match=r"host|port"):
        listening(host, 1)


def test_a_folder_of_runs_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="runs"):
        serve(runs=tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "opened"),
    [([], "runs"), (["--runs", "others"], "others"), (["--host", "0.0.0.0"], None)],  # noqa: S104
)
def test_runs_are_those_of_this_place_unless_others_may_look(
    options: list[str], opened: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path | None] = []
    monkeypatch.setattr("unstir.lab.serve.serve", lambda **given: asked.append(given["runs"]))
    monkeypatch.chdir(tmp_path)
    call("lab", *options)
    (tmp_path / "runs").mkdir()
    call("lab", *options)
    assert asked == [None if opened == "runs" else opened and Path(opened), opened and Path(opened)]
