"""JSON that every reader takes."""

from __future__ import annotations

import json

from unstir.train.storage import json_text


def test_json_is_strict() -> None:
    value = {"a": [1.5, float("nan"), (float("-inf"), None)], "b": {"c": float("inf"), "d": "NaN"}}
    assert json.loads(json_text(value)) == {"a": [1.5, None, [None, None]], "b": {"c": None, "d": "NaN"}}
    assert "NaN" not in json_text({"a": float("nan")})
