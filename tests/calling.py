"""The command line called within the tests' own process, and scripts in processes of their own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from unstir import cli
from unstir.errors import InputError


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one line with which bad input is refused."""
        assert self.status == 2, self.err
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].isprintable()
        assert lines[0].startswith("error: ")
        return lines[0]


def call(*arguments: object, out: io.StringIO | None = None) -> Said:
    """Call a command as a shell does, with its own last words; `out` takes what it prints."""
    out, err = out or io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["unstir", *map(str, arguments)])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert isinstance(end.value.code, int)
    return Said(end.value.code, out.getvalue(), err.getvalue())


def printed(*arguments: object, status: int = 0) -> str:
    """What a command that ends with this status prints on standard output.

    Raises:
        InputError: as the command does.
    """
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.stdout


def run_script(path: Path, *arguments: object, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """A script that has ended well in a process of its own, with one thread."""
    done = subprocess.run(
        [sys.executable, str(path), *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
