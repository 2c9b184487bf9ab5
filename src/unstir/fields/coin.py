"""The learned field of coins: p(x_0 = k | x_t), by a network ℓ that is told what each coin shows.

    p_k ∝ q(x_t | k) exp ℓ_k(x_t, t)

Each coin's own evidence is known exactly, so the network learns only what all the others say of it; with ℓ
as logits this is the parametrisation of Austin 2021, equation 4. The loss of an item, for one t of 1 … T
drawn evenly, is its bound in nats a coin (equation 1 there), and λ times the cross-entropy (equation 5),

    T · KL(q(x_{t−1} | x_t, x_0) ‖ p(x_{t−1} | x_t)) + λ · (−log p_{x_0})

At t = 1 the first term is −log p(x_0 | x_1), and at T nothing is left to pay: the prior is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unstir.fields.learned import LearnedField
from unstir.moving import sent
from unstir.physics.coins import CoinProcess
from unstir.physics.process import stratified

CROSS_ENTROPY = 1e-3  # λ


class CoinField(LearnedField[CoinProcess]):
    """p(x_0 = k | x_t) for every coin by a network.

    Images `(channels, height, width)` are given as `channels · symbols` planes and answered as
    `channels · states`; rows `(length,)` as `(length, symbols)` and `(length, states)`.

    Attributes:
        cross_entropy: λ.
    """

    cross_entropy: float = CROSS_ENTROPY

    @classmethod
    def sizes(cls, process: CoinProcess, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of what the network is given and of what it answers, for data of `shape`."""
        symbols, states = process.toss.symbols, process.states
        if len(shape) == 1:
            return (shape[0], symbols), (shape[0], states)
        return (shape[0] * symbols, *shape[1:]), (shape[0] * states, *shape[1:])

    @classmethod
    def usual_network(cls, kind: str) -> str:
        """A U-Net for images, a transformer for text, an MLP for tables."""
        return {"image": "unet", "text": "transformer"}.get(kind, "mlp")

    @classmethod
    def takes_augment(cls, process: CoinProcess, *, told: bool) -> bool:
        """States have nothing between them."""
        return False

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """p(x_0 = k | x_t), float32 `(batch, *shape, states)`, for int64 states and times `(batch,)`."""
        return self._log_prediction(x, t, label).exp()

    def blend(self, weak: Tensor, strong: Tensor, weight: float | Tensor) -> Tensor:
        """p ∝ weak^{1−w} strong^w for every coin: shares stay shares (Schiff 2025, but of x_0)."""
        least = torch.finfo(strong.dtype).tiny  # a share of nothing in both stays nothing
        log_weak, log_strong = weak.clamp_min(least).log(), strong.clamp_min(least).log()
        return torch.softmax(log_weak + weight * (log_strong - log_weak), -1)

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """The bound in nats a coin, and λ times the cross-entropy, at times drawn evenly."""
        process = self.process
        # One time in each of the batch's even shares of 1 … T.
        shares = stratified(len(data), generator, torch.float32)
        t = sent((shares * process.steps).floor().clamp_max(process.steps - 1) + 1, data.device)
        x = process.perturb(data, t, generator)
        log_prediction = self._log_prediction(x, t, label)
        bound = process.steps * divergence(process, data, x, t - 1, t, log_prediction.exp())
        entropy = -log_prediction.gather(-1, data.unsqueeze(-1)).mean()
        return bound.mean() / data[0].numel() + self.cross_entropy * entropy

    def _log_prediction(self, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        process = self.process
        symbols, states = process.toss.symbols, process.states
        shown = functional.one_hot(x, symbols).to(t.dtype)
        shown = (shown * symbols - 1) / math.sqrt(symbols - 1)  # mean 0, variance 1 where all are alike
        level = 2 * t / process.steps - 1
        if x.ndim == 2:
            logits = self.network(shown, level, label).float()
        else:
            planes = shown.movedim(-1, 2).flatten(1, 2)
            answer = self.network(planes, level, label).float()
            logits = answer.unflatten(1, (-1, states)).movedim(2, -1)
        return functional.log_softmax(logits + process.evidence(x, t).log(), -1)


def divergence(
    process: CoinProcess, data: Tensor, x: Tensor, s: Tensor, t: Tensor, prediction: Tensor
) -> Tensor:
    """KL(q(x_s | x_t, x_0) ‖ p(x_s | x_t)) in nats, summed over an item's coins, `(batch,)`.

    Args:
        process: the coins.
        data: x_0, `(batch, *shape)`.
        x: x_t, drawn given x_0.
        s: earlier times, `(batch,)`.
        t: times, `(batch,)`.
        prediction: the field's answer at x and t, `(batch, *shape, states)`.
    """
    known = functional.one_hot(data, process.states).to(prediction.dtype)
    truth = process.posterior(x, s, t, known)
    model = torch.where(truth > 0, process.posterior(x, s, t, prediction), 1)
    return (torch.xlogy(truth, truth) - torch.xlogy(truth, model)).flatten(1).sum(1)
