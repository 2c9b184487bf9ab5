"""Moving numbers to a device without waiting for it.

A copy from ordinary memory first waits until the device has done all that it was told before. From pinned
memory it takes its turn behind that, and the host goes on: what is drawn on the CPU for one step of training
is drawn and sent while the device still works on the step before.
"""

from __future__ import annotations

import torch
from torch import Tensor


def free_memory(device: torch.device) -> int | None:
    """Bytes that a device of its own memory has free; None for the host, or where it does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return None


def sent(value: Tensor, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
    """`value` on `device`, in `dtype` where one is given; the host waits for nothing.

    Args:
        value: on the CPU or on the device.
        device: where it is wanted.
        dtype: of the result, converted where `value` lies.
    """
    device = torch.device(device)
    value = value if dtype is None else value.to(dtype)
    if value.device == device or value.device.type != "cpu":
        return value.to(device)
    if device.type == "cuda":
        value = value.pin_memory()
    # Apple's copies are only safe when waited for.
    return value.to(device, non_blocking=device.type != "mps")
