"""Three named sizes for every network: what each stands for is a table in the network's own file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstir.errors import InputError

NAMES = ("small", "base", "large")
DEFAULT = "base"
Sizes = Mapping[str, Mapping[str, Any]]


def chosen(network: str, sizes: Sizes, size: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401
    """The options of a size, but for those that are given: all that are not None.

    Raises:
        InputError: a size of another name.
    """
    if not isinstance(size, str) or size not in sizes:
        raise InputError(f"network {network}: size={size!r} is not known; give {', '.join(sizes)}")
    return {**sizes[size], **{key: value for key, value in given.items() if value is not None}}
