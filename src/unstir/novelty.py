"""Quality against novelty: where the exact field, the field of patches and a trained one stand.

    novelty    median distance to the nearest training image, over that of held-out images: 0 copies, 1 as new
    quality    the Fréchet distance to held-out images in a feature space: less is better

The exact field gives its data back: best quality, no novelty. One that makes noise has the opposite. Held-out
images show what real and new ones score, training images what copies do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unstir import untrained
from unstir.data import Dataset
from unstir.errors import InputError
from unstir.measure import FeatureSpace, feature_space, frechet_distance, nearest
from unstir.physics import LinearProcess, Process, parse

if TYPE_CHECKING:
    from unstir.run import Run

PROCESS = "poisson:D=128"  # where nobody says
LEAST = 20  # held-out images to compare with, and again as many to place beside
_FITTED = 10_000  # training images that the feature space is fitted to
_SHOWN = 12
_DRAWS = 100
_WIDEST = 64  # features up to which intervals are worked out


@dataclass(frozen=True)
class Place:
    """Where one set of images stands.

    Attributes:
        name: of the field, or of real images.
        real: whether they are real.
        frechet: the distance to held-out images, squared units of the features.
        frechet_low: 2.5 % of its bootstrap; None in a wide feature space.
        frechet_high: 97.5 %.
        novelty: the median, 1 as new as held-out images.
        novelty_low: a quarter of the images lie below.
        novelty_high: and a quarter above.
        share: of images nearer to the training set than the median held-out image.
        copies: share of images that differ from a training image by less than 1 % of the full range.
    """

    name: str
    real: bool
    frechet: float
    frechet_low: float | None
    frechet_high: float | None
    novelty: float
    novelty_low: float
    novelty_high: float
    share: float
    copies: float


@dataclass(frozen=True)
class Novelty:
    """What `compare_novelty` found.

    Attributes:
        places: fields first, then real images.
        shown: of each place some images, uint8 `(n, channels, height, width)`, and those of the training set
            nearest to them.
        features: the feature space.
        features_note: what to know of it.
        process: of the exact field and that of patches.
        n: images of each.
        n_train: training images.
        n_heldout: held-out images that all are compared with.
        seed: of everything drawn.
    """

    places: tuple[Place, ...]
    shown: dict[str, tuple[Tensor, Tensor]]
    features: str
    features_note: str
    process: str
    n: int
    n_train: int
    n_heldout: int
    seed: int

    def to_dict(self) -> dict[str, object]:
        """All figures, ready for `json.dumps`."""
        found = asdict(replace(self, shown={}))
        del found["shown"]
        return found


def compare_novelty(
    train: Dataset,
    heldout: Dataset,
    *,
    run: Run | None = None,
    process: str | None = None,
    n: int = 200,
    features: str | None = None,
    seed: int = 0,
    watch: Callable[[str], None] | None = None,
) -> Novelty:
    """Draw from the exact field and that of patches, and from a run where there is one, and place them.

    Args:
        train: images that the fields are made of; those that the run was trained on.
        heldout: others. One half is compared with, the other placed beside.
        run: trained on the same images.
        process: of the fields without training, by default the run's where it is linear.
        n: images of each, cut to half of those held out.
        features: as in `feature_space`; by default `logits` where there are labels, `pca:16` where not.
        seed: of samples and intervals.
        watch: called with the name of each stage as it begins.

    Raises:
        InputError: data that are not images or too few, or a run of other images.
    """
    _check(train, heldout, run)
    say = watch or (lambda stage: None)
    name = process or (run.process.name if run is not None and _linear(run.process) else PROCESS)
    half = len(heldout) // 2
    reference, others = heldout.values[:half], heldout.values[half:]
    n = min(n, len(others), len(train))
    yardstick = float(nearest(reference, train.values)[1].median())
    if not yardstick > 0:
        raise InputError(
            "data: held-out images are copies of training images; there is no novelty to measure"
        )
    say("features")
    space = _space(train, features)
    sets: dict[str, tuple[Tensor, bool]] = {}
    for kind, make in (("exact", untrained.exact), ("local", untrained.local)):
        say(kind)
        sets[kind] = (make(name, train).sample(n, seed=seed), False)
    if run is not None:
        title = f"run {run.path.resolve().name}"  # which may be called as its data are
        say(title)
        sets[title] = (run.sample(n, seed=seed), False)
    sets |= {"held-out images": (others[:n], True), "training images": (train.values[:n], True)}
    say("distances")
    target, places, shown = space(reference), [], {}
    for title, (images, real) in sets.items():
        index, distance = nearest(images, train.values)
        shown[title] = images[:_SHOWN], train.values[index[:_SHOWN]]
        found = space(images)
        low, high = _interval(found, target, seed)
        quartiles = torch.quantile(distance / yardstick, torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
        places.append(
            Place(
                name=title,
                real=real,
                frechet=frechet_distance(found, target),
                frechet_low=low,
                frechet_high=high,
                novelty=float(quartiles[1]),
                novelty_low=float(quartiles[0]),
                novelty_high=float(quartiles[2]),
                share=float((distance < yardstick).double().mean()),
                copies=float((distance < 0.01 * images[0].numel() ** 0.5).double().mean()),
            )
        )
    return Novelty(
        places=tuple(places),
        shown=shown,
        features=space.name,
        features_note=space.note,
        process=name,
        n=n,
        n_train=len(train),
        n_heldout=half,
        seed=seed,
    )


def conclusion(found: Novelty) -> list[str]:
    """What the figures say, a sentence a field."""
    floor = next(place for place in found.places if place.name == "held-out images")
    lines = []
    for place in found.places:
        if place.real:
            continue
        new = (
            f"{100 * place.copies:.0f} % of its images are copies of training images"
            if place.copies >= 0.5
            else f"its images are {place.novelty:.2f} times as far from the training set as held-out ones"
        )
        lines.append(f"{place.name}: {new}; its Fréchet distance {_against(place, floor)}.")
    return lines


def _against(place: Place, floor: Place) -> str:
    """How a Fréchet distance compares with that of held-out images, where noise allows to say."""
    if floor.frechet_high is not None and (place.frechet_low or 0.0) <= floor.frechet_high:
        return "is within noise of that of real images"
    return f"is {place.frechet / max(floor.frechet, 1e-12):.1f} times that of real images"


def _check(train: Dataset, heldout: Dataset, run: Run | None) -> None:
    if heldout.kind != "image":
        raise InputError(f"data {heldout.name}: are no images, which novelty is drawn for; give images")
    if len(heldout) < 2 * LEAST or len(train) < LEAST:
        raise InputError(
            f"data {heldout.name}: {len(train)} images to train on and {len(heldout)} held out are too few; "
            f"give {LEAST} and {2 * LEAST} or more"
        )
    if run is not None and heldout.shape != run.info.shape:
        raise InputError(f"run {run.path}: makes items of {run.info.shape}, the data hold {heldout.shape}")


def _linear(process: Process) -> bool:
    return isinstance(process, LinearProcess) and isinstance(parse(process.name), LinearProcess)


def _space(train: Dataset, features: str | None) -> FeatureSpace:
    labelled = train.labels is not None and len(train.label_names) > 1
    few = train.select(torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:_FITTED])
    most = min(16, len(few), few.values[0].numel())
    return feature_space(features or ("logits" if labelled else f"pca:{most}"), few.values, few.labels)


def _interval(found: Tensor, target: Tensor, seed: int) -> tuple[float, float] | tuple[None, None]:
    """Of the Fréchet distance: the figure, and the quantiles of draws with replacement less their mean."""
    if found.shape[1] > _WIDEST:
        return None, None
    generator = torch.Generator().manual_seed(seed)
    draws = []
    for _ in range(_DRAWS):
        a, b = (part[torch.randint(len(part), (len(part),), generator=generator)] for part in (found, target))
        draws.append(frechet_distance(a, b))
    ends = torch.quantile(torch.tensor(draws), torch.tensor([0.025, 0.975])) - sum(draws) / len(draws)
    low, high = (frechet_distance(found, target) + ends).clamp_min(0).tolist()
    return low, high


def names(places: Sequence[Place]) -> tuple[list[str], list[str]]:
    """Those of fields, and those of real images."""
    return [p.name for p in places if not p.real], [p.name for p in places if p.real]
