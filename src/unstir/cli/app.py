"""The application: options of every verb, and what becomes of errors."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from unstir.cli.console import complain, out, say
from unstir.errors import InputError, mended

app = typer.Typer(
    name="unstir",
    help="Physics-inspired generative models: train, sample, compare. Start with: unstir train --data digits",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Arguments that typer refuses; its own name for this class has changed with its versions.
_RefusedArgument: type[Exception] = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command line. `--debug` anywhere shows tracebacks."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ↓ or ×
    try:
        status = app(arguments or ["--help"], prog_name="unstir", standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        if debug:
            raise
        complain(error)
        status = 2
    except BrokenPipeError:
        status = 1  # the reader, such as `head`, has seen enough
        _forget_output()
    except OSError as error:
        if debug:
            raise
        say(("error:", "bold red"), f" {error.filename or 'output'}: {error.strerror or error}")
        status = 2
        _forget_output()
    except _RefusedArgument as error:
        say(("error:", "bold red"), f" {_refusal(error, arguments)}")
        status = 2
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    if status == 130:
        say("stopped")
    sys.exit(status or 0)


def _forget_output() -> None:
    """Drop what standard output did not take, such as a full disk: Python would try again, and complain."""
    with contextlib.suppress(OSError, ValueError):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refusal(error: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401  # typer's, of no public name
    """What is wrong with the arguments, with the value where the message does not name it."""
    message = error.format_message().rstrip(".")
    told = re.fullmatch(r"Invalid value for '.*?': (.*)", message, re.DOTALL)
    if told is not None:
        message = f"{_asked(error, arguments)}: {mended(told[1])}"
    command = error.ctx.command_path if getattr(error, "ctx", None) else "unstir"
    return f"{message}; see {command} --help"


def _asked(error: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401
    """The option that is refused, with its value where that can be told."""
    names: Sequence[str] = getattr(getattr(error, "param", None), "opts", ())
    for argument, following in itertools.pairwise([*arguments, ""]):
        for name in names:
            short = len(name) == 2 and argument.startswith(name)
            if argument == name and following:
                return f"{name}={following}"
            if argument.startswith(f"{name}=") or (short and argument != name):
                return f"{name}={argument.removeprefix(name).removeprefix('=')}"
    return names[-1] if names else "option"


def _version(wanted: bool) -> None:
    if wanted:
        from unstir import __version__

        out.print(f"unstir {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Options of every command."""
