"""Samples to files, each written whole or not at all.

    .npz               `samples`: images (n, h, w) or (n, h, w, 3) as uint8, tables float32; `labels` if any;
                       of signals float32 (n, channels, length) and `kind`, the text `signal`;
                       of a table with categories the codes, with `columns` and the names `categories_J` of
                       column J
    .png               a grid of images, a scatter of a table of two columns, or the first 16 signals
    .csv  .parquet     tables, with the columns' names and categories as text
    .parquet           images as `datasets` lays them out: `image` {bytes, path}, and `label` if any
    .txt               text, one item a line
    .zip               images 000000.png, 000001.png, ...; with labels, in a sub-folder for each
    no ending          a folder of the same files

Each is written under a temporary name beside its target, synced to disk and renamed. A folder must be new or
empty; a file is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from unstir.data.categories import Names
from unstir.data.csv_lines import check_names
from unstir.data.dataset import Dataset, Kind
from unstir.data.formats import Format, format_of
from unstir.data.target import check_target
from unstir.data.whole import write_whole
from unstir.errors import InputError


def save_samples(
    path: str | os.PathLike[str],
    values: Tensor,
    labels: Tensor | None = None,
    kind: Kind | None = None,
    *,
    columns: Sequence[str] = (),
    categories: Sequence[Names] = (),
    label_names: Sequence[str] = (),
) -> Path:
    """Write samples in the format that the path's ending names.

    Args:
        path: the target; missing folders above it are made.
        values: images uint8 `(n, 1 or 3, height, width)`, a table of floats `(n, columns)`, signals
            `(n, channels, length)`, or text as int32 code points `(n, length)`, in data units.
        labels: class numbers `(n,)`; tables in .csv and .parquet take none, a grid does not show them.
        kind: `image`, `table`, `signal` or `text`; told by shape and dtype without.
        columns: a table's column names; `x0, x1, ...` without.
        categories: for each column its category names, or None; see `Dataset.categories`.
        label_names: of the classes, for .parquet of images.

    Returns:
        The path written.

    Raises:
        InputError: values of another kind, a format that cannot hold them, or a place that cannot be written.
    """
    kind = _check_values(values, labels, kind)
    path = check_target(path, values.shape, labelled=labels is not None, kind=kind)
    if kind == "table":
        columns = tuple(columns) or tuple(f"x{i}" for i in range(values.shape[1]))
        check_names(columns, "columns")
        if len(columns) != values.shape[1]:
            raise InputError(
                f"columns={list(columns)}: the table has {values.shape[1]}, give a name for each"
            )
        if len(categories) not in (0, len(columns)):
            raise InputError(
                f"categories of {len(categories)} columns: the table has {len(columns)}, give each"
            )
    samples = Dataset(
        "samples", kind, values.detach().cpu(), labels, tuple(label_names), tuple(columns),
        categories=tuple(categories),
    )  # fmt: skip
    write_samples(path, format_of(path, samples.select(torch.arange(0))), samples)
    return path


def write_samples(path: Path, form: Format, samples: Dataset) -> None:
    """Write samples that fit a format to a place that has been checked.

    Raises:
        InputError: the disk is full, or takes no such file.
    """
    packed = form.pack(samples, 0)
    write_whole(path, lambda target: form.join([partial(BytesIO, packed)], len(samples), target))


def _check_values(values: Tensor, labels: Tensor | None, kind: Kind | None) -> Kind:
    """The kind of values that can be written."""
    what = f"samples of {values.dtype} and shape {tuple(values.shape)}"
    image = values.ndim == 4 and values.dtype == torch.uint8 and values.shape[1] in (1, 3)
    table = values.ndim == 2 and values.dtype.is_floating_point
    signal = values.ndim == 3 and values.dtype.is_floating_point
    text = values.ndim == 2 and values.dtype == torch.int32
    if not values.numel() or not (image or table or signal or text):
        raise InputError(
            f"{what}: give uint8 images (n, 1 or 3, h, w), a table of floats (n, columns) or signals "
            "(n, channels, length)"
        )
    found: Kind = "image" if image else "table" if table else "signal" if signal else "text"
    if kind is not None and kind != found:
        raise InputError(f"{what} are no {kind}: leave kind out, or give values of that kind")
    if labels is not None and (labels.shape != values.shape[:1] or labels.is_floating_point()):
        raise InputError(
            f"labels of {labels.dtype} and shape {tuple(labels.shape)} for {len(values)} samples: "
            f"give integers of shape ({len(values)},)"
        )
    return found
