"""Group norms of convolutional networks: of 16 features a group, or of all.

torch takes a group of fewer in bfloat16 with channels last one number at a time: twelve times as long as
groups of 16, which are faster there than with channels first, as convolutions are (`benchmarks/passes.py`).
What such a norm is given must need a gradient: where it does not, torch 2.13 breaks off in its backward pass.
"""

from __future__ import annotations

import math

from torch import nn

_TOGETHER = 16  # as many float32 as a processor of today takes at once


def groups(*widths: int) -> int:
    """How many groups features are in, that hold for several widths."""
    common = math.gcd(*widths)
    return common // _TOGETHER if common % _TOGETHER == 0 else 1


def norm(width: int) -> nn.GroupNorm:
    """A norm of `width` features."""
    return nn.GroupNorm(groups(width), width)
