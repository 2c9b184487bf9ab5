"""Others' conventions: what unstir writes for other libraries, and what it reads of theirs.

All that knows how others count time, name tensors or lay out folders is here and nowhere else. Everything
heavy is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unstir.interop.exporting import export
    from unstir.interop.foreign import from_diffusers
    from unstir.interop.weights import read_weights

_NAMES = {"export": "exporting", "from_diffusers": "foreign", "read_weights": "weights"}

__all__ = ["export", "from_diffusers", "read_weights"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _NAMES:
        return getattr(importlib.import_module(f"unstir.interop.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'unstir.interop' has no attribute {name!r}")
