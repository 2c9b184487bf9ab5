"""A mixture of Gaussians, fitted by expectation-maximisation:

    ln p(z) = logsumexp_k [ln π_k + ln N(z; μ_k, C_k)]

The number of components and the form of their covariances (each its own, one for all, or diagonal) are those
with the least

    BIC = −2 Σ ln p(z) + (number of parameters) ln n

Fits and criterion are scikit-learn's. Where the criterion of a form has risen twice, no larger number is
tried; nor are covariances of their own for components of fewer than 2 d items on average, too few for them;
nor full matrices where a round would take too long.

Source: Dempster, Laird & Rubin 1977; Schwarz 1978, Estimating the dimension of a model.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from unstir.measure.baseline import Baseline

COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_FORMS = {"full": "covariances of their own", "tied": "one covariance", "diag": "diagonal covariances"}
_ROUNDS = 200
_WORK = 1e10  # products in a round, a few seconds


@dataclass(frozen=True)
class MixtureBaseline(Baseline):
    """The Gaussian mixture of least BIC."""

    model: Any  # a fitted sklearn GaussianMixture

    @property
    def note(self) -> str:
        count, form = self.model.n_components, self.model.covariance_type
        short = "" if self.model.converged_ else f", EM stopped after {_ROUNDS} rounds"
        components = "1 component" if count == 1 else f"{count} components"
        components += " (the most tried)" if count == COMPONENTS[-1] else ""
        return f"{components} with {_FORMS[form]}, by BIC{short}"

    @classmethod
    def limit(cls, size: int) -> int | None:
        return max(2_000, 4_000_000 // size)

    @classmethod
    def fit(cls, values: Tensor, seed: int) -> Self:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        z = values.numpy()
        best, least = None, float("inf")
        for form in _FORMS:
            lowest, rises = float("inf"), 0
            for count in COMPONENTS:
                if rises == 2 or not _feasible(form, count, *z.shape):
                    break
                model = GaussianMixture(
                    count, covariance_type=form, max_iter=_ROUNDS, random_state=seed % 2**32
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)  # `note` says so
                    bic = model.fit(z).bic(z)
                if bic < least:
                    best, least = model, bic
                rises = 0 if bic < lowest else rises + 1
                lowest = min(lowest, bic)
        return cls(best)

    def sample(self, n: int, seed: int) -> Tensor:
        model = copy.copy(self.model)
        model.random_state = seed % 2**32
        draws = torch.from_numpy(model.sample(n)[0])
        # They come sorted by component.
        return draws[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]

    def log_density(self, values: Tensor) -> Tensor:
        return torch.from_numpy(self.model.score_samples(values.numpy()))


def _feasible(form: str, count: int, n: int, d: int) -> bool:
    if count == 1:
        return True
    enough = n >= 2 * count * (d if form == "full" else 1)
    return enough and (form == "diag" or count * n * d * d <= _WORK)
