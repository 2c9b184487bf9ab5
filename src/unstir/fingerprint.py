"""SHA-256 of what samples depend on: of parts of bytes, each with its length, and of tensors."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def of_parts(*parts: bytes | memoryview) -> str:
    """Of bytes, part by part, so that none runs into the next."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def of_tensor(values: Tensor) -> str:
    """Of a tensor's numbers."""
    return of_parts(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
