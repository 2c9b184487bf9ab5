"""What the machine offers: the device and the precision that `auto` stands for."""

from __future__ import annotations

import torch

from unstir.errors import InputError


def choose_device(name: str) -> torch.device:
    """The device that `name` says, the best there is for `auto`.

    Raises:
        InputError: an unknown device, or one that is not here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
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
