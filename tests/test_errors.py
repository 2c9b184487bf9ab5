"""What libraries say of a value, put into our words; and that no option with a bound lets theirs through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_type_hints

import pytest
from pydantic import BaseModel, Field, ValidationError
from tests.calling import call

from unstir.cli import app
from unstir.errors import mended


class Bounded(BaseModel):
    """A value of each kind that is bounded somewhere."""

    least: int = Field(1, ge=1)
    above: float = Field(1, gt=0)
    most: int = Field(1, le=8)
    below: float = Field(0, lt=0.5)
    finite: float = Field(0, allow_inf_nan=False)
    flag: bool = True
    text: str = ""
    one: Literal["a", "b", "c"] = "a"


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("least", 0, "give 1 or more"),
        ("least", 2.5, "give a whole number"),
        ("least", "x", "give a whole number"),
        ("above", 0, "give more than 0"),
        ("above", "x", "give a number"),
        ("most", 9, "give 8 or less"),
        ("below", 1, "give less than 0.5"),
        ("finite", float("inf"), "give a finite number"),
        ("flag", "x", "give true or false"),
        ("text", 3, "give a text"),
        ("one", "d", "give a, b or c"),
    ],
)
def test_pydantic(name: str, value: object, mend: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Bounded(**{name: value})  # type: ignore[arg-type]
    assert mended(caught.value.errors()[0]["msg"]) == mend


@pytest.mark.parametrize(
    ("message", "mend"),
    [
        ("0 is not in the range x>=1.", "give 1 or more"),
        ("9 is not in the range 0<=x<=8.", "give 0 to 8"),
        ("'x' is not a valid integer.", "give a whole number"),
        ("'x' is not a valid float.", "give a number"),
        ("some other thing.", "some other thing"),
    ],
)
def test_click_and_others(message: str, mend: str) -> None:
    assert mended(message) == mend


def bounded_options() -> Iterator[tuple[str, str, int]]:
    """Verb, option and least value, of every option with one."""
    for command in app.registered_commands:
        callback: Callable[..., Any] = command.callback or (lambda: None)
        for name, hint in get_type_hints(callback, include_extras=True).items():
            for said in get_args(hint)[1:] if get_type_hints(callback)[name] is not hint else ():
                if (least := getattr(said, "min", None)) is not None:
                    declared = [said.default] if isinstance(said.default, str) else []
                    named = [*declared, *(said.param_decls or ())] or [f"--{name.replace('_', '-')}"]
                    yield command.name or callback.__name__, named[0], least


def test_every_bound_of_the_command_line_is_told_in_our_words() -> None:
    options = list(bounded_options())
    assert ("sample", "-n", 1) in options
    assert ("edit", "--frames", 2) in options
    assert len(options) > 20
    for verb, option, least in options:
        told = f"error: {option}={least - 1}: give {least} or more; see unstir {verb} --help"
        assert call(verb, option, least - 1).refusal == told


def test_a_value_that_is_part_of_the_bound() -> None:
    # A hint that named the value only where the message had no such digits would leave this one out.
    assert "-n=2: give 20 or more" in call("evaluate", "-n2").refusal
