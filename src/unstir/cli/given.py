"""Items that a verb is given: a data set, one image's file, or what a run held out."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unstir.errors import InputError

if TYPE_CHECKING:
    from unstir.data import Dataset
    from unstir.run import Run


def given_items(run: Run, source: str | None, n: int | None = None, name: str = "data") -> Dataset:
    """The first `n` items of `source` as the run sees its own data, or without a source of those held out.

    Args:
        run: whose data they are like.
        source: a built-in name, a path, or one image's file.
        n: how many at most; all by default.
        name: of the option, for messages.

    Raises:
        InputError: nothing there, or items of another shape than the run's.
    """
    data = run.data()[1] if source is None else _read(run, source)
    if len(data) == 0:
        raise InputError(f"holdout=0: nothing was held out; give items with --{name}")
    if data.shape != tuple(run.info.shape):
        raise InputError(f"{name} {source}: has items of {data.shape}, the run of {tuple(run.info.shape)}")
    return data if n is None else data.select(torch.arange(min(n, len(data))))


def _read(run: Run, source: str) -> Dataset:
    from unstir.data import load, recoded
    from unstir.data.decode import SUFFIXES
    from unstir.train.source import as_read

    path = Path(source).expanduser()
    if path.suffix.lower() in SUFFIXES and path.is_file():
        with tempfile.TemporaryDirectory() as folder:  # data are read by the folder
            shutil.copy(path, folder)
            given = load(folder)
    else:
        given = load(source)
    return recoded(as_read(given, run.config), run.info.columns, run.info.categories)
