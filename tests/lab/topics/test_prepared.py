"""What is answered beforehand can be asked, and holds what chapters and topics open with."""

from __future__ import annotations

import json

from unstir.lab.context import Context
from unstir.lab.requests import parse
from unstir.lab.topics.prepared import prepared


def test_every_prepared_question_is_one() -> None:
    asked = [
        json.dumps({"id": 0, "slot": "static", "kind": kind, **args, **rest})
        for kind, args, rest in prepared()
    ]
    assert len(set(asked)) == len(asked)
    for text in asked:
        parse(text)


def test_a_few_of_them_are_answered() -> None:
    some = {kind: (args, rest) for kind, args, rest in prepared()}
    assert set(some) == {"assume", "path", "rod", "hemisphere", "coins", "tails", "equation"}
    for kind in ("assume", "rod", "tails", "equation"):
        args, rest = some[kind]
        *_, last = parse(json.dumps({"id": 0, "slot": "static", "kind": kind, **args, **rest})).answer(
            Context()
        )
        assert last.done
