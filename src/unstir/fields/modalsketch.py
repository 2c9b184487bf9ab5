"""A sketch in cosine modes, each with a floor of its own, and its denoiser where every mode is damped apart.

    y ~ Σ_k π_k N(μ_k, V_k V_kᵀ + diag f)        in the cosine modes of the channels' principal axes

What few axes leave of a picture is no noise of one size: it falls off with the frequency, and colours differ
far less than brightness does. With x̂ = A ŷ + B √W n, A one number a mode, d = A² f + B² W and r = x̂ − A μ_k:

    S_k = I + V_kᵀ diag(A²/d) V_k      q_k = V_kᵀ (A r/d)      p_k = S_k⁻¹ q_k
    log p(x̂ | k) = −½ [log det S_k + Σ r²/d − q_kᵀ p_k] + what all components share
    E[ŷ | x̂, k] = μ_k + (B² W/d) V_k p_k + f A r/d

by the matrix inversion lemma. All sums over modes are products of (A²/d, A x̂/d) with matrices that hold for
the whole run and are kept, so an item costs K systems of R equations beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from unstir.byparts import by_columns, by_parts
from unstir.errors import InputError
from unstir.fields.sketch import PRIOR, Sketch
from unstir.physics.basis import CosineModes

_BASIS = CosineModes()
_LARGEST = 2**28  # numbers in pairs
_MUCH = 2**26  # numbers of a component's items, beyond which they are not copied at once
_LEAST = 1e-8  # variance of a mode, in model units


class ModalSketch(Sketch):
    """A Gaussian mixture of R axes a component and a floor for each mode, for items `(channels, …)`.

    Attributes:
        colours: principal axes of the channels, `(channels, channels)`, a column each.
        rest: f, `(N,)`, the same for all components.
        spectrum: the variance of each mode in all of the data, `(N,)`.

    Raises:
        InputError: as of a plain sketch, or so many axes that their products in pairs fill a gigabyte.
    """

    colours: Tensor
    rest: Tensor
    spectrum: Tensor
    _kept: tuple[object, tuple[Tensor, Tensor, Tensor]] | None = None

    def __init__(self, shape: Sequence[int], components: int, rank: int, classes: int = 0) -> None:
        super().__init__(shape, components, rank, classes)
        size = self.axes.shape[1]
        if components * size * rank * (rank + 1) // 2 > _LARGEST:
            raise InputError(
                f"sketch={components}, axes={rank}: too many for items of {size}; give fewer axes"
            )
        self.register_buffer("colours", torch.eye(self.shape[0]))
        self.register_buffer("rest", torch.ones(size))
        self.register_buffer("spectrum", torch.ones(size))

    @torch.no_grad()
    def fit(self, items: Tensor, labels: Tensor | None = None) -> None:
        """Fit to `items` `(n, *shape)` as a plain sketch is, in modes; then the floors.

        Args:
            items: in model units.
            labels: class numbers `(n,)`, where there are classes.
        """
        self.colours.copy_(torch.linalg.eigh(_covariance(items.float()))[1])
        super().fit(by_parts(lambda part: self._turned(_BASIS.coordinates(part.float())), items), labels)

    def _remainder(self, flat: Tensor, cluster: Tensor) -> None:
        """Each mode's variance about the components' means that their axes do not hold."""
        counts = torch.bincount(cluster, minlength=len(self.means)).to(flat)

        def spread(flat: Tensor, means: Tensor) -> Tensor:
            return torch.stack([(flat[cluster == k] - mean).square().sum(0) for k, mean in enumerate(means)])

        much = float(counts.max()) * flat.shape[1] > _MUCH
        about = by_columns(spread, flat, self.means) if much else spread(flat, self.means)
        own = (about + PRIOR * about.sum(0) / len(flat)) / (counts + PRIOR)[:, None]
        along = self.variances + self.floors[:, None]
        left = own - torch.einsum("knr,kr->kn", self.axes.square(), along)
        self.rest.copy_((counts @ left / len(flat)).clamp_min(_LEAST))
        inside = torch.einsum("knr,n->kr", self.axes.square(), self.rest)
        self.variances.copy_((along - inside).clamp_min(0))
        self.spectrum.copy_(flat.var(0, correction=0).clamp_min(_LEAST))

    def forward(self, x: Tensor, A: Tensor, variance: Tensor, label: Tensor | None = None) -> Tensor:
        """E[y | x], `(batch, *shape)`, where all modes are damped alike; arguments as of a plain sketch."""
        A = A.reshape(-1, *(1,) * len(self.shape))
        return _BASIS.state(self.denoised_modes(_BASIS.coordinates(x), A, variance, label))

    def denoised_modes(self, u: Tensor, A: Tensor, variance: Tensor, label: Tensor | None = None) -> Tensor:
        """E[ŷ | x̂ = u], `(batch, *shape)`.

        Args:
            u: the state's cosine modes `(batch, *shape)`.
            A: the signal's coefficient of each mode, the same for all channels: broadcast against `u`.
            variance: B² W, `(batch,)`.
            label: class numbers `(batch,)`, or None.
        """
        K, _, R = self.axes.shape
        flat, means = self._turned(u).flatten(1), self.means
        A = A.expand(u.shape).flatten(1)
        noise = variance[:, None]
        d = A.square() * self.rest + noise
        told, shown = A * flat / d, A.square() / d
        columns, centred, pairs = self._matrices()
        q = (told @ columns - shown @ centred).reshape(-1, K, R)
        below, across = torch.tril_indices(R, R, device=u.device)
        S = torch.zeros(len(u), K, R, R, device=u.device)
        S[..., below, across] = (shown @ pairs).reshape(len(u), K, -1)
        L = torch.linalg.cholesky(S + torch.eye(R, device=u.device))
        p = torch.cholesky_solve(q[..., None], L)[..., 0]
        squared = shown @ means.square().T - 2 * told @ means.T  # less what all components share
        evidence = 2 * L.diagonal(dim1=-2, dim2=-1).log().sum(2) + squared - (q * p).sum(2)
        share = torch.softmax(self.rows(label) - 0.5 * evidence, 1)
        centre = share @ means
        carried = (share[..., None] * p).flatten(1) @ columns.T
        guess = centre + noise / d * carried + self.rest * (told - shown * centre)
        return self._turned(guess.reshape(u.shape), back=True)

    def _misfit(self, x: Tensor, A: Tensor, noise: Tensor) -> Tensor:
        """By the sizes of all modes together."""
        u = self._turned(_BASIS.coordinates(x)).flatten(1) - A[:, None] * self.means.mean(0)
        total = (A.square()[:, None] * self.spectrum)[:, None] + noise[..., None]
        return (total.log() + u[:, None].square() / total).mean(2)

    def _turned(self, u: Tensor, *, back: bool = False) -> Tensor:
        """Channels to their principal axes, or back."""
        if len(self.colours) == 1:
            return u
        return torch.einsum("nc...,cd->nd...", u, self.colours.T if back else self.colours)

    def _matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        """V `(N, K R)`, V μ `(N, K R)` and the products of V's columns in pairs `(N, K R (R + 1)/2)`."""
        parts = (self.axes, self.variances, self.means)
        key = tuple((part.data_ptr(), part._version) for part in parts)  # what is fitted or loaded changes it
        if self._kept is None or self._kept[0] != key:
            V = self.axes.transpose(0, 1) * self.variances.sqrt()
            below, across = torch.tril_indices(*2 * (V.shape[2],), device=V.device)
            made = V.flatten(1), (V * self.means.T[..., None]).flatten(1), V[..., below] * V[..., across]
            self._kept = key, (made[0], made[1], made[2].flatten(1))
        return self._kept[1]


def _covariance(items: Tensor) -> Tensor:
    """Of the channels of all pixels, `(channels, channels)`."""
    channels = items.transpose(0, 1).flatten(1)
    return channels.cov(correction=0).reshape(len(channels), -1)


SKETCHES: Mapping[str, type[Sketch]] = {"one": Sketch, "modes": ModalSketch}
"""The kinds of sketch, by what they call `floors`."""
