"""Samples of a class, asked of a classifier: the share that it takes for the class that was asked for.

    share_c = #{i : asked_i = c, given_i = c} / #{i : asked_i = c}

The classifier is the one of features=`logits`, trained on real items that the held-out ones are not among.
Its own share of held-out items is what perfect samples would score; above it samples are more typical of
their class than real items are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir.measure._arrays import subset
from unstir.measure.features import feature_space

LARGEST = 10_000  # items that the classifier is trained on
_FEWEST = 5  # items of a class, for it to be learned


@dataclass(frozen=True)
class ClassFigures:
    """One class.

    Attributes:
        name: of the class.
        asked: samples of it that were asked for.
        share: of these, those that the classifier takes for it; None where none were asked for.
        real: the same share of held-out items of the class; None without any.
        mistaken: the class that most of the others are taken for; None where there are no others.
    """

    name: str
    asked: int
    share: float | None
    real: float | None
    mistaken: str | None


@dataclass(frozen=True)
class ClassReport:
    """All classes that the classifier knows.

    Attributes:
        classes: each of them, in order of number.
        share: of all samples, those taken for the class asked for.
        real: the same share of held-out items: the classifier's accuracy.
        asked: samples counted.
    """

    classes: tuple[ClassFigures, ...]
    share: float
    real: float
    asked: int


def measure_classes(
    samples: Tensor,
    asked: Tensor,
    names: Sequence[str],
    train: tuple[Tensor, Tensor],
    heldout: tuple[Tensor, Tensor],
    *,
    seed: int = 0,
) -> ClassReport | None:
    """Whether samples are of the classes that were asked for.

    Args:
        samples: `(n, …)`, in the units and type of the real items.
        asked: class numbers `(n,)`.
        names: of the classes, by number.
        train: real items and their class numbers, which train the classifier; at most 10,000, chosen by the
            seed, of classes with 5 or more.
        heldout: others, which measure it.
        seed: of the choice.

    Returns:
        The report; None where fewer than two classes can be learned, or nothing of them is there to measure.

    Raises:
        InputError: as `feature_space`.
    """
    items, labels = train
    some = subset(torch.arange(len(items)), min(len(items), LARGEST), seed)
    items, labels = items[some], labels[some]
    counts = torch.bincount(labels, minlength=len(names))
    known = counts >= _FEWEST
    if int(known.sum()) < 2:
        return None
    learned = known[labels]
    classify = _classifier(items[learned], labels[learned])
    tables = []
    for values, wanted in ((samples, asked), heldout):
        counted = known[wanted]
        if not bool(counted.any()):
            return None
        tables.append(confusion(wanted[counted], classify(values[counted]), len(names)))
    found, real = tables
    rows = tuple(
        ClassFigures(
            name=names[c],
            asked=int(found[c].sum()),
            share=_share(found, c),
            real=_share(real, c),
            mistaken=_mistaken(found, c, names),
        )
        for c in known.nonzero()[:, 0].tolist()
    )
    shares = [float(table.trace() / table.sum()) for table in tables]
    return ClassReport(rows, shares[0], shares[1], int(found.sum()))


def confusion(asked: Tensor, given: Tensor, classes: int) -> Tensor:
    """How many items asked to be of class r (row) were taken for class c (column), `(classes, classes)`."""
    return torch.bincount(asked * classes + given, minlength=classes**2).reshape(classes, classes)


def _classifier(items: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    space = feature_space("logits", items, labels)
    numbers = torch.bincount(labels).nonzero()[:, 0]

    def classify(values: Tensor) -> Tensor:
        scores = space(values).cpu()
        # Of two classes there is one score, that of the second.
        best = scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()
        found: Tensor = numbers[best]
        return found

    return classify


def _share(table: Tensor, c: int) -> float | None:
    return float(table[c, c] / table[c].sum()) if bool(table[c].any()) else None


def _mistaken(table: Tensor, c: int, names: Sequence[str]) -> str | None:
    others = table[c].clone()
    others[c] = 0
    return names[int(others.argmax())] if bool(others.any()) else None
