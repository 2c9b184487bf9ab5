"""All figures of a sample set in one record, each with what it should be read against.

    samples    the model's samples against the reference
    baseline   draws of a Gaussian fitted to the training data (to the reference without any) against it
    floor      real training items against the reference: what a perfect model would score at this n

Each compares the same number n of items, chosen by the seed, in the same feature space, with the same
directions and bandwidth. In `pixels` and `pca:K` the Gaussian has the data's own mean and covariance, so
its Fréchet distance is near the floor by construction: there the other figures tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.measure._arrays import pair, real, subset, whole
from unstir.measure.classes import ClassReport
from unstir.measure.columns import ColumnReport
from unstir.measure.distances import (
    EXACT_LIMIT,
    energy_distance,
    median_bandwidth,
    mmd,
    sliced_wasserstein,
    wasserstein,
)
from unstir.measure.features import FeatureSpace, feature_space
from unstir.measure.frechet import frechet_distance, gaussian_fit
from unstir.measure.manifold import overlap
from unstir.measure.memorisation import memorised


@dataclass(frozen=True)
class Figures:
    """One set against the reference. Distances: smaller is nearer. Overlaps: larger is better.

    Attributes:
        sliced_wasserstein: order 2, in the units of the features.
        energy_distance: unbiased, in the units of the features.
        mmd: squared and unbiased, Gaussian kernel of the evaluation's bandwidth.
        wasserstein: exact, order 2; None where n is above the limit for it.
        frechet_distance: in squared units of the features.
        precision: in [0, 1].
        recall: in [0, 1].
        density: from 0, about 1 for equal laws.
        coverage: in [0, 1].
    """

    sliced_wasserstein: float
    energy_distance: float
    mmd: float
    wasserstein: float | None
    frechet_distance: float
    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        samples: figures of the samples.
        baseline: figures of the Gaussian fit.
        floor: figures of real training items; None without a training set.
        memorisation_ratio: 1 as new as held-out data, 0 copies; None without a training set, or where
            held-out items are copies of training items themselves.
        memorisation_share: share of samples nearer to the training set than the median held-out item;
            about 0.5 for new ones, 1 for copies; None without a training set.
        features: name of the feature space of all figures but the memorisation, which is in raw values.
        features_note: what to know of it.
        baseline_fit: `train` or `reference`, the set the Gaussian was fitted to.
        n: items of each set compared.
        n_samples: samples given.
        n_reference: reference items given.
        n_train: training items given, 0 without.
        bandwidth: of the MMD's kernel, in the units of the features.
        k: of the balls of precision, recall, density and coverage.
        projections: of the sliced Wasserstein distance.
        seed: of subsets, directions and the baseline's draws.
        columns: of a table, column by column; None for others, and where it was not asked.
        classes: whether samples are of the classes asked for; None where it was not asked.
    """

    samples: Figures
    baseline: Figures
    floor: Figures | None
    memorisation_ratio: float | None
    memorisation_share: float | None
    features: str
    features_note: str
    baseline_fit: str
    n: int
    n_samples: int
    n_reference: int
    n_train: int
    bandwidth: float
    k: int
    projections: int
    seed: int
    columns: ColumnReport | None = None
    classes: ClassReport | None = None

    def to_dict(self) -> dict[str, object]:
        """Numbers, strings, None and nested dicts of them, ready for `json.dumps`."""
        return asdict(self)


def evaluate(
    samples: Tensor,
    reference: Tensor,
    *,
    train: Tensor | None = None,
    labels: Tensor | None = None,
    features: str | Callable[[Tensor], Tensor] | FeatureSpace = "pixels",
    limit: int = 5_000,
    exact_limit: int = 2_000,
    projections: int = 500,
    k: int = 5,
    seed: int = 0,
) -> Evaluation:
    """Measure `samples` against held-out real items, beside a Gaussian baseline and a floor of real data.

    Args:
        samples: `(n, ...)`, in the same units and type as the reference: a Dataset's values. Images as
            uint8 count as value/255.
        reference: real items that the model never saw, `(m, ...)`.
        train: what the model was trained on; brings the floor and the memorisation.
        labels: class numbers of the reference `(m,)`, for features='logits'.
        features: as in `feature_space`, which is fitted to the reference, or a space already fitted.
        limit: at most this many items of each set are compared; all sets are cut to the smallest.
        exact_limit: up to this n, at most 5,000, the exact Wasserstein distance is worked out too.
        projections: directions of the sliced Wasserstein distance.
        k: neighbours of precision, recall, density and coverage.
        seed: the same seed and sets give the same figures.

    Raises:
        InputError: items of different shape or type, no more than k of them, values that are not finite, a
            limit out of range, or as in `feature_space`.
    """
    whole(limit, "limit", least=whole(k, "k") + 1)
    if whole(exact_limit, "exact_limit", least=0) > EXACT_LIMIT:
        raise InputError(f"exact_limit={exact_limit}: exact transport takes at most {EXACT_LIMIT} items")
    _same_type(samples, reference, "samples")
    if train is not None:
        _same_type(train, reference, "train")
    given = {"samples": samples, "reference": reference} | ({} if train is None else {"train": train})
    for name, values in given.items():
        real(values, name, least=k + 1)
    n = min(limit, *(len(values) for values in given.values()))
    space = features if isinstance(features, FeatureSpace) else feature_space(features, reference, labels)
    fit = gaussian_fit(reference if train is None else train)

    target = space(subset(reference, n, seed))
    bandwidth = median_bandwidth(target)

    def figures(values: Tensor) -> Figures:
        found = space(values).to(target.device)
        inside = overlap(found, target, k=k)
        return Figures(
            sliced_wasserstein=sliced_wasserstein(found, target, projections=projections, seed=seed),
            energy_distance=energy_distance(found, target),
            mmd=mmd(found, target, bandwidth=bandwidth),
            wasserstein=wasserstein(found, target) if n <= exact_limit else None,
            frechet_distance=frechet_distance(found, target),
            **inside._asdict(),
        )

    copied = None if train is None else memorised(subset(samples, n, seed), train, subset(reference, n, seed))
    return Evaluation(
        samples=figures(subset(samples, n, seed)),
        baseline=figures(fit.sample(n, seed)),
        floor=None if train is None else figures(subset(train, n, seed)),
        memorisation_ratio=None if copied is None else copied.ratio,
        memorisation_share=None if copied is None else copied.share,
        features=space.name,
        features_note=space.note,
        baseline_fit="reference" if train is None else "train",
        n=n,
        n_samples=len(samples),
        n_reference=len(reference),
        n_train=0 if train is None else len(train),
        bandwidth=bandwidth,
        k=k,
        projections=projections,
        seed=seed,
    )


def _same_type(values: Tensor, reference: Tensor, name: str) -> None:
    """Bytes on both sides or on neither: 0..255 beside 0..1 would be a silent error of units."""
    pair(values[:1], reference[:1], (name, "reference"))
    if (values.dtype == torch.uint8) != (reference.dtype == torch.uint8):
        raise InputError(
            f"{name} is {values.dtype}, reference {reference.dtype}: give both as uint8, or both as floats"
        )
