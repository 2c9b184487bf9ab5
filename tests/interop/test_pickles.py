"""Hostile pickles: refused by name, without anything being executed, within bounds of memory."""

from __future__ import annotations

import io
import os
import pickle
import resource
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unstir.errors import InputError
from unstir.interop import read_weights
from unstir.interop.storages import View, read_pickle

Refused = Callable[..., str]


class Call:
    """Pickles as a call of anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401
        self.called = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.called


@pytest.fixture(autouse=True)
def _nothing_is_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A call of the system leaves a file behind, and fails the test."""
    trace = tmp_path / "executed"
    monkeypatch.setenv("TRACE", str(trace))
    yield
    assert not trace.exists()


def written(content: bytes, folder: Path) -> Path:
    path = folder / "file.pkl"
    path.write_bytes(content)
    return path


COMMAND = 'touch "$TRACE"'
CALLS = {
    "os.system": Call(os.system, COMMAND),
    "builtins.eval": Call(eval, "__import__('os').system('touch \"$TRACE\"')"),
    "builtins.exec": Call(exec, "import os; os.system('touch \"$TRACE\"')"),
    "builtins.getattr": Call(getattr, os, "system"),
    "builtins.__import__": Call(__import__, "os"),
    "torch.serialization.load": Call(torch.load, "file"),
    "io.open": Call(open, "file", "w"),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "builtins.exec", "builtins.__import__"])
def test_calls_are_refused_by_name(name: str, protocol: int, tmp_path: Path, refused: Refused) -> None:
    hostile = CALLS[name]
    spelt = name.replace("os.", os.system.__module__ + ".")
    old = spelt.replace("builtins", "__builtin__") if protocol < 3 else spelt
    for value in (hostile, {"ema": hostile}, [torch.ones(2), hostile], (1, (2, (3, hostile)))):
        path = written(pickle.dumps(value, protocol=protocol), tmp_path)
        for read in (read_weights, read_pickle):
            message = refused(read, path)
            assert old in message, message
            assert "nothing in it was executed" in message


def test_calls_hide_nowhere(tmp_path: Path, refused: Refused) -> None:
    """Within a storage's bytes, a file of torch.save of either form, a record's source, a persistent id."""
    inner = pickle.dumps(CALLS["os.system"])
    nested = Call(torch.storage._load_from_bytes, inner)
    assert "posix.system" in refused(read_pickle, written(pickle.dumps({"a": nested}), tmp_path))
    for new in (True, False):
        torch.save({"a": CALLS["os.system"]}, tmp_path / "t.pt", _use_new_zipfile_serialization=new)
        assert "posix.system" in refused(read_pickle, tmp_path / "t.pt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "t.pt", weights_only=True)
    assert "opcode INST" in refused(read_pickle, written(b"(S'touch x'\nios\nsystem\n.", tmp_path))
    assert "opcode OBJ" in refused(read_pickle, written(b"(ccollections\nOrderedDict\no.", tmp_path))
    assert "opcode PERSID" in refused(read_pickle, written(b"Pos.system\n.", tmp_path))
    assert "opcode EXT1" in refused(read_pickle, written(b"\x80\x02\x82\x01.", tmp_path))
    assert "refers to what lies outside" in refused(read_pickle, written(b"\x80\x02K\x01Q.", tmp_path))
    assert "'os.system'" in refused(read_pickle, written(b"\x80\x04\x8c\x02os\x8c\x06system\x93.", tmp_path))
    known = b"\x80\x04\x8c\x05torch\x8c\x0cFloatStorage\x93"
    assert "calls 'torch.FloatStorage'" in refused(read_pickle, written(known + b")R.", tmp_path))
    assert "makes 'torch.FloatStorage'" in refused(read_pickle, written(known + b")\x81.", tmp_path))
    assert "calls a str" in refused(read_pickle, written(b"\x80\x04\x8c\x09os.system)R.", tmp_path))
    assert "opcode NEWOBJ_EX" in refused(read_pickle, written(known + b")}\x92.", tmp_path))
    wrapped = b"\x80\x02cos\nsystem.\n."  # a name with dots is no way around the table
    assert "os.system" in refused(read_pickle, written(wrapped, tmp_path))


def test_lengths_are_not_believed(tmp_path: Path, refused: Refused) -> None:
    """A few bytes that claim many: refused, and no memory is taken for them."""
    limit = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    huge = (
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",  # bytes
        b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",  # text
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",  # a number
        b"\x80\x04]r" + struct.pack("<I", 2**32 - 1) + b"\x85.",  # a place in the memo
        b"\x80\x04j" + struct.pack("<I", 2**32 - 1) + b".",
        b"I" + b"9" * 100_000 + b"\n.",
    )
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, limit[1]))
    try:
        for content in huge[:3] + huge[4:]:
            assert "is no whole pickle" in refused(read_pickle, written(content, tmp_path))
        assert read_pickle(written(huge[3], tmp_path)) == ([],)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)


def test_depth_and_laughs_do_no_harm(tmp_path: Path, refused: Refused) -> None:
    deep = b"\x80\x04]" + 100_000 * b"\x85" + b"."  # a tuple in a tuple in …
    assert isinstance(read_pickle(written(deep, tmp_path)), tuple)
    assert "holds a tuple, and no network" in refused(read_weights, tmp_path / "file.pkl")
    key = b"\x80\x04})" + 100_000 * b"\x85" + b"K\x01s."  # as a key, whose hash would go down it
    assert "a tuple is a key" in refused(read_pickle, written(key, tmp_path))
    laughs = b"\x80\x04)" + 60 * b"2\x86" + b"."  # pairs of the same: 2⁶⁰ leaves
    assert len(read_pickle(written(laughs, tmp_path))) == 2
    marks = b"\x80\x04" + 200_000 * b"(" + b"."
    assert "is too long" in refused(read_pickle, written(marks, tmp_path))
    stack = b"\x80\x04" + 200_000 * b"N" + b"."
    assert "is too long" in refused(read_pickle, written(stack, tmp_path))
    loop = b"\x80\x04]\x94h\x00a."  # a list within itself
    found = read_pickle(written(loop, tmp_path))
    assert found[0] is found


def test_too_many_steps_and_bytes(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    from unstir.interop import pickles, storages

    monkeypatch.setattr(pickles, "MOST", 1000)
    assert "is too long" in refused(read_pickle, written(b"\x80\x04" + 600 * b"N0" + b"N.", tmp_path))
    monkeypatch.setattr(storages, "LARGEST", 1000)
    assert "has 5,000 bytes" in refused(read_pickle, written(bytes(5000), tmp_path))


def test_zips_that_are_no_files_of_torch(tmp_path: Path, refused: Refused) -> None:
    def archived(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(tmp_path / "a.pt", "w", method) as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        return tmp_path / "a.pt"

    bomb = {"a/data.pkl": pickle.dumps(1), "a/data/0": bytes(10**7)}
    assert "nothing compressed" in refused(read_pickle, archived(bomb, zipfile.ZIP_DEFLATED))
    assert "one data.pkl" in refused(read_pickle, archived({"a/b": b""}))
    assert "another byte order" in refused(read_pickle, archived({"data.pkl": b"N.", "byteorder": b"big"}))
    reference = b"\x80\x04(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x04tQ."
    assert "lacks the storage '0'" in refused(read_pickle, archived({"data.pkl": reference}))
    assert read_pickle(archived({"data.pkl": reference, "data/0": bytes(16)})).values().shape == (4,)
    short = read_pickle(archived({"data.pkl": reference, "data/0": bytes(15)}))
    with pytest.raises(ValueError, match="15 bytes for 4 numbers"):
        short.values()


def test_what_is_good_is_read(tmp_path: Path) -> None:
    """Every kind of value, in every protocol, equals what Python's own reader makes of it."""
    values = {
        "numbers": [1, -5, 2**70, 1.5, True, None],
        "texts": ("a", "ü" * 300, b"bytes", b"", b"\x00\xff" * 200),
        "sets": [{1, 2}, frozenset({"a"})],
        "array": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "big": np.arange(3, dtype=">i4"),
        "scalar": np.float64(0.1),
        "empty": [{}, [], ()],
    }
    for protocol in range(2, 6):
        found = read_pickle(written(pickle.dumps(values, protocol=protocol), tmp_path))
        for name in ("numbers", "texts", "empty", "scalar"):
            assert found[name] == values[name]
        assert [set(one) for one in found["sets"]] == [{1, 2}, {"a"}]
        assert np.array_equal(found["array"].numpy(), values["array"])
        assert found["big"].tolist() == [0, 1, 2]
    tensors = {
        "view": torch.arange(24.0).reshape(4, 6)[1:, ::2],
        "half": torch.ones(3).half(),
        "brain": torch.tensor([1.5, -2]).bfloat16(),
        "long": torch.tensor([[2**40]]),
        "none": torch.empty(0, 3),
        "one": torch.tensor(7.0),
        "parameter": torch.nn.Parameter(torch.eye(2)),
    }
    for path in (written(pickle.dumps(tensors), tmp_path), tmp_path / "new.pt", tmp_path / "old.pt"):
        if path.suffix == ".pt":
            torch.save(tensors, path, _use_new_zipfile_serialization=path.stem == "new")
        found = read_pickle(path)
        for name, value in tensors.items():
            assert isinstance(found[name], View)
            ours = found[name].tensor()
            assert ours.dtype == value.dtype
            assert torch.equal(ours, value.detach())


def told(read: Callable[[Path], object], path: Path) -> str:
    """The message of an InputError, or nothing; any other error fails the test."""
    try:
        read(path)
    except InputError as error:
        return str(error)
    return ""


LITTLE = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
OPCODES = b"()]}abcdeghjlpqrstuN0123IFKMJX\x80\x81\x85\x86\x87\x88\x8c\x8e\x8f\x90\x91\x92\x93\x94\x95Q."


@settings(max_examples=150, **LITTLE)  # type: ignore[arg-type]
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
    form=st.sampled_from(range(3)),
)
def test_damage_is_an_input_error(changes: list[tuple[int, int]], form: int, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    if form:
        torch.save({"a": torch.arange(4.0)}, buffer, _use_new_zipfile_serialization=form == 1)
    else:
        pickle.dump({"a": torch.arange(4.0), "b": [np.ones(2), {"c": "d"}]}, buffer)
    content = bytearray(buffer.getvalue())
    for place, value in changes:
        content[place % len(content)] = value
    path = written(bytes(content), tmp_path)
    assert (told(read_pickle, path) or "read").isprintable()
    assert told(read_weights, path).isprintable()  # there is no network in it


@settings(max_examples=300, **LITTLE)  # type: ignore[arg-type]
@given(opcodes=st.lists(st.sampled_from([bytes([code]) for code in OPCODES]), max_size=40))
def test_any_program_ends(opcodes: list[bytes], tmp_path: Path) -> None:
    path = written(b"\x80\x04" + b"".join(opcodes) + b".", tmp_path)
    assert (told(read_pickle, path) or "read").isprintable()
