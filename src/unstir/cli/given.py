"""What a verb is given: a run, or a field that needs none; items of a data set or one image, or held out."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unstir.cli.console import say_passed_over, say_skipped
from unstir.errors import InputError

if TYPE_CHECKING:
    from unstir.data import Dataset
    from unstir.run import Run
    from unstir.untrained import Untrained

    Source = Run | Untrained


def open_run(path: Path, device: str = "auto") -> Run:
    """The run in a folder; its checkpoints that did not verify are named.

    Raises:
        InputError: as `unstir.run.load`.
    """
    from unstir.run import load

    run = load(path, device=device)
    say_passed_over(run)
    return run


def untrained_field(
    exact: str | None, local: str | None, process: str | None, device: str, *, skip_bad: bool = False
) -> Untrained:
    """The exact field of data, or that of their patches; the process is the one that runs have by default."""
    from unstir import untrained
    from unstir.train import TrainConfig

    process = process or str(TrainConfig.model_fields["process"].default)
    field = (
        untrained.local(process, local, device=device, skip_bad=skip_bad)
        if exact is None
        else untrained.exact(process, exact, device=device, skip_bad=skip_bad)
    )
    say_skipped(field.data)
    return field


def given_items(
    run: Run | Untrained,
    source: str | None,
    n: int | None = None,
    name: str = "data",
    *,
    skip_bad: bool = False,
) -> Dataset:
    """The first `n` items of `source` as the run sees its own data, or without a source of those held out.

    Args:
        run: whose data they are like; a field that needs none has all its data, and holds none out.
        source: a built-in name, a path, or one image's file.
        n: how many at most; all by default.
        name: of the option, for messages.
        skip_bad: pass over images of `source` that cannot be read.

    Raises:
        InputError: nothing there, or items of another shape than the run's.
    """
    data = _own(run) if source is None else as_seen(run, load_items(source, skip_bad=skip_bad))
    if len(data) == 0:
        raise InputError(f"holdout=0: nothing was held out; give items with --{name}")
    if data.shape != tuple(run.info.shape):
        wanted = tuple(run.info.shape)
        raise InputError(
            f"{name} {source}: has items of {data.shape}, the run of {wanted}{fitting(source, data, wanted)}"
        )
    return data if n is None else data.select(torch.arange(min(n, len(data))))


def fitting(source: str | None, data: Dataset, shape: tuple[int, ...]) -> str:
    """How images come to another shape; empty for what cannot be scaled."""
    from unstir.data.arrow import SUFFIXES
    from unstir.data.asked import asked

    if data.kind == "image" and data.shape[1:] == shape[1:]:
        return f"; make them {'grey' if shape[0] == 1 else 'colour'} images, as the run's are"
    place = asked(str(source)).place
    square = len(shape) == 3 and shape[-1] == shape[-2]
    loose = bool(data.files) or (data.kind == "image" and place.lower().endswith(SUFFIXES))
    return f"; {place}:size={shape[-1]} crops and scales them" if square and loose else ""


def check_apart(target: Path, run: Source | None, *sources: str | None) -> None:
    """Refuse a target among the data of a run, or of a field that needs none, or among others that are given.

    Raises:
        InputError: as `unstir.data.apart.check_apart`.
    """
    from unstir.data.apart import check_apart as check
    from unstir.run import Run
    from unstir.train.folder import ARRAY

    own: list[str | None] = []
    if isinstance(run, Run):
        own = [run.config.data, run.config.partner]
    elif run is not None:
        own = [run.data.name]
    check(target, [name for name in (*own, *sources) if name is not None and name != ARRAY])


def _own(run: Run | Untrained) -> Dataset:
    from unstir.run import Run

    return run.data()[1] if isinstance(run, Run) else run.data


def load_items(source: str, *, skip_bad: bool = False) -> Dataset:
    """A data set, or one of the image in a file.

    Args:
        source: a built-in name, or a path; behind one of images, `:size=64` crops and scales them.
        skip_bad: pass over images that cannot be read, and name them.

    Raises:
        InputError: as `unstir.data.load`.
    """
    from unstir.data import load
    from unstir.data.asked import asked
    from unstir.data.decode import SUFFIXES

    wish = asked(source)
    path, size = Path(wish.place).expanduser(), wish.size
    if path.suffix.lower() in SUFFIXES and path.is_file():
        wish.check_no_table(source)
        with tempfile.TemporaryDirectory() as folder:  # data are read by the folder
            shutil.copy(path, folder)
            return load(folder if size is None else f"{folder}:size={size}")
    data = load(source, skip_bad=skip_bad)
    say_skipped(data)
    return data


def as_seen(run: Run | Untrained, data: Dataset) -> Dataset:
    """Data as a run, or a field that needs none, sees its own.

    Raises:
        InputError: columns or categories that it does not know.
    """
    from unstir.data import recoded
    from unstir.run import Run
    from unstir.train.source import as_read

    read = as_read(data, run.config) if isinstance(run, Run) else data
    return recoded(read, run.info.columns, run.info.categories)
