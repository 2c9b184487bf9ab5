"""What the machine offers: the device and the precision that `auto` stands for, and so much memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unstir.errors import InputError
from unstir.train.cluster import forced_to_cpu, local_rank

_DEVICES = ("cpu", "cuda", "mps")
_LACKS = ("allocate memory", "out of memory", "alloc_failed")  # torch's words, of several libraries


def choose_device(name: str) -> torch.device:
    """The device that `name` says, the best there is for `auto`; each process of a launch has its own `cuda`.

    Raises:
        InputError: an unknown device, or one that is not here.
    """
    if name == "auto":
        if forced_to_cpu():
            return torch.device("cpu")
        if torch.cuda.is_available():
            return choose_device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        place = local_rank()
        if name == "cuda" and place is not None:
            device = torch.device("cuda", place)
    except RuntimeError:
        device = None
    if device is None or device.type not in _DEVICES:
        raise InputError(f"device={name}: is no device known here; give auto, {', '.join(_DEVICES)}")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"device={name}: is not available on this machine; give auto or cpu") from None
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        return bool(supported and supported())
    return False


@contextmanager
def memory_explained(what: str, mend: str) -> Iterator[None]:
    """Turn a lack of memory within the block, the host's or a device's, into one line with its mend.

    Args:
        what: the line's beginning, that names what does not fit.
        mend: what helps.

    Raises:
        InputError: in place of the error.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        said = str(error).lower()
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not any(
            words in said for words in _LACKS
        ):
            raise
        raise InputError(f"{what}; {mend}") from None


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """So many threads of the CPU within the block, where a number is given."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
