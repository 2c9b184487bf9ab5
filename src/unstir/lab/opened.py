"""Trained runs that the lab has opened: found by name in its folder, the last used of them kept.

A name is looked up in a listing of the folder and never joined to a path, so that nothing outside of it can
be asked for. What a run was trained on it says itself, and the data are read again from there only if they
are the very same, by their digest (`Run.data`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from unstir.data import Dataset
from unstir.errors import InputError
from unstir.measure import nearest
from unstir.picture.looks import images_look
from unstir.run import Run, load

_MOST = 4
_MEASURED = 200  # held-out images whose distances to the training set are the yardstick


@dataclass(frozen=True, eq=False)
class Opened:
    """A run, and what is known of its data once it is asked for.

    Attributes:
        run: itself, on the CPU.
    """

    run: Run

    @property
    def images(self) -> bool:
        """Whether it makes images."""
        return self.run.info.kind == "image"

    @cached_property
    def parts(self) -> tuple[Dataset, Dataset]:
        """Training and held-out data, as the run can make them.

        Raises:
            InputError: they cannot be read any more, or have changed.
        """
        train, heldout = self.run.data()
        return self.run.seen(train), self.run.seen(heldout)

    @cached_property
    def yardstick(self) -> float | None:
        """The median distance of held-out images to the nearest training image, or None without any."""
        train, heldout = self.parts
        if not len(heldout):
            return None
        found = float(nearest(heldout.values[:_MEASURED], train.values)[1].median())
        return found if found > 0 else None

    def pixels(self, states: Tensor) -> Tensor:
        """States of images as they are seen, uint8 `(n, height, width)`, or with 3 colours last."""
        shown = (images_look(self.run.scaling).colours(states) * 255).round().to(torch.uint8)
        return shown if self.run.info.shape[0] == 3 else shown[..., 0]


class OpenedRuns:
    """The last used runs, each opened once whoever asks."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._runs: OrderedDict[tuple[str, float], Opened] = OrderedDict()

    def get(self, folder: Path | None, name: str) -> Opened:
        """The run of that name.

        Raises:
            InputError: no folder was given, or no such run is in it, or one that cannot be opened.
        """
        path = found(folder, name)
        stamp = max((each.stat().st_mtime for each in (path / "checkpoints").glob("step-*")), default=0.0)
        key = (str(path), stamp)
        with self._lock:
            if key in self._runs:
                self._runs.move_to_end(key)
                return self._runs[key]
        opened = Opened(load(path, device="cpu"))
        if not opened.images and opened.run.info.model_shape != (2,):
            raise InputError(f"run {name}: makes {opened.run.info.kind}s; the lab shows images and points")
        with self._lock:
            opened = self._runs.setdefault(key, opened)
            while len(self._runs) > self._most:
                self._runs.popitem(last=False)
        return opened


def names(folder: Path | None) -> list[str]:
    """Of the runs in a folder, in order."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if (path / "config.yaml").is_file())


def found(folder: Path | None, name: str) -> Path:
    """The run of that name in the folder.

    Raises:
        InputError: no folder was given, or no such run is in it.
    """
    if folder is None:
        raise InputError("run: the lab was given no folder of runs; start it with unstir lab --runs FOLDER")
    for path in folder.iterdir():
        if path.name == name and (path / "config.yaml").is_file():
            return path
    listed = ", ".join(names(folder)[:12]) or "none"
    raise InputError(f"run={name[:60]!r}: is not in the lab's folder; there are {listed}")
