"""Sample sets on their way in: one shape, one unit, checked once.

uint8 holds image bytes, so it counts as value/255; every other type keeps its values. A set of items
of any shape becomes rows `(n, d)`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unstir.errors import InputError


def real(values: Tensor, name: str, least: int = 1) -> Tensor:
    """`values` `(n, ...)` as finite floats of the same shape, uint8 as value/255.

    Raises:
        InputError: not a tensor, complex, fewer than `least` items, or a value that is not finite.
    """
    if not isinstance(values, Tensor):
        raise InputError(f"{name} is a {type(values).__name__}, not a tensor: give torch.as_tensor({name})")
    if values.is_complex():
        raise InputError(f"{name} is {values.dtype}: give its real and imaginary parts as two real columns")
    if values.ndim == 0 or len(values) < least or values[0].numel() == 0:
        raise InputError(f"{name} has shape {tuple(values.shape)}: give at least {least} items along axis 0")
    if values.device.type == "mps":  # has no float64
        values = values.cpu()
    if values.dtype == torch.uint8:
        values = values.float() / 255
    elif values.dtype != torch.float64:
        values = values.float()
    finite = values.reshape(len(values), -1).isfinite().all(1)
    if not finite.all():
        count, first = int((~finite).sum()), int((~finite).int().argmax())
        raise InputError(f"{name} is NaN or infinite in {count} items, first in {first}: leave those out")
    return values


def rows(values: Tensor, name: str, least: int = 1) -> Tensor:
    """`values` `(n, ...)` as finite float rows `(n, d)`; errors as in `real`."""
    return real(values, name, least).flatten(1) if values.ndim > 1 else real(values, name, least)[:, None]


def same_items(a: Tensor, b: Tensor, names: tuple[str, str] = ("a", "b")) -> None:
    """Refuse two sets whose items differ in shape.

    Raises:
        InputError: they do.
    """
    one, two = tuple(a.shape[1:]), tuple(b.shape[1:])
    if one != two:
        raise InputError(f"{names[0]} has items of shape {one}, {names[1]} of {two}: reshape one to match")


def pair(a: Tensor, b: Tensor, names: tuple[str, str] = ("a", "b"), least: int = 1) -> tuple[Tensor, Tensor]:
    """Two sets of like items as rows `(n, d)` and `(m, d)` on the device of the first.

    Raises:
        InputError: as in `real`, or items of different shape.
    """
    one, two = rows(a, names[0], least), rows(b, names[1], least)
    same_items(a, b, names)
    return one, two.to(one.device)


def subset(values: Tensor, n: int, seed: int) -> Tensor:
    """`n` of the items, the same for the same length and seed; all of them if there are no more."""
    if n >= len(values):
        return values
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
    return values[order[:n].sort().values.to(values.device)]


def whole(value: int, name: str, least: int = 1) -> int:
    """`value` if it is a whole number of at least `least`.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={value!r}: give a whole number of at least {least}")
    return value
