"""Requests: what the page may ask for, one class a kind, in a closed registry.

    {"id": 17, "slot": "main", "kind": "path", ...}

A request is read strictly: a key too many, a wrong type or a number out of bounds is an error that names it.
Its `answer` is a generator of stages, coarse first. It runs in a thread of the pool, from one `yield` to the
next, and maybe the next part in another thread: hold no lock and no torch context over a `yield`.
"""

from __future__ import annotations

import importlib
import json
from abc import abstractmethod
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unstir.errors import InputError, mended
from unstir.lab.answer import Answer
from unstir.lab.context import Context

Slot = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Number = Annotated[int, Field(ge=0, le=2**53 - 1)]

_LINE, _NAME = 400, 80  # letters of an error, and of the argument that it names

# kind: module and class. A new kind is a new file and a line here.
_KINDS = {
    "hello": "unstir.lab.hello:Hello",
    "path": "unstir.lab.path:Path",
    "field": "unstir.lab.field:FieldAt",
    "python": "unstir.lab.script:Python",
    "gif": "unstir.lab.gif:Gif",
    "cancel": "unstir.lab.requests:Cancel",
    "assume": "unstir.lab.topics.assume:Assume",
    "born": "unstir.lab.topics.born:Born",
    "coins": "unstir.lab.topics.coins:Coins",
    "entropy": "unstir.lab.topics.entropy:Entropy",
    "equation": "unstir.lab.topics.equation:Equation",
    "hemisphere": "unstir.lab.topics.hemisphere:Hemisphere",
    "rod": "unstir.lab.topics.rod:Rod",
    "run": "unstir.lab.topics.runs:RunInfo",
    "tails": "unstir.lab.topics.tails:Tails",
    "train": "unstir.lab.topics.train:Train",
}


class BadRequestError(InputError):
    """A message that is no request.

    Attributes:
        field: the argument that is wrong, where one is.
        id, slot: of the request, where they could be read.
    """

    def __init__(self, text: str, field: str | None = None, given: object = None) -> None:
        super().__init__(" ".join(text.split())[:_LINE])
        given = given if isinstance(given, dict) else {}
        number, slot = given.get("id"), given.get("slot")
        self.field = None if field is None else " ".join(field.split())[:_NAME]
        self.id = number if type(number) is int and 0 <= number < 2**53 else None
        self.slot = slot if isinstance(slot, str) and len(slot) <= 32 else None


class Request(BaseModel):
    """What one kind of request holds, and how it is answered.

    Attributes:
        id: grows with every request of a page.
        slot: the place on the page that the answer is for; a newer request there takes the older one's place.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    id: Number
    slot: Slot
    kind: str

    @abstractmethod
    def answer(self, context: Context) -> Iterator[Answer]:
        """The stages, coarse first; the last of them has `done`.

        Raises:
            InputError: arguments that do not go together.
        """

    @property
    def lasting(self) -> bool:
        """Whether the answer is the same for everybody whenever it is asked for, and so may be kept."""
        return False

    @property
    def key(self) -> str:
        """The request without its number and place: equal for equal questions."""
        return json.dumps(self.model_dump(exclude={"id", "slot"}), sort_keys=True, separators=(",", ":"))


class Cancel(Request):
    """Nobody waits any more for what a slot was last asked; it has no answer."""

    id: Number = 0
    kind: Literal["cancel"]

    def answer(self, context: Context) -> Iterator[Answer]:
        yield from ()


@cache
def kind_of(name: str) -> type[Request]:
    """The class of a kind that is in the registry."""
    module, _, attribute = _KINDS[name].partition(":")
    found: type[Request] = getattr(importlib.import_module(module), attribute)
    return found


def parse(text: str | bytes) -> Request:
    """Read one message.

    Raises:
        BadRequestError: it is no request; the line says what is wrong.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("message: is no JSON; send one object with id, slot and kind") from error
    if not isinstance(given, dict):
        raise BadRequestError("message: is no object; send one with id, slot and kind")
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        shown = repr(kind)[:60]
        raise BadRequestError(f"kind={shown}: is not known; give one of {', '.join(_KINDS)}", "kind", given)
    try:
        return kind_of(kind).model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "request"
        raise BadRequestError(f"{where}: {_wrong(first)}", where, given) from error


def _wrong(error: Any) -> str:  # noqa: ANN401  # pydantic's own mapping
    message = mended(str(error["msg"]).removeprefix("Value error, "))
    value = error.get("input")
    shown = repr(value) if isinstance(value, str | int | float | bool) else ""
    return f"{message} (given {shown[:60]})" if shown and error["type"] != "value_error" else message
