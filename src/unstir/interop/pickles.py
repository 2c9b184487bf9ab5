"""A reader of pickles that executes nothing: a small machine over the opcodes, and a closed table of names.

A pickle is a program for a stack. Python's own reader imports what it names and calls it; this one knows a
table of names, each with a constructor of its own, and refuses every other by name. Objects become inert
`Record`s: a class's name and its state. What such a program can do here is to fill memory, and it cannot do
that: the file's size is bounded, opcodes are counted, no length in the file is believed before its bytes are
there, and keys are plain, so that no hash runs through nested values.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from unstir.data.wording import quoted, reason
from unstir.errors import InputError

LARGEST = 4 * 2**30  # bytes of a file
MOST = 5_000_000  # opcodes of a pickle
_TALLEST = 100_000  # values on the stack, and marks
_PLAIN = (str, int, float, bool, bytes, type(None))

Build = Callable[..., Any]
Persistent = Callable[[Any], Any]


@dataclass(frozen=True)
class Name:
    """A name that a pickle gives, of the table: nothing was imported for it."""

    module: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        """In tables."""
        return self.module, self.name


@dataclass(eq=False)
class Record:
    """An object that was not made: its class's name, and the state that it would have had."""

    kind: str
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Names:
    """All that pickles of one family may name.

    Attributes:
        calls: constructors of ours, by the name that a pickle calls.
        classes: names of which objects may be made, each a `Record`, or what the call given here makes.
        values: names that stand for themselves, as arguments of the others.
    """

    calls: Mapping[tuple[str, str], Build]
    classes: Mapping[tuple[str, str], Build | None]
    values: frozenset[tuple[str, str]]

    def __contains__(self, key: object) -> bool:
        return key in self.calls or key in self.classes or key in self.values


class Machine:
    """Reads one pickle.

    Args:
        what: the file, as errors name it.
        names: the table.
        persistent: what stands for a persistent id, or None where there are none.
    """

    def __init__(self, what: str, names: Names, persistent: Persistent | None = None) -> None:
        self.what = what
        self.names = names
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def load(self, stream: BinaryIO) -> Any:  # noqa: ANN401
        """The value of the pickle that `stream` stands at; afterwards it stands behind it.

        Raises:
            InputError: a name that is not of the table, or no whole pickle.
        """
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
                if count > MOST or len(self.stack) > _TALLEST or len(self.marks) > _TALLEST:
                    raise InputError(f"{self.what}: its pickle is too long; networks take far fewer steps")
                if opcode.name == "STOP":
                    (value,) = self.stack
                    return value
                self._do(opcode.name, argument)
        except InputError:
            raise
        except Exception as error:  # opcodes cut short, and whatever a constructor of ours refuses
            raise InputError(f"{self.what}: is no whole pickle ({reason(error)})") from None
        raise InputError(f"{self.what}: is no whole pickle (it has no end)")

    def _do(self, name: str, argument: Any) -> None:  # noqa: ANN401
        if name in _ARGUMENTS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _MADE_OF_MARKED:
            self.stack.append(_MADE_OF_MARKED[name](self._marked()))
        elif name in _TUPLES:
            size = _TUPLES[name]
            self._need(size)
            self.stack[-size:] = [tuple(self.stack[-size:])]
        else:
            method = _METHODS.get(name)
            if method is None:
                raise InputError(f"{self.what}: has the opcode {name}, which no pickle of a network needs")
            method(self, argument)

    def _need(self, size: int) -> None:
        floor = self.marks[-1] if self.marks else 0
        if len(self.stack) - floor < size:
            raise ValueError("its stack is empty")

    def _pop(self) -> Any:  # noqa: ANN401
        self._need(1)
        return self.stack.pop()

    def _marked(self) -> list[Any]:
        """What lies above the last mark, which is taken off."""
        at = self.marks.pop()
        values = self.stack[at:]
        del self.stack[at:]
        return values

    def _name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._known(module, name)

    def _stack_name(self, _: object) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a name is no text")
        self._known(module, name)

    def _known(self, module: str, name: str) -> None:
        if (module, name) not in self.names:
            raise InputError(
                f"{self.what}: names {quoted(f'{module}.{name}')}, which no pickle of a network needs; "
                "nothing in it was executed"
            )
        self.stack.append(Name(module, name))

    def _reduce(self, _: object) -> None:
        arguments, called = self._pop(), self._pop()
        build = self.names.calls.get(called.key) if isinstance(called, Name) else None
        if build is None or not isinstance(arguments, tuple):
            raise InputError(f"{self.what}: calls {_told(called)}, which no pickle of a network does")
        self.stack.append(build(*arguments))

    def _new(self, _: object) -> None:
        arguments, made = self._pop(), self._pop()
        if not isinstance(made, Name) or made.key not in self.names.classes or arguments != ():
            raise InputError(f"{self.what}: makes {_told(made)}, which no pickle of a network does")
        build = self.names.classes[made.key]
        self.stack.append(Record(made.name) if build is None else build())

    def _build(self, _: object) -> None:
        state = self._pop()
        self._need(1)
        target = self.stack[-1]
        if isinstance(target, Record):
            if not isinstance(state, dict):
                raise TypeError(f"the state of {target.kind} is no mapping")
            target.state.update(state)
        elif hasattr(target, "take_state"):
            self.stack[-1] = self._replaced(target, target.take_state(state))
        elif not isinstance(target, dict):  # what a dict has beside its items is of no use
            raise TypeError(f"a {type(target).__name__} takes no state")

    def _replaced(self, old: object, new: Any) -> Any:  # noqa: ANN401
        for index, value in self.memo.items():
            if value is old:
                self.memo[index] = new
        return new

    def _append(self, _: object) -> None:
        self._extend([self._pop()])

    def _appends(self, _: object) -> None:
        self._extend(self._marked())

    def _extend(self, values: list[Any]) -> None:
        self._need(1)
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError(f"a {type(target).__name__} is no list")
        target.extend(values)

    def _item(self, _: object) -> None:
        value, key = self._pop(), self._pop()
        self._fill([key, value])

    def _items(self, _: object) -> None:
        self._fill(self._marked())

    def _fill(self, values: list[Any]) -> None:
        self._need(1)
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError(f"a {type(target).__name__} is no mapping")
        target.update(_mapping(values))

    def _add(self, _: object) -> None:
        values = self._marked()
        self._need(1)
        if not isinstance(self.stack[-1], set):
            raise TypeError(f"a {type(self.stack[-1]).__name__} is no set")
        self.stack[-1].update(map(plain_key, values))

    def _put(self, index: int) -> None:
        self._need(1)
        self.memo[index] = self.stack[-1]

    def _memoize(self, _: object) -> None:
        self._put(len(self.memo))

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def _mark(self, _: object) -> None:
        self.marks.append(len(self.stack))

    def _pop_mark(self, _: object) -> None:
        self._marked()

    def _drop(self, _: object) -> None:
        self._pop()

    def _duplicate(self, _: object) -> None:
        self._need(1)
        self.stack.append(self.stack[-1])

    def _persistent(self, _: object) -> None:
        if self.persistent is None:
            raise InputError(f"{self.what}: refers to what lies outside it; give a file of torch.save whole")
        self.stack.append(self.persistent(self._pop()))

    def _nothing(self, _: object) -> None:
        return


def _told(value: Any) -> str:  # noqa: ANN401
    """A value that was called, which may be anything: nothing of it is written out but a name."""
    return quoted(f"{value.module}.{value.name}") if isinstance(value, Name) else f"a {type(value).__name__}"


def plain_key(value: Any) -> Hashable:  # noqa: ANN401
    """A value that may be a key: no hash of it runs through others.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, _PLAIN):
        raise TypeError(f"a {type(value).__name__} is a key")
    return value


def _mapping(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise ValueError("a mapping has a key without a value")
    return {plain_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


def _set(values: list[Any]) -> frozenset[Any]:
    return frozenset(map(plain_key, values))


_ARGUMENTS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_MADE_OF_MARKED: dict[str, Callable[[list[Any]], Any]] = {
    "LIST": list,
    "TUPLE": tuple,
    "DICT": _mapping,
    "FROZENSET": _set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_METHODS: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": Machine._nothing,
    "FRAME": Machine._nothing,
    "MARK": Machine._mark,
    "POP": Machine._drop,
    "POP_MARK": Machine._pop_mark,
    "DUP": Machine._duplicate,
    "PUT": Machine._put,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "MEMOIZE": Machine._memoize,
    "GET": Machine._get,
    "BINGET": Machine._get,
    "LONG_BINGET": Machine._get,
    "APPEND": Machine._append,
    "APPENDS": Machine._appends,
    "SETITEM": Machine._item,
    "SETITEMS": Machine._items,
    "ADDITEMS": Machine._add,
    "GLOBAL": Machine._name,
    "STACK_GLOBAL": Machine._stack_name,
    "REDUCE": Machine._reduce,
    "NEWOBJ": Machine._new,
    "BUILD": Machine._build,
    "BINPERSID": Machine._persistent,
}
