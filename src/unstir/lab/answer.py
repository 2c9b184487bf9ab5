"""An answer: numbers and arrays, one stage of what a request asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

Array = Tensor | np.ndarray[Any, Any]


@dataclass(frozen=True)
class Answer:
    """One stage of an answer.

    Attributes:
        scalars: plain finite values for the frame's header.
        arrays: by name; see `frames.pack` for the types that travel.
        done: whether this is the last stage.
    """

    scalars: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    done: bool = True

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        return sum(int(array.nbytes) for array in self.arrays.values())
