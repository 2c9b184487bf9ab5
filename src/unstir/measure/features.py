"""The space in which sample sets are compared, named by the user and fitted to the reference.

    pixels     the values themselves; images as value/255
    standard   each value less its mean, over its standard deviation: for tables of mixed units
    pca:K      the first K principal components, in the data's own units (not whitened)
    logits     the class scores, before the softmax, of a small network trained here on the labels

Libraries fit; the spaces themselves are plain tensor arithmetic on the device of what they are given.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._arrays import real, rows

if TYPE_CHECKING:
    import numpy as np

KNOWN = ("pixels", "standard", "pca:K", "logits")
_BATCH = 1024
_SEED = 0
_HIDDEN = 128
_UPDATES = 2_000


@dataclass(frozen=True)
class FeatureSpace:
    """A map from items to feature rows.

    Attributes:
        name: what the user called it.
        note: what to know of it, in a few words, such as the classifier's accuracy.
        function: floats `(n, ...)` to features `(n, ...)`.
        shape: the shape of the items it takes.
    """

    name: str
    note: str
    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]

    def __call__(self, values: Tensor) -> Tensor:
        """Features `(n, d)` of `values` `(n, *shape)`, float or uint8, worked out 1,024 items at a time.

        Raises:
            InputError: items of another shape, values or features not finite, features not one row an item.
        """
        if tuple(values.shape[1:]) != self.shape:
            raise InputError(
                f"values has items of shape {tuple(values.shape[1:])}, features={self.name!r} was fitted to"
                f" {self.shape}: reshape them"
            )
        parts = []
        with torch.no_grad():
            for block in torch.split(real(values, "values"), _BATCH):
                part = self.function(block)
                if not isinstance(part, Tensor) or part.ndim == 0 or len(part) != len(block):
                    raise InputError(
                        f"features={self.name!r} must return a tensor with one row for each item"
                    )
                parts.append(rows(part, f"features={self.name!r}"))
        return torch.cat(parts)


def feature_space(
    name: str | Callable[[Tensor], Tensor], reference: Tensor, labels: Tensor | None = None
) -> FeatureSpace:
    """The feature space called `name`, fitted to `reference`.

    Args:
        name: `pixels`, `standard`, `pca:K`, `logits`, or any function of floats `(n, ...)` to `(n, d)`.
        reference: the items it is fitted to, `(n, ...)`; uint8 counts as value/255.
        labels: class numbers `(n,)`; only `logits` needs them. A fifth is held out to report its accuracy.

    Raises:
        InputError: an unknown name, K outside 1 .. min(n, d), no labels or too few of a class for `logits`,
            or values that are not finite.
    """
    values = real(reference, "reference", least=2)
    shape = tuple(values.shape[1:])
    if not isinstance(name, str):
        title = str(getattr(name, "__name__", type(name).__name__))
        return FeatureSpace(title, "given by the caller", name, shape)
    if name == "pixels":
        return FeatureSpace(name, "the values themselves", _itself, shape)
    if name == "standard":
        mean, scale = _scales(rows(values, "reference"))
        note = "each value over its standard deviation"
        return FeatureSpace(name, note, partial(_standardise, mean, scale), shape)
    if name == "logits":
        function, note = _logits(values, labels)
        return FeatureSpace(name, note, function, shape)
    kind, _, count = name.partition(":")
    if kind == "pca":
        function, note = _pca(rows(values, "reference"), name, count)
        return FeatureSpace(name, note, function, shape)
    raise InputError(f"features={name!r} is unknown: give one of {', '.join(KNOWN)}, or a function")


@dataclass(frozen=True)
class _Layers:
    """x W + b for each (W, b) in turn, with max(0, ·) between them."""

    layers: tuple[tuple[Tensor, Tensor], ...]

    def __call__(self, x: Tensor) -> Tensor:
        x = rows(x, "values").double()
        for depth, (weight, bias) in enumerate(self.layers):
            x = (x.relu() if depth else x) @ weight.to(x.device) + bias.to(x.device)
        return x


def _itself(x: Tensor) -> Tensor:
    return x


def _standardise(mean: Tensor, scale: Tensor, x: Tensor) -> Tensor:
    return (rows(x, "values").double() - mean.to(x.device)) / scale.to(x.device)


def _scales(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column, 1 where a column is constant."""
    from sklearn.preprocessing import StandardScaler

    fit = StandardScaler().fit(_array(x))
    return torch.as_tensor(fit.mean_), torch.as_tensor(fit.scale_)


def _pca(x: Tensor, name: str, count: str) -> tuple[_Layers, str]:
    import numpy as np
    from sklearn.decomposition import PCA

    most = min(x.shape)
    if not (count.isascii() and count.isdigit() and 1 <= int(count) <= most):
        raise InputError(
            f"features={name!r}: K in pca:K is a whole number from 1 to {most} for this reference"
        )
    with np.errstate(invalid="ignore"):  # items all alike: 0/0 in the share, mended below
        fit = PCA(int(count), random_state=_SEED).fit(_array(x))
    axes, mean = torch.as_tensor(fit.components_), torch.as_tensor(fit.mean_)
    share = float(fit.explained_variance_ratio_.sum()) if float(x.double().var(0).sum()) > 0 else 1.0
    return _Layers(((axes.T, -(axes @ mean)),)), f"{share:.1%} of the variance"


def _logits(values: Tensor, labels: Tensor | None) -> tuple[_Layers, str]:
    """One hidden layer of 128, about 2,000 updates of Adam; an image has one scale, a column its own."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn needs it

    x, y = rows(values, "reference"), _classes(labels, len(values))
    mean, scale = _scales(x)
    if values.ndim > 2:
        mean, scale = x.double().mean().expand_as(mean), x.double().std().expand_as(scale).clamp_min(1e-12)
    inner, held, inner_y, held_y = train_test_split(
        _array((x.double().cpu() - mean.cpu()) / scale.cpu()),
        y,
        test_size=0.2,
        random_state=_SEED,
        stratify=y,
    )
    epochs = max(5, round(_UPDATES * min(200, len(inner)) / len(inner)))
    network = MLPClassifier((_HIDDEN,), max_iter=epochs, random_state=_SEED)
    # One thread: the products are small, and two threads on a busy machine take ten times as long.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the accuracy says whether it was enough
        network.fit(inner, inner_y)
    accuracy = float(network.score(held, held_y))
    first, *rest = (
        (torch.as_tensor(w), torch.as_tensor(b))
        for w, b in zip(network.coefs_, network.intercepts_, strict=True)
    )
    mean, scale = mean.cpu(), scale.cpu()
    scaled = (first[0] / scale[:, None], first[1] - (mean / scale) @ first[0])
    return _Layers((scaled, *rest)), f"held-out accuracy {accuracy:.3f} on {len(held)} items"


def _classes(labels: Tensor | None, n: int) -> np.ndarray:
    import numpy as np

    if labels is None:
        raise InputError("labels=None: features='logits' trains on labels; give them, or take pca:50")
    y: np.ndarray = torch.as_tensor(labels).cpu().numpy()
    if y.shape != (n,):
        raise InputError(
            f"labels has shape {y.shape}: give one class number for each of {n} items of reference"
        )
    names, counts = np.unique(y, return_counts=True)
    if len(names) < 2 or counts.min() < 5:
        raise InputError(
            f"labels has {len(names)} classes, {counts.min()} items in the smallest: features='logits' needs"
            " 2 classes and 5 items of each; drop the small ones, or take pca:50"
        )
    return y


def _array(x: Tensor) -> np.ndarray:
    array: np.ndarray = x.double().cpu().numpy()
    return array
