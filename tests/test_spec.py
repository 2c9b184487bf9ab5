from __future__ import annotations

from collections.abc import Callable

import pytest

from unstir import spec
from unstir.errors import InputError


def cake(eggs: int = 3, sugar: float = 0.5, icing: bool = False, kind: str = "plain") -> tuple[object, ...]:
    return eggs, sugar, icing, kind


def bread(flour: float = 500.0) -> tuple[object, ...]:
    if flour <= 0:
        raise InputError(f"flour={flour:g}: bread needs some")
    return (flour,)


TABLE: dict[str, Callable[..., tuple[object, ...]]] = {"cake": cake, "bread": bread}


def read(text: str) -> tuple[object, ...]:
    return spec.parse("recipe", text, TABLE)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("cake", (3, 0.5, False, "plain")),
        (" cake ", (3, 0.5, False, "plain")),
        ("cake:", (3, 0.5, False, "plain")),
        ("cake:eggs=4", (4, 0.5, False, "plain")),
        ("cake: sugar = 1e-3 , eggs=2", (2, 1e-3, False, "plain")),
        ("cake:icing=yes,kind=lemon", (3, 0.5, True, "lemon")),
        ("cake:icing=no", (3, 0.5, False, "plain")),
        ("bread:flour=inf", (float("inf"),)),
        ("bread:flour=2", (2.0,)),
    ],
)
def test_what_is_written_is_what_is_made(text: str, made: tuple[object, ...]) -> None:
    result = read(text)
    assert result == made
    assert [type(v) for v in result] == [type(v) for v in made]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cak", ["recipe 'cak' is not known", "did you mean cake?", "cake, bread"]),
        ("Bread", ["did you mean bread?"]),
        ("soup", ["recipe 'soup' is not known. Known: cake, bread"]),
        ("", ["recipe '' is not known"]),
        ("cake:salt=1", ["cake has no parameter 'salt'", "eggs=3, sugar=0.5, icing=False, kind=plain"]),
        ("cake:eggs=2,eggs=3", ["eggs is given twice"]),
        ("cake:eggs", ["write eggs=VALUE, such as eggs=3"]),
        ("cake:eggs=", ["write eggs=VALUE"]),
        ("cake:eggs=2.5", ["eggs='2.5' is not a whole number, such as 3"]),
        ("cake:sugar=much", ["sugar='much' is not a number, such as 0.5"]),
        ("cake:icing=1", ["icing='1' is neither yes nor no"]),
        ("cake:eggs=1=2", ["eggs='1=2' is not a whole number"]),
        ("bread:flour=-1", ["flour=-1: bread needs some"]),
        ("cake\n:eggs=2", ["is not known"]),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    text: str, words: list[str], refused: Callable[..., str]
) -> None:
    message = refused(read, text)
    for word in words:
        assert word in message


def test_a_constructor_outside_the_table_is_out_of_reach(refused: Callable[..., str]) -> None:
    for name in ("spec.parse", "__import__", "cake.__class__", "os:system=1"):
        assert "is not known" in refused(read, name)


@pytest.mark.parametrize("value", [0.1, 128.0, 1e-7, 1 / 3, 1e300, float("inf"), 123456789.0])
def test_names_read_back_as_the_same_value(value: float) -> None:
    assert read(spec.name_of("bread", bread, flour=value)) == (value,)


def test_names_are_short() -> None:
    assert spec.name_of("bread", bread, flour=500.0) == "bread"
    assert spec.name_of("bread", bread, ("flour",), flour=500.0) == "bread:flour=500"
    assert spec.name_of("cake", cake, eggs=3, sugar=0.25, icing=True) == "cake:sugar=0.25,icing=yes"


def test_defaults() -> None:
    assert spec.defaults(cake) == {"eggs": 3, "sugar": 0.5, "icing": False, "kind": "plain"}
