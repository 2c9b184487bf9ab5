"""Coins of K states: as time goes by more and more are tossed again (Sohl-Dickstein 2015; Austin 2021).

    q(x_t | x_0) = ᾱ_t δ(x_t, x_0) + (1 − ᾱ_t) π(x_t)        ᾱ_t = 1 − t/T

π is the law of one toss, and all that tells the two kinds apart: fair among the K states (`uniform`; bits
for K = 2), or always the mask, a state of its own (`absorbing`). At t = 1, 2, …, T the shares tossed anew are
β_t = 1/(T − t + 1) (Sohl-Dickstein 2015, section 2.4; Austin 2021, section 3.1); the clock runs between
them too, at the rate −d ln ᾱ/dt = 1/(T − t). At T no coin remembers anything: the prior is π itself.

The field answers p_k = p(x_0 = k | x_t), for each coin a law over its K states. From it, with
r_k = p_k / q(x_t | k) and α = ᾱ_t/ᾱ_s, comes the way back from t to s (Austin 2021, equations 3 and 4),

    p(x_s = j | x_t) = [α δ(j, x_t) + (1 − α) π(x_t)] · [ᾱ_s r_j + (1 − ᾱ_s) π(j) Σ_k r_k]

and its rate for s → t (Campbell 2022, proposition 1), for j ≠ x_t,

    R̂(x_t → j) = π(x_t)/(T − t) · [ᾱ_t r_j + (1 − ᾱ_t) π(j) Σ_k r_k]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from unstir import spec
from unstir.errors import InputError
from unstir.moving import sent
from unstir.physics.process import Process
from unstir.physics.toss import FairToss, MaskToss, Toss

if TYPE_CHECKING:
    from unstir.data import Dataset
    from unstir.data.coder import Coder

_IMPOSSIBLE = (
    -1e3
)  # nats for a coin that could not have come so: states that no data give are read as the nearest
_MOST_STATES = 4096


@dataclass(frozen=True)
class CoinProcess(Process):
    """Coins tossed anew, one after another.

    States are int64 `(batch, *shape)`, of data 0 … K−1.

    Attributes:
        kind: `uniform` or `absorbing`, for the name.
        steps: T, the clock's length.
        toss: the law π.
    """

    kind: str = "uniform"
    steps: int = 1000
    toss: Toss = field(default_factory=FairToss)

    @property
    def name(self) -> str:
        """Such as `coins:noise=absorbing,states=14`."""
        return spec.name_of("coins", coins, noise=self.kind, T=self.steps, states=self.states)

    @property
    def t_min(self) -> float:
        """The time of the data."""
        return 0.0

    @property
    def t_max(self) -> float:
        """T."""
        return float(self.steps)

    @property
    def states(self) -> int:
        """K."""
        return self.toss.states

    def signal(self, t: Tensor) -> Tensor:
        """ᾱ_t, the share of coins not tossed by t."""
        return 1 - t / self.steps

    def coder(self, data: Dataset) -> Coder:
        """Grey levels for images, bins for tables, letters for text."""
        from unstir.data.bins import Bins
        from unstir.data.levels import Levels
        from unstir.data.text import Letters

        if data.kind == "text":
            return Letters.fit(data)
        return (Levels if data.kind == "image" else Bins).fit(data, self.states)

    def prepared(self, items: Tensor, partner: Tensor | None = None) -> CoinProcess:
        """With as many states as there are letters or bins in rows, `(n, length)`."""
        super().prepared(items, partner)
        if items.ndim != 2:
            return self
        states = max(2, int(items.max()) + 1)
        _check_states(states)
        return replace(self, toss=replace(self.toss, states=states))

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x_t given x_0 = `data`, int64 `(batch, *shape)`, at times `t`, `(batch,)`."""
        _check(data, self.states, "data")
        return self._tossed(data, self.signal(t), generator)

    def advance(self, x: Tensor, s: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x_t given x_s = `x` at times `s` < `t`, each `(batch,)`: the very coins, from then on."""
        return self._tossed(x, self.signal(t) / self.signal(s), generator)

    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """`n` rows of coins, all tossed, int64 whatever the `dtype`."""
        return self.toss.draw((n, *shape), generator)

    def evidence(self, x: Tensor, t: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """q(x_t | x_0 = k) of each coin on its own, for each k, `(batch, *shape, states)`."""
        kept, toss = self._numbers(x, self.signal(t), dtype)
        return kept * self._shown(x, dtype)[..., : self.states] + (1 - kept) * toss

    def log_kernel(self, x: Tensor, data: Tensor, t: Tensor) -> Tensor:
        """log q(x_t | x_0) in nats for every pair, float64 `(batch, points)`; −1000 a coin where it is −∞.

        Args:
            x: states `(batch, *shape)`.
            data: points `(points, *shape)`.
            t: times `(batch,)`.
        """
        kept, toss = self._numbers(x, self.signal(t), torch.float64)
        other = ((1 - kept) * toss).log().clamp_min(_IMPOSSIBLE)
        same = (kept + (1 - kept) * toss).log().clamp_min(_IMPOSSIBLE)
        shown = self._shown(x, torch.float64)[..., : self.states]
        gain = ((same - other) * shown).flatten(1)
        return gain @ self._shown(data, torch.float64)[..., : self.states].flatten(1).T + other.flatten(
            1
        ).sum(1, True)

    def posterior(self, x: Tensor, s: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """p(x_s = j | x_t) of each coin, `(batch, *shape, symbols)`.

        Args:
            x: states at `t`.
            s: times to go back to, `(batch,)`, below t.
            t: times, `(batch,)`.
            prediction: p(x_0 = k | x_t), `(batch, *shape, states)`; a one-hot x_0 gives q(x_s | x_t, x_0).
        """
        dtype = prediction.dtype
        earlier, toss = self._numbers(x, self.signal(s), dtype)
        alpha, _ = self._numbers(x, self.signal(t) / self.signal(s), dtype)
        step = alpha * self._shown(x, dtype) + (1 - alpha) * toss
        return step * self._reached(x, earlier, t, prediction)

    def rates(self, x: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """R̂(x_t → j), the rate a unit of the clock at which each coin turns to j, 0 for j = x_t, below t = T.

        Args:
            x: states at `t`.
            t: times, `(batch,)`.
            prediction: p(x_0 = k | x_t), `(batch, *shape, states)`.
        """
        dtype = prediction.dtype
        kept, toss = self._numbers(x, self.signal(t), dtype)
        rate = toss / (self.steps * kept) * self._reached(x, kept, t, prediction)
        return rate * (1 - self._shown(x, dtype))

    def _reached(self, x: Tensor, earlier: Tensor, t: Tensor, prediction: Tensor) -> Tensor:
        """ᾱ_s r_j + (1 − ᾱ_s) π(j) Σ r_k: where a coin was at s, before what x_t says of it."""
        evidence = self.evidence(x, t, prediction.dtype)
        # A state that cannot have led here has p = 0 too.
        r = prediction / torch.where(evidence > 0, evidence, torch.inf)
        more = functional.pad(r, (0, self.toss.symbols - self.states))
        return earlier * more + (1 - earlier) * self.toss.law.to(r) * r.sum(-1, keepdim=True)

    def _tossed(self, x: Tensor, kept: Tensor, generator: torch.Generator) -> Tensor:
        device = generator.device
        uniform = sent(torch.rand(x.shape, generator=generator, device=device), x.device)
        fresh = sent(self.toss.draw(x.shape, generator), x.device)
        return torch.where(uniform < kept.to(uniform).reshape(-1, *(1,) * (x.ndim - 1)), x, fresh)

    def _numbers(self, x: Tensor, share: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A share of each item, `(batch, 1, …, 1)`, and π(x), `(batch, *shape, 1)`."""
        shares = share.to(x.device, dtype).reshape(-1, *(1,) * x.ndim)
        return shares, self.toss.law.to(x.device, dtype)[x].unsqueeze(-1)

    def _shown(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """δ(j, x), `(batch, *shape, symbols)`."""
        return functional.one_hot(x, self.toss.symbols).to(dtype)


def coins(noise: str = "uniform", T: int = 1000, states: int = 2) -> CoinProcess:
    """Coins tossed anew, bits or K states; noise uniform or absorbing (Sohl-Dickstein 2015; Austin 2021)."""
    tosses: dict[str, type[Toss]] = {"uniform": FairToss, "absorbing": MaskToss}
    if noise not in tosses:
        raise InputError(f"noise={noise}: the tosses of coins are uniform and absorbing; give one of them")
    if not 1 <= T <= 10**6:
        raise InputError(f"T={T}: give a number of steps from 1 to 1000000, such as 1000")
    _check_states(states)
    return CoinProcess(noise, T, tosses[noise](states))


def _check_states(states: int) -> None:
    if not 2 <= states <= _MOST_STATES:
        raise InputError(
            f"states={states}: a coin has 2 to {_MOST_STATES} states; give as many grey levels, such as 2"
        )


def _check(x: Tensor, states: int, what: str) -> None:
    if x.dtype != torch.int64 or x.ndim < 2:
        raise ValueError(
            f"{what}: has dtype {x.dtype} and shape {tuple(x.shape)}; give int64 (batch, *shape)"
        )
    if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < states:
        raise ValueError(f"{what}: holds {int(x.min())} … {int(x.max())}; the states are 0 … {states - 1}")
