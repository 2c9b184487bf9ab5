"""Samples compared with held-out data, whatever kind of data they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unstir.data import Dataset
from unstir.data.columns import measurable

if TYPE_CHECKING:
    from unstir.measure import Evaluation, FeatureSpace, TextEvaluation


def compare(
    samples: Tensor,
    train: Dataset,
    heldout: Dataset,
    *,
    features: str | FeatureSpace = "pixels",
    seed: int = 0,
    asked: Tensor | None = None,
    names: Sequence[str] = (),
) -> Evaluation | TextEvaluation:
    """`measure.evaluate` of samples against held-out data; `measure.evaluate_text` where they are text.

    A table with categories is compared by coordinates (`measurable`), to which `features` is fitted too, and
    every table column by column beside. Where samples were `asked` to be of classes, `(n,)` numbers of
    `names`, a classifier says whether they are (`measure_classes`).
    """
    from unstir.measure import compare_columns, evaluate, evaluate_text, measure_classes

    if heldout.kind == "text":
        return evaluate_text(samples, heldout.values, train.values, seed)
    sets = [measurable(part, train) for part in (train.holding(samples), heldout, train)]
    evaluation = evaluate(
        sets[0].values,
        sets[1].values,
        train=sets[2].values,
        labels=heldout.labels,
        features=features,
        seed=seed,
    )
    pairs = [_numbered(part, names) for part in (train, heldout)]
    if asked is not None and pairs[0] is not None and pairs[1] is not None:
        (ours, of), (theirs, theirs_of) = (
            (measurable(part, train).values, numbers) for part, numbers in (pairs[0], pairs[1])
        )
        found = measure_classes(sets[0].values, asked, names, (ours, of), (theirs, theirs_of), seed=seed)
        evaluation = replace(evaluation, classes=found)
    if heldout.kind != "table":
        return evaluation
    note = evaluation.features_note
    return replace(
        evaluation,
        features_note=note if sets[1] is heldout else f"{note}, of standardised columns and categories",
        columns=compare_columns(samples, heldout, train.values, seed=seed),
    )


def _numbered(data: Dataset, names: Sequence[str]) -> tuple[Dataset, Tensor] | None:
    """The items of the classes `names`, whatever their numbers were, and their numbers among these."""
    if data.labels is None:
        return None
    rank = {name: number for number, name in enumerate(names)}
    numbers = torch.tensor([rank.get(name, -1) for name in data.label_names])[data.labels]
    index = (numbers >= 0).nonzero()[:, 0]
    return (data.select(index), numbers[index]) if len(index) else None
