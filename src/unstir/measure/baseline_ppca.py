"""Probabilistic principal components: z = W s + μ + ε, s of q dimensions, ε isotropic, so C = WWᵀ + σ²I.

With the eigenvectors V and eigenvalues λ of the data's covariance and y = Vᵀ(z − μ),

    σ² = the mean of λ_{q+1}, λ_{q+2}, …
    ln p(z) = −½ [Σ_{i≤q} (ln λ_i + y_i²/λ_i) + (d−q) ln σ² + Σ_{i>q} y_i²/σ² + d ln 2π]

The fit is scikit-learn's, whose λ are min(n, d) in number. One decomposition a fold gives the held-out
likelihood of every q at once, by sums along the spectrum, so that q is chosen among all.

Source: Tipping & Bishop 1999, Probabilistic principal component analysis, eq. 5-8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from unstir.measure.baseline import Baseline

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

_FOLDS = 3


@dataclass(frozen=True)
class PPCABaseline(Baseline):
    """A Gaussian of `q` directions and one noise for all others."""

    model: Any  # a fitted sklearn PCA
    q: int

    @property
    def note(self) -> str:
        return f"{self.q} of {self.model.n_features_in_} components, by the likelihood of {_FOLDS} folds"

    @classmethod
    def limit(cls, size: int) -> int | None:
        return max(2_000, 20_000_000 // size)

    @classmethod
    def fit(cls, values: Tensor, seed: int) -> Self:
        import numpy as np
        from sklearn.decomposition import PCA
        from sklearn.model_selection import KFold

        z = values.numpy()
        folds = KFold(_FOLDS, shuffle=True, random_state=seed % 2**32).split(z)
        scores = [held_out_scores(z[train], z[test]) for train, test in folds]
        shortest = min(map(len, scores))
        q = 1 + int(np.sum([score[:shortest] for score in scores], 0).argmax())
        return cls(PCA(q, svd_solver="full").fit(z), q)

    def sample(self, n: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        d = self.model.n_features_in_
        # WWᵀ takes from each eigenvalue what the isotropic noise brings.
        spread = torch.from_numpy(self.model.explained_variance_ - self.model.noise_variance_).clamp(min=0)
        W = torch.from_numpy(self.model.components_).T * spread.sqrt()
        s = torch.randn(n, self.q, dtype=torch.float64, generator=generator)
        noise = torch.randn(n, d, dtype=torch.float64, generator=generator)
        return torch.from_numpy(self.model.mean_) + s @ W.T + math.sqrt(self.model.noise_variance_) * noise

    def log_density(self, values: Tensor) -> Tensor:
        return torch.from_numpy(self.model.score_samples(values.numpy()))


def held_out_scores(train: Array, test: Array) -> Array:
    """Mean log-likelihood of `test` in nats under the fits to `train` with q = 1, 2, ... components."""
    import numpy as np
    from sklearn.decomposition import PCA

    full = PCA(svd_solver="full").fit(train)
    d = train.shape[1]
    lam = full.explained_variance_
    lam = lam[lam > 1e-12 * lam[0]]
    centred = test - full.mean_
    power = ((centred @ full.components_[: len(lam)].T) ** 2).mean(0)
    rest = (centred**2).sum(1).mean() - np.cumsum(power)  # outside the first q directions
    q = np.arange(1, max(len(lam), 2))
    if len(lam) == 1:  # one direction only: nothing to choose
        return np.zeros(1)
    noise = np.cumsum(full.explained_variance_[::-1])[::-1][q] / (len(full.explained_variance_) - q)
    inside = np.cumsum(np.log(lam) + power / lam)[q - 1]
    scores: Array = -0.5 * (
        inside + (d - q) * np.log(noise) + rest[q - 1] / noise + d * math.log(2 * math.pi)
    )
    return scores
