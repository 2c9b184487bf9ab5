"""Samples to files, each written whole or not at all.

    .npz               `samples`: images (n, h, w) or (n, h, w, 3) as uint8, tables float32; `labels` if any;
                       of signals float32 (n, channels, length) and `kind`, the text `signal`;
                       of a table with categories the codes, with `columns` and the names `categories_J` of
                       column J
    .png               a grid of images, a scatter of a table of two columns, or the first 16 signals
    .csv  .parquet     tables, with the columns' names and categories as text
    .txt               text, one item a line
    no ending          a folder of images 000000.png, 000001.png, ...; with labels, in a sub-folder for each

Each is written under a temporary name beside its target, synced to disk and renamed. A folder must be new or
empty; a file is replaced.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unstir.data.categories import Names, to_arrays
from unstir.data.curves import curves_bytes
from unstir.data.dataset import Kind
from unstir.data.npy import KIND_NAME
from unstir.data.picture import grid_layout, image_grid, png_bytes, scatter_bytes
from unstir.data.tables import check_names, csv_bytes, parquet_bytes
from unstir.data.text import to_lines
from unstir.data.wording import reason, shown
from unstir.errors import InputError

SUFFIXES = (".npz", ".png", ".csv", ".parquet", ".txt")
_HOLDS = {".csv": "tables", ".parquet": "tables", ".txt": "text"}


def save_samples(
    path: str | os.PathLike[str],
    values: Tensor,
    labels: Tensor | None = None,
    kind: Kind | None = None,
    *,
    columns: Sequence[str] = (),
    categories: Sequence[Names] = (),
) -> Path:
    """Write samples in the format that the path's ending names.

    Args:
        path: the target; missing folders above it are made.
        values: images uint8 `(n, 1 or 3, height, width)`, a table of floats `(n, columns)`, or text as int32
            code points `(n, length)`, in data units.
        labels: class numbers `(n,)`; .csv and .parquet take none, a grid does not show them.
        kind: `image`, `table` or `text`; told by shape and dtype without.
        columns: a table's column names; `x0, x1, ...` without.
        categories: for each column its category names, or None; see `Dataset.categories`.

    Returns:
        The path written.

    Raises:
        InputError: values of another kind, a format that cannot hold them, or a place that cannot be written.
    """
    kind = _check_values(values, labels, kind)
    path = check_target(path, values.shape, labelled=labels is not None, kind=kind)
    values = values.detach().cpu()
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
    suffix = path.suffix.lower()
    if suffix:
        content = _content(suffix, values, labels, columns, categories)
        _write(path, lambda target: _write_file(target, content))
    else:
        _write(path, lambda target: _write_folder(target, values, labels))
    return path


def check_target(
    path: str | os.PathLike[str], shape: Sequence[int], labelled: bool = False, kind: Kind | None = None
) -> Path:
    """Refuse a target that `save_samples` could not write, before any time is spent on samples.

    Args:
        path: the target.
        shape: the shape that the values will have, `(n, c, h, w)` or `(n, columns)`.
        labelled: whether there will be labels.
        kind: of the values; without, only images are told from the others.

    Returns:
        The path, with `~` resolved.

    Raises:
        InputError: an ending we do not write or that cannot hold these values, a folder with something in it,
            no permission.
    """
    target = Path(os.path.expanduser(os.fspath(path)))
    what, suffix, image = shown(path), target.suffix.lower(), len(shape) == 4
    signal = len(shape) == 3
    if suffix and suffix not in SUFFIXES:
        raise InputError(f"{what} ends in {suffix!r}: give {', '.join(SUFFIXES)} or a folder")
    if image and suffix in (".csv", ".parquet", ".txt"):
        raise InputError(f"{what} holds {_HOLDS[suffix]}, and these are images: give .npz, .png or a folder")
    if signal and suffix not in (".npz", ".png"):
        raise InputError(f"{what} holds no signals: give .npz or .png")
    if kind == "text" and suffix not in (".txt", ".npz"):
        raise InputError(f"{what} holds no text: give .txt or .npz")
    if kind == "table" and suffix == ".txt":
        raise InputError(f"{what} holds text, and this is a table: give .npz, .csv or .parquet")
    if not image and not suffix:
        raise InputError(
            f"{what} has no ending, so it is a folder of images, and this is a table: add .npz or .csv"
        )
    if not (image or signal) and suffix == ".png" and shape[1] != 2:
        raise InputError(
            f"{what} shows points of 2 columns, and these have {shape[1]}: give .npz, .csv or .parquet"
        )
    if labelled and suffix in (".csv", ".parquet"):
        raise InputError(f"{what} holds numbers and no labels: give .npz")
    if image and suffix == ".png":
        grid_layout(shape)
    if "\0" in str(target):
        raise InputError(f"{what} cannot be written, no name holds a zero byte: give another")
    try:
        _check_place(target, what)
    except OSError as error:
        raise InputError(f"{what} cannot be written ({reason(error)}): give another place") from error
    return target


def _check_place(target: Path, what: str) -> None:
    if target.suffix and target.is_dir():
        raise InputError(f"{what} is a folder: give the name of a file in it")
    if not target.suffix and target.is_dir() and any(target.iterdir()):
        raise InputError(f"{what} is a folder with something in it: give a new one, or empty it")
    if not target.suffix and target.exists() and not target.is_dir():
        raise InputError(f"{what} is a file: give a folder, or a name that ends in {', '.join(SUFFIXES)}")
    parent = next((folder for folder in target.absolute().parents if folder.exists()), target.absolute())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"{what} cannot be written, {shown(parent)} is no folder we may write in: give another"
        )


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


def _content(
    suffix: str, values: Tensor, labels: Tensor | None, columns: Sequence[str], categories: Sequence[Names]
) -> bytes:
    if suffix == ".npz":
        arrays: dict[str, Any] = {"samples": _array(values)}
        if values.ndim == 3:
            arrays[KIND_NAME] = np.array("signal")
        arrays |= to_arrays(columns, categories)
        if labels is not None:
            arrays["labels"] = labels.cpu().to(torch.int64).numpy()
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        return stream.getvalue()
    if suffix == ".txt":
        return "".join(line + "\n" for line in to_lines(values)).encode()
    if suffix == ".png":
        if values.ndim == 4:
            return png_bytes(image_grid(values))
        return curves_bytes(values) if values.ndim == 3 else scatter_bytes(values, labels, columns)
    return (csv_bytes if suffix == ".csv" else parquet_bytes)(_array(values), columns, categories)


def _array(values: Tensor) -> np.ndarray[Any, Any]:
    if values.dtype == torch.int32:
        return np.array(to_lines(values))
    if values.ndim in (2, 3):
        return values.float().numpy()
    return values[:, 0].numpy() if values.shape[1] == 1 else values.permute(0, 2, 3, 1).contiguous().numpy()


def _write(path: Path, fill: Callable[[Path], None]) -> None:
    """Make `path` by `fill` under a temporary name, then rename; leave nothing behind where that fails."""
    made = [folder for folder in path.absolute().parents if not folder.exists()]
    scratch = path.with_name(f".unstir-{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fill(scratch)
        os.replace(scratch, path)
        _sync(path.parent)
    except BaseException as error:
        _remove(scratch)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        if isinstance(error, OSError):
            raise InputError(
                f"{shown(path)} cannot be written ({reason(error)}): free some space there or give "
                "another place"
            ) from error
        raise


def _write_file(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _write_folder(folder: Path, values: Tensor, labels: Tensor | None) -> None:
    folder.mkdir()
    for name, content in _pages(values, labels):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        _write_file(file, content)
    for inner in {folder, *(item for item in folder.iterdir() if item.is_dir())}:
        _sync(inner)


def _pages(values: Tensor, labels: Tensor | None) -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    for i, image in enumerate(_array(values)):
        label = "" if labels is None else f"{int(labels[i])}/"
        yield f"{label}{i:06d}.png", png_bytes(Image.fromarray(image))


def _sync(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(scratch: Path) -> None:
    if scratch.is_dir():
        shutil.rmtree(scratch, ignore_errors=True)
    else:
        scratch.unlink(missing_ok=True)
