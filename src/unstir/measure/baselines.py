"""What the field did before: tractable laws side by side with real data, on the figures of `evaluate`.

    gaussian    one Gaussian of full covariance
    mixture     a Gaussian mixture, components by BIC
    ppca        probabilistic principal components, their number by held-out likelihood
    kde         a kernel on every training item, bandwidth by held-out likelihood

Each is fitted to the training data alone. A physics is worth its training where its column beats theirs. Mind
the novelty of `kde`: it repeats training items with noise on them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from torch import Tensor

from unstir.data import Dataset
from unstir.errors import InputError
from unstir.measure._arrays import subset, whole
from unstir.measure.baseline import FEWEST, Baseline, FittedLaw, fit_law
from unstir.measure.baseline_gaussian import GaussianBaseline
from unstir.measure.baseline_kde import KernelBaseline
from unstir.measure.baseline_mixture import MixtureBaseline
from unstir.measure.baseline_ppca import PPCABaseline
from unstir.measure.features import FeatureSpace, feature_space
from unstir.measure.memorisation import memorised
from unstir.measure.report import Figures, evaluate

LAWS: dict[str, type[Baseline]] = {
    "gaussian": GaussianBaseline,
    "mixture": MixtureBaseline,
    "ppca": PPCABaseline,
    "kde": KernelBaseline,
}
_COMPARED = 5_000  # items of each set, at most, as in `evaluate`
_SCORED = 2_000  # held-out items, at most, whose density is asked


@dataclass(frozen=True)
class BaselineFigures:
    """What one baseline reached.

    Attributes:
        name: as in `LAWS`.
        note: what was chosen, from how many items, and why there is no density, if so.
        figures: of its samples against the held-out items.
        memorisation_ratio: as in `Evaluation`; None where held-out items are copies of training items.
        nats_per_dimension: mean ln p of held-out items over d, in the data's units (grey levels for images,
            dequantised); None where the law has no density.
        bits_per_dimension: −nats_per_dimension / ln 2, for images: an upper bound on the bits per pixel and
            channel; None for tables.
        seconds: that fit, draws and density took, without the figures.
    """

    name: str
    note: str
    figures: Figures
    memorisation_ratio: float | None
    nats_per_dimension: float | None
    bits_per_dimension: float | None
    seconds: float


@dataclass(frozen=True)
class BaselineReport:
    """All baselines beside real data.

    Attributes:
        models: one record each, in the order asked for.
        floor: figures of real training items against the held-out ones.
        features: name of the feature space.
        features_note: what to know of it.
        n: items of each set compared.
        n_train: training items given.
        n_heldout: held-out items given.
        n_scored: held-out items whose density was asked.
        dimensions: d, values of one item.
        dequantised: whether the values were bytes, made continuous by uniform noise for fit and density.
        seed: of all draws.
    """

    models: tuple[BaselineFigures, ...]
    floor: Figures
    features: str
    features_note: str
    n: int
    n_train: int
    n_heldout: int
    n_scored: int
    dimensions: int
    dequantised: bool
    seed: int

    def to_dict(self) -> dict[str, object]:
        """Numbers, strings, None, and nested dicts and tuples of them, ready for `json.dumps`."""
        return asdict(self)


def law_names(model: str = "all") -> tuple[str, ...]:
    """The baselines that `model` names: one of `LAWS`, several with commas between, or `all`.

    Raises:
        InputError: an unknown name.
    """
    names = tuple(LAWS) if model == "all" else tuple(dict.fromkeys(model.split(",")))
    for name in names:
        if name not in LAWS:
            raise InputError(f"model={name!r} is unknown: give {', '.join(LAWS)} or all")
    return names


def fit(model: str, data: Dataset, seed: int = 0) -> FittedLaw:
    """Fit the baseline called `model` to a data set.

    Raises:
        InputError: an unknown name, fewer than 20 items, or a column of one value only.
    """
    if model not in LAWS:
        raise InputError(f"model={model!r} is unknown: give one of {', '.join(LAWS)}")
    return fit_law(LAWS[model], data, seed)


def compare_baselines(
    train: Dataset,
    heldout: Dataset,
    *,
    model: str = "all",
    n: int = 1000,
    features: str | FeatureSpace = "pixels",
    seed: int = 0,
    watch: Callable[[str, Tensor | None], None] | None = None,
) -> BaselineReport:
    """Fit baselines to `train`, and measure their samples and densities on `heldout`.

    The figures of `n` samples of the same seed are those that `evaluate` gives them.

    Args:
        train: what they are fitted to; the slower ones to a part of it, as their notes say.
        heldout: what they are measured on.
        model: as in `law_names`.
        n: samples to draw of each; all sets are cut to the smallest.
        features: as in `feature_space`.
        seed: of everything random.
        watch: called with each model's name and None before its fit, and with its samples after.

    Raises:
        InputError: fewer than 20 items in either set, items of another shape, an unknown name, or as in
            `evaluate`.
    """
    names = law_names(model)
    whole(n, "n", least=6)  # more than the 5 neighbours of precision and recall
    if min(len(train), len(heldout)) < FEWEST:
        raise InputError(
            f"data {train.name}: {len(train)} items to fit and {len(heldout)} held out are too few to "
            f"compare; give at least {FEWEST} of each"
        )
    if train.shape != heldout.shape:
        raise InputError(f"train has items of shape {train.shape}, heldout of {heldout.shape}: reshape one")
    space = features
    if not isinstance(space, FeatureSpace):
        space = feature_space(space, heldout.values, heldout.labels)
    compared = min(n, len(train), len(heldout), _COMPARED)
    reference = subset(heldout.values, compared, seed)
    scored = subset(heldout.values, min(len(heldout), _SCORED), seed)

    def figures(values: Tensor) -> Figures:
        return evaluate(values, reference, features=space, seed=seed).samples

    def measured() -> Iterator[BaselineFigures]:
        for name in names:
            if watch:
                watch(name, None)
            start = time.perf_counter()
            law = fit_law(LAWS[name], train, seed)
            samples = law.sample(n, seed)
            nats, note = _nats(law, scored, seed)
            seconds = time.perf_counter() - start
            if watch:
                watch(name, samples)
            novelty = memorised(subset(samples, compared, seed), train.values, reference).ratio
            bits = None if nats is None or heldout.kind != "image" else -nats / math.log(2)
            yield BaselineFigures(name, note, figures(samples), novelty, nats, bits, seconds)

    return BaselineReport(
        models=tuple(measured()),
        floor=figures(subset(train.values, compared, seed)),
        features=space.name,
        features_note=space.note,
        n=compared,
        n_train=len(train),
        n_heldout=len(heldout),
        n_scored=len(scored),
        dimensions=heldout.values[0].numel(),
        dequantised=heldout.kind == "image",
        seed=seed,
    )


def _nats(law: FittedLaw, values: Tensor, seed: int) -> tuple[float | None, str]:
    """Mean log-density over the number of dimensions, and the law's note."""
    try:
        density = law.log_density(values, seed)
    except InputError as error:
        return None, f"{law.note}; {error}"
    return float(density.mean()) / values[0].numel(), law.note


__all__ = [
    "LAWS",
    "Baseline",
    "BaselineFigures",
    "BaselineReport",
    "FittedLaw",
    "compare_baselines",
    "fit",
    "law_names",
]
