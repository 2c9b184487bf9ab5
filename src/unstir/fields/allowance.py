"""A bound on what building a network may take, where a file of others says how large it is.

A configuration of fifty bytes may ask for a network of any size. Its weights lie in a file beside it, and
that file is as large as they are: so no more numbers are made than it has room for, and building stops at the
first that goes beyond.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn
from torch.nn.modules import module as modules

from unstir.errors import InputError

_SHARE = 2  # half precision on disk is float32 in memory
_FREE = 2**26  # bytes, for what is not kept: tables of frequencies and places
_LEAST = 2**14  # bytes that a tensor counts for: a module around it is dictionaries, and time


@contextmanager
def allowance(size: int, where: Path) -> Iterator[None]:
    """Modules that this thread makes within the block take twice their weights' file and 64 MiB at most.

    Torch tells of each parameter and buffer as a module gets it, before anything is written to it: until then
    the machine has lent addresses and no memory.

    Args:
        size: of the weights on disk, in bytes.
        where: they lie.

    Raises:
        InputError: from within the block, where they would take more.
    """
    left, mine = _FREE + _SHARE * size, threading.get_ident()

    def note(_module: nn.Module, _name: str, made: Tensor | None) -> None:
        nonlocal left
        if made is None or threading.get_ident() != mine:
            return
        left -= max(made.numel() * made.element_size(), _LEAST)
        if left < 0:
            raise InputError(
                f"{where}: its configuration asks for a larger network than its {size:,} bytes of weights "
                "are of; one of the two was changed"
            )

    hooks = [
        modules.register_module_parameter_registration_hook(note),
        modules.register_module_buffer_registration_hook(note),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
