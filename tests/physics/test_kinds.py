"""What a class decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from unstir.errors import InputError
from unstir.fields import field_class
from unstir.flow.registry import solvers
from unstir.lab.families import family_of
from unstir.measure.certificates.cases.noise import noise_case
from unstir.physics.kinds import nearest, serving
from unstir.picture.registry import gallery


class Plant: ...


class Tree(Plant): ...


class Oak(Tree): ...


class Climber: ...


class Ivy(Climber, Tree): ...


_TABLE = {Plant: "any plant", Tree: "wood", Climber: "wall"}


@pytest.mark.parametrize(
    ("thing", "served"), [(Plant(), "any plant"), (Tree(), "wood"), (Oak(), "wood"), (Ivy(), "wall")]
)
def test_the_nearest_class_decides(thing: object, served: str) -> None:
    assert nearest(_TABLE, thing) == served
    assert serving(_TABLE, thing, "unheard") == served


def test_what_no_class_of_a_table_serves_is_refused_in_the_words_given() -> None:
    assert nearest(_TABLE, 3) is None
    assert nearest({Oak: "oak"}, Tree()) is None  # what comes from a class does not serve it
    with pytest.raises(InputError, match=r"^number 3: is no plant$"):
        serving(_TABLE, 3, "number 3: is no plant")


class Unknown:
    """A process or law that no table knows."""

    name = "unknown"


@pytest.mark.parametrize("asked", [field_class, solvers, family_of, gallery, noise_case])
def test_a_class_that_a_table_of_the_library_lacks_is_refused_by_name(asked: Callable[[Any], object]) -> None:
    with pytest.raises(InputError, match="for a Unknown"):
        asked(Unknown())
