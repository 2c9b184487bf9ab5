"""Moving numbers to a device without waiting for it.

A copy from ordinary memory first waits until the device has done all that it was told before. From pinned
memory it takes its turn behind that, and the host goes on: what is drawn on the CPU for one step of training
is drawn and sent while the device still works on the step before.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
