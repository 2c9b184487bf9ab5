"""Messages of every kind: what is no request is refused in one line, and nothing else happens."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unstir.lab.requests import BadRequestError, Request, parse

PATH = {"id": 1, "slot": "main", "kind": "path", "data": {"preset": "swissroll"}, "process": "edm"}
FIELD = {
    "id": 2,
    "slot": "field",
    "kind": "field",
    "data": {"points": [[0, 1]]},
    "process": "edm",
    "time": 1.0,
}
GIF = {"id": 3, "slot": "gif", "kind": "gif", "frames": ["aaaa"]}
PYTHON = {"id": 4, "slot": "python", "kind": "python", "state": {"data": {"word": "a"}, "process": "edm"}}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read(text: str | bytes) -> Request | None:
    """The request, or None where it is refused as it should be."""
    try:
        return parse(text)
    except BadRequestError as error:
        line = str(error)
        assert line
        assert "\n" not in line
        assert len(line) < 700
        return None


@settings(max_examples=100, deadline=None)
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_refused_or_read(text: str) -> None:
    read(text)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_any_json_is_refused_or_read(value: Any) -> None:  # noqa: ANN401
    read(json.dumps(value))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([PATH, FIELD, GIF, PYTHON]), st.data())
def test_a_request_with_anything_in_place_of_one_value(request_: dict[str, Any], data: st.DataObject) -> None:
    changed = json.loads(json.dumps(request_))
    place = changed
    key = data.draw(st.sampled_from(sorted(place)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(VALUES)
    read(json.dumps(changed))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"n": 0}, "n"),
        ({"n": 10**9}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": "10"}, "n"),
        ({"frames": 65}, "frames"),
        ({"seed": -1}, "seed"),
        ({"direction": "sideways"}, "direction"),
        ({"field": "neural:../x"}, "field"),
        ({"extra": 1}, "extra"),
        ({"slot": "../main"}, "slot"),
        ({"slot": "x" * 40}, "slot"),
        ({"id": -1}, "id"),
        ({"process": ""}, "process"),
        ({"process": "x" * 999}, "process"),
        ({"data": {}}, "data"),
        ({"data": {"preset": "swissroll", "word": "a"}}, "data"),
        ({"data": {"points": []}}, "data.points"),
        ({"data": {"points": [[0, 0]] * 5001}}, "data.points"),
        ({"data": {"points": [[0, 99]]}}, "data.points.0.1"),
        ({"data": {"word": "x" * 25}}, "data.word"),
    ],
)
def test_the_wrong_argument_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse(json.dumps({**PATH, **change}))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "text", ["", "[]", "17", "null", '"path"', "{", "[" * 100_000, '{"id": NaN}', "\ud800", '{"kind": "fly"}']
)
def test_what_is_no_request_is_refused(text: str) -> None:
    assert read(text) is None


def test_points_that_are_no_numbers_are_refused() -> None:
    for value in ("NaN", "Infinity", "1e999"):
        text = json.dumps({**PATH, "data": {"points": [[0, 0]]}}).replace("[0, 0]", f"[0, {value}]")
        assert read(text) is None


def test_the_key_forgets_number_and_place_alone() -> None:
    first, again = parse(json.dumps(PATH)), parse(json.dumps({**PATH, "id": 9, "slot": "other", "n": 3000}))
    assert first.key == again.key
    assert first.key != parse(json.dumps({**PATH, "seed": 1})).key
