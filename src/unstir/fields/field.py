"""A field: who knows where the flow goes. Anything that answers `field(x, t, label) -> prediction`.

`at(t)` binds a field to one time for a whole batch, so that what depends on time alone is computed once: it
is what solvers call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

# (x, label) -> prediction at one time
Slice = Callable[[Tensor, Tensor | None], Tensor]
# (x, t, label) -> prediction, t of shape (batch,)
FieldFunction = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@runtime_checkable
class Field(Protocol):
    """E[target | x_t = x], `(batch, *shape)`, from x, times `(batch,)` and optional labels `(batch,)`."""

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The prediction at times `t`, `(batch,)`."""
        ...

    def at(self, t: float) -> Slice:
        """The field at one time."""
        ...


class FunctionField:
    """A plain function of (x, t, label), or any module of that signature, as a field."""

    def __init__(self, function: FieldFunction) -> None:
        self.function = function

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Call the function."""
        return self.function(x, t, label)

    def at(self, t: float) -> Slice:
        """Call the function with t repeated for the batch."""
        return lambda x, label: self.function(
            x, torch.full((len(x),), t, dtype=x.dtype, device=x.device), label
        )


def as_field(field: Field | FieldFunction) -> Field:
    """A field as it is, and any other callable of (x, t, label) wrapped as one.

    Raises:
        TypeError: `field` cannot be called.
    """
    if isinstance(field, Field):
        return field
    if not callable(field):
        raise TypeError(f"field: a {type(field).__name__} cannot be called; give field(x, t, label)")
    return FunctionField(field)
