"""A table's columns one by one, and the tails of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unstir.compare.page import charts
from unstir.data import Dataset
from unstir.measure.tails import Shadows

_COLUMNS = 12
_BINS = 40
_POINTS = 80
_ENDS = (0.005, 0.995)


def column_charts(
    heldout: Dataset, rows: Mapping[str, Tensor], look: charts.Looks, real: str
) -> Iterator[tuple[str, Any]]:
    """A title and a chart for each of the first twelve columns."""
    categories = heldout.categories or (None,) * heldout.shape[0]
    for i, (column, names) in enumerate(zip(heldout.columns, categories, strict=True)):
        if i == _COLUMNS:
            return
        values = {name: table[:, i].double().numpy() for name, table in rows.items()}
        ours = heldout.values[:, i].double().numpy()
        if names is None:
            low, high = np.quantile(ours, _ENDS)
            edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
            densities = {name: _density(v, edges) for name, v in values.items()}
            yield column, charts.histogram(edges.tolist(), _density(ours, edges), densities, look, real)
        else:
            parts = {name: _shares(v, len(names)) for name, v in values.items()}
            yield column, charts.shares(names, _shares(ours, len(names)), parts, look, real)


def survival(
    rows: Mapping[str, Tensor], heldout: Dataset, seed: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Size and share of rows beyond it, from half of the rows to the last five."""
    categories = heldout.categories or (None,) * heldout.shape[0]
    numbers = [i for i, names in enumerate(categories) if names is None]
    shadows = Shadows.fit(heldout.values[:, numbers], directions=1, seed=seed)
    found = {}
    for name, values in rows.items():
        shares = torch.logspace(np.log10(0.5), np.log10(2 / len(values)), _POINTS, dtype=torch.float64)
        sizes = shadows.sizes(values[:, numbers])[:, 0].numpy()
        found[name] = (np.quantile(sizes, 1 - shares.numpy()).tolist(), shares.tolist())
    return found


def _density(values: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> list[float]:
    counts, _ = np.histogram(values, edges)
    return (counts / len(values) / np.diff(edges)).tolist()  # type: ignore[no-any-return]


def _shares(codes: np.ndarray[Any, Any], count: int) -> list[float]:
    found = np.bincount(codes.astype(int).clip(0, count - 1), minlength=count)
    return (found / len(codes)).tolist()  # type: ignore[no-any-return]
