"""Whether samples can be written to a target: asked before any time is spent on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from unstir.data.dataset import Kind
from unstir.data.formats import SUFFIXES
from unstir.data.picture import grid_layout
from unstir.data.wording import reason, shown
from unstir.errors import InputError

_HOLDS = {".csv": "tables", ".txt": "text", ".zip": "images"}


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
    target = check_format(path, shape, labelled=labelled, kind=kind)
    check_place(target)
    return target


def check_format(
    path: str | os.PathLike[str], shape: Sequence[int], labelled: bool = False, kind: Kind | None = None
) -> Path:
    """`check_target`, but for what lies at that place by now."""
    target = Path(os.path.expanduser(os.fspath(path)))
    what, suffix, image = shown(path), target.suffix.lower(), len(shape) == 4
    signal = len(shape) == 3
    if suffix and suffix not in SUFFIXES:
        raise InputError(f"{what} ends in {suffix!r}: give {', '.join(SUFFIXES)} or a folder")
    if image and suffix in (".csv", ".txt"):
        raise InputError(
            f"{what} holds {_HOLDS[suffix]}, and these are images: give .npz, .png, .zip, .parquet or "
            "a folder"
        )
    if signal and suffix not in (".npz", ".png"):
        raise InputError(f"{what} holds no signals: give .npz or .png")
    if kind == "text" and suffix not in (".txt", ".npz"):
        raise InputError(f"{what} holds no text: give .txt or .npz")
    if kind == "table" and suffix == ".txt":
        raise InputError(f"{what} holds text, and this is a table: give .npz, .csv or .parquet")
    if not image and suffix == ".zip":
        raise InputError(f"{what} holds images, and this is a table: give .npz, .csv or .parquet")
    if not image and not suffix:
        raise InputError(
            f"{what} has no ending, so it is a folder of images, and this is a table: add .npz or .csv"
        )
    if not (image or signal) and suffix == ".png" and shape[1] != 2:
        raise InputError(
            f"{what} shows points of 2 columns, and these have {shape[1]}: give .npz, .csv or .parquet"
        )
    if labelled and not image and suffix in (".csv", ".parquet"):
        raise InputError(f"{what} holds numbers and no labels: give .npz")
    if image and suffix == ".png":
        grid_layout(shape)
    if "\0" in str(target):
        raise InputError(f"{what} cannot be written, no name holds a zero byte: give another")
    if target.name in ("", ".."):
        raise InputError(f"{what} names no file or folder to make: give a name, such as samples")
    return target


def check_place(target: Path) -> None:
    """Refuse a place where a target cannot be made.

    Raises:
        InputError: a folder with something in it, something of the other kind, no permission.
    """
    what = shown(target)
    try:
        _check_place(target, what)
    except OSError as error:
        raise InputError(f"{what} cannot be written ({reason(error)}): give another place") from error


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
