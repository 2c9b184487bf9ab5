"""What a skip path leaves to be learned: the error of a denoiser at each noise level, as measured."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LEVELS = 32


class Leftover(nn.Module):
    """Root mean squared errors at `LEVELS` places in [0, 1], between which their logarithm is linear.

    Args:
        shape: of one level's errors: () for one number, or one for each mode.
    """

    log_error: Tensor

    def __init__(self, shape: Sequence[int] = ()) -> None:
        super().__init__()
        self.register_buffer("log_error", torch.zeros(LEVELS, *shape))

    def measure(self, places: Tensor, squared: Tensor) -> None:
        """Keep the mean of `squared` `(n, *shape)` at the levels nearest to `places` `(n,)`.

        Levels that nothing falls on are as the nearest that something does.
        """
        index = ((LEVELS - 1) * places).round().long()
        total = torch.zeros_like(self.log_error).index_add_(0, index, squared.to(self.log_error))
        count = torch.bincount(index, minlength=LEVELS)
        seen = count.nonzero()[:, 0]
        nearest = seen[(torch.arange(LEVELS, device=seen.device)[:, None] - seen).abs().argmin(1)]
        mean = total[nearest] / count[nearest].reshape(-1, *(1,) * (total.ndim - 1))
        self.log_error.copy_(0.5 * mean.clamp_min(1e-12).log())

    def forward(self, places: Tensor) -> Tensor:
        """The errors at `places` `(batch,)`: `(batch, *shape)`."""
        at = (LEVELS - 1) * places
        below = at.long().clamp(0, LEVELS - 2)
        share = (at - below).reshape(-1, *(1,) * (self.log_error.ndim - 1))
        return torch.lerp(self.log_error[below], self.log_error[below + 1], share).exp()
